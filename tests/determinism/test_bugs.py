"""The simulation has teeth: every planted bug is found, by the rule that it breaks."""

from __future__ import annotations

import pytest

from tests.determinism.bugs import BUGS, Bug, seeds_until_found
from tests.figures import record


@pytest.mark.parametrize("bug", [pytest.param(bug, id=bug.name) for bug in BUGS])
def test_a_planted_bug_is_found_within_its_seeds(bug: Bug) -> None:
    played, rule = seeds_until_found(bug)

    assert rule in bug.rules
    assert 1 <= played <= bug.seeds
    record(f"planted bug found by simulation: {bug.name}", played, unit="seeds", found=rule)


def test_without_a_bug_the_same_seeds_pass() -> None:
    """What is found is the bug, not the way of planting it."""
    assert seeds_until_found(Bug("none", (), 10)) == (0, "")
