"""A hundred seeds: nothing that must hold is broken, and after the faults everything finishes."""

from __future__ import annotations

import pytest

from tests.determinism.options import RATES, STEPS
from tests.determinism.playing import FAULTS, Played, lacking, play, tell
from tests.determinism.regressions import REGRESSIONS
from tests.determinism.running import run_seed

SEEDS = 100


@pytest.fixture(scope="module")
def played() -> Played:
    return play(range(SEEDS))


def test_no_seed_fails(played: Played) -> None:
    tell(played)

    assert played.failed == []
    assert played.seeds == SEEDS
    assert played.steps >= SEEDS * STEPS


def test_most_seeds_end_with_everything_published_and_some_must_halt(played: Played) -> None:
    assert set(played.verdicts) == {"live", "halted"}
    assert played.verdicts["live"] >= SEEDS * 0.8


def test_the_generator_reaches_what_it_is_for(played: Played) -> None:
    """A hundred seeds are few: a quarter of the shares that the long run is held to."""
    assert lacking(played, times=0.25) == {}


def test_every_kind_of_fault_has_a_share_that_is_asserted() -> None:
    assert set(RATES) <= set(FAULTS)


@pytest.mark.parametrize("seed", [pytest.param(s, id=f"{s} {REGRESSIONS[s]}") for s in REGRESSIONS])
def test_a_seed_that_failed_once_passes(seed: int) -> None:
    assert run_seed(seed).verdict in {"live", "halted"}
