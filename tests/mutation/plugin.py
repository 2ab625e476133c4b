"""Pytest plug-in of scripts/mutation: the same few examples for every mutant, and none shrunk.

Thousands of mutants run the tests once each. What matters is whether a test fails at all, the same
way on every machine; the smallest example that fails would only cost time.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings

EXAMPLES = 25


@pytest.hookimpl(trylast=True)
def pytest_configure() -> None:
    settings.register_profile(
        "mutation",
        deadline=None,
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=(Phase.explicit, Phase.generate),
    )
    settings.load_profile("mutation")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests named after the changed module first: they are likeliest to notice."""
    # ledger.proof.merkle.x_check__mutmut_1 while a mutant is tried, another word or none else.
    parts = os.environ.get("MUTANT_UNDER_TEST", "").split(".")
    if len(parts) > 3:
        own = f"test_{parts[2].strip('_')}"
        items.sort(key=lambda item: not item.path.name.startswith(own))
