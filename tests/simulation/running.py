"""How many histories are played, and how long each is."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.plugin import EXAMPLES
from tests.simulation.histories import Histories

STEPS = 40
FULL_TIMES = 5


def run_histories(
    machine: Callable[[], Histories],
    *,
    share: int,
    steps: int = STEPS,
    full_times: int = FULL_TIMES,
) -> None:
    """Play random histories.

    Args:
        machine: Begins a history.
        share: How many of them.
        steps: How long each is.
        full_times: How many times as many `--full` plays.

    """
    profile = settings.default
    assert profile is not None
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=share * full_times if profile.max_examples > EXAMPLES else share,
            stateful_step_count=steps,
            # A history takes as long as it takes.
            suppress_health_check=list(HealthCheck),
        ),
    )
