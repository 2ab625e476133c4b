"""Waiting for what another process or thread brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 120.0
LOOK_EVERY_S = 0.005


def wait_until(happened: Callable[[], bool], *, what: str) -> None:
    """Look again and again until something has happened."""
    until = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < until, f"{what}: waited for {PATIENCE_S} s"
        time.sleep(LOOK_EVERY_S)
