"""Clocks tell whole microseconds since the epoch."""

from __future__ import annotations

import time

import pytest

from ledger.clock import FixedClock, SystemClock


def test_the_system_clock_tells_microseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123_456_789)

    assert SystemClock().now() == 1_700_000_000_123_456


def test_a_fixed_clock_moves_only_when_told() -> None:
    clock = FixedClock(1_000)
    assert (clock.now(), clock.now()) == (1_000, 1_000)

    clock.advance(25)
    clock.advance(0)

    assert clock.now() == 1_025


def test_a_clock_does_not_run_backward() -> None:
    clock = FixedClock(1_000)

    with pytest.raises(ValueError, match="advance by -1 microseconds"):
        clock.advance(-1)

    assert clock.now() == 1_000
