"""The keeper: projections, timers and checkpoints, in the background of the writes.

A step that fails is tried again at the next round and makes the server unready until it succeeds;
it never skips what it stumbled over.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from api.house import House
from api.timers import complete_due

PUBLISH_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
_LOG = logging.getLogger("yinzheng.keeper")


class Keeper:
    """Works in the background of one application, one round at a time."""

    def __init__(self, house: House, *, publish_every_s: float = PUBLISH_EVERY_S) -> None:
        """Keep a house.

        Args:
            house: An open ledger.
            publish_every_s: Least seconds between two checkpoints.

        """
        self._house = house
        self._publish_every_s = publish_every_s
        self._publish_next_s = 0.0
        self._woken = asyncio.Event()
        self._stopping = False
        self._failures: dict[str, str] = {}

    @property
    def failures(self) -> Mapping[str, str]:
        """What failed in the last round: step to the name of its error."""
        return self._failures

    def wake(self) -> None:
        """Begin the next round at once: something was written."""
        self._woken.set()

    def stop(self) -> None:
        """Finish after one last round, so that nothing stays unpublished."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Work until stopped."""
        while not self._stopping:
            await self.round()
            with suppress(TimeoutError):
                # Other processes write to the same database and wake nobody here.
                await asyncio.wait_for(self._woken.wait(), LOOK_EVERY_S)
        self._publish_next_s = 0.0
        await self.round()

    async def round(self) -> None:
        """Bring the projections up to date, let timers fire, publish what is new if it is time."""
        self._woken.clear()
        await self._step("standing", self._look)
        await self._step("projections", self._house.runner.catch_up)
        if "standing" in self._failures:
            # Nothing may be written or signed: what follows could only fail for the same reason.
            return
        await self._step("timers", partial(complete_due, self._house))
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._publish_next_s:
            self._publish_next_s = now_s + self._publish_every_s
            await self._step("checkpoint", self._house.publisher.publish)

    def _look(self) -> None:
        """Look where the database stands now, so that a lock begins and ends by itself."""
        self._house.gate.look()
        self._house.gate.admit_writing()

    async def _step(self, name: str, work: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(work)
        except Exception as error:  # whatever it is must not end the keeper, and is shown
            told = getattr(error, "code", type(error).__name__)
            if self._failures.get(name) != told or name != "standing":
                _LOG.exception("keeping %s failed", name)
            self._failures[name] = told
        else:
            self._failures.pop(name, None)
