"""Pytest plug-in of scripts/mutation: the same few examples for every mutant, and none shrunk.

Thousands of mutants run the tests once each. What matters is whether a test fails at all, the same
way on every machine; the smallest example that fails would only cost time.
"""

from __future__ import annotations

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
