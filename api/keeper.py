"""The keeper: projections, timers and checkpoints, in the background of the writes.

A step that fails is tried again at the next round and makes the server unready until it succeeds;
it never skips what it stumbled over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial

from api.codes import Answerer
from api.delivering import deliver_paid
from api.duplicates import sold_by
from api.earning import Earner
from api.house import House
from api.labelling import Labeller
from api.levelling import Leveller
from api.logs import logger
from api.packing import NotPacked
from api.recourse import Recoverer
from api.timers import fire_due

PUBLISH_EVERY_S = 1.0
LOOK_EVERY_S = 1.0
_LOOKED_AT = frozenset({"disk", "standing"})
# How much longer a process waits that found another one publishing.
BESIDE_ANOTHER = 1.0
# After a round the keeper rests this many times as long as the round took.
REST, REST_MAX_S = 2.0, 0.25
# Of so many cards it is remembered that somebody was told.
TOLD_MAX = 10_000
_LOG = logger("keeper")


class Keeper:
    """Works in the background of one application, one round at a time."""

    def __init__(
        self,
        house: House,
        *,
        publish_every_s: float = PUBLISH_EVERY_S,
        on_failure: Callable[[str, Exception], object] = lambda _step, _error: None,
    ) -> None:
        """Keep a house.

        Args:
            house: An open ledger.
            publish_every_s: Least seconds between two checkpoints.
            on_failure: Told of every step that fails.

        """
        self._on_failure = on_failure
        self._house = house
        self._publish_every_s = publish_every_s
        self._publish_next_s = 0.0
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._look_next_s = 0.0
        self._shown: int | None = None
        self._failures: dict[str, str] = {}
        self._undelivered: set[tuple[str, int]] = set()
        self._labeller = Labeller(house)
        self._leveller = Leveller(house)
        self._answerer = Answerer(house)
        self._earner = Earner(house)
        self._recoverer = Recoverer(house)

    @property
    def failures(self) -> Mapping[str, str]:
        """What failed in the last round: step to the name of its error."""
        return self._failures

    def wake(self) -> None:
        """Begin the next round at once: something was written."""
        self._woken.set()

    def stop(self) -> None:
        """Finish after one last round, so that nothing stays unpublished."""
        self._ended.set()
        self._woken.set()

    async def run(self) -> None:
        """Work until stopped."""
        now_s = asyncio.get_running_loop().time
        while not self._ended.is_set():
            began_s = now_s()
            await self._turn()
            # Under load there is always something new. Whoever writes gets most of the time.
            await self._pause(self._ended, min(REST * (now_s() - began_s), REST_MAX_S))
            # Other processes write to the same database and wake nobody here.
            await self._pause(self._woken, LOOK_EVERY_S)
        self._publish_next_s = 0.0
        await self.round()

    async def round(self) -> None:
        """Look where the database stands, and do everything that is due."""
        self._look_next_s = 0.0
        await self._turn()

    async def _turn(self) -> None:
        """Bring the projections up to date, do what is due, deliver, publish if it is time."""
        self._woken.clear()
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._look_next_s or self._failures.keys() & _LOOKED_AT:
            self._look_next_s = now_s + LOOK_EVERY_S
            await self._step("standing", self._look)
            await self._step("disk", self._house.disk.admit)
            await self._step("alerts", self._alert)
        await self._step("projections", self._house.runner.catch_up)
        if "standing" in self._failures:
            # Nothing may be written or signed: what follows could only fail for the same reason.
            return
        if "disk" not in self._failures:
            await self._step("timers", partial(fire_due, self._house))
            await self._step("answers", self._answerer.keep_up)
            await self._step("recourse", self._recoverer.keep_up)
            await self._step("labels", self._labeller.keep_up)
            await self._step("earnings", self._earner.keep_up)
            await self._step("levels", self._leveller.keep_up)
            await self._step("delivery", self._deliver)
        # Also on a disk that is nearly full: what was promised is published.
        now_s = asyncio.get_running_loop().time()
        if now_s >= self._publish_next_s:
            self._publish_next_s = now_s + self._publish_every_s
            await self._step("checkpoint", self._publish)

    @staticmethod
    async def _pause(until: asyncio.Event, most_s: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), most_s)

    def _publish(self) -> None:
        """Publish, unless another process does: what it checks need not be checked twice."""
        shown = self._house.reader.published_size()
        by_another = self._shown is not None and shown > self._shown
        self._shown = shown
        if by_another and self._publish_every_s > 0 and not self._ended.is_set():
            # Looked at more rarely than it publishes, so that one of them goes on.
            self._publish_next_s += self._publish_every_s * BESIDE_ANOTHER
            return
        self._house.publisher.publish()
        self._shown = self._house.reader.published_size()

    def _deliver(self) -> None:
        deliver_paid(self._house, self._tell_once)

    def _tell_once(self, order: str, line: int, why: NotPacked) -> None:
        """Say once of a card that it cannot be delivered: it is tried until its order gives up."""
        if (order, line) in self._undelivered:
            return
        if len(self._undelivered) >= TOLD_MAX:
            self._undelivered.clear()
        self._undelivered.add((order, line))
        _LOG.error("card-not-delivered", order=order, line=line, reason=why.reason)

    def _alert(self) -> None:
        """Tell staff, once, who tried to register a card key of somebody else, sold or not."""
        for each in self._house.registry.untold():
            _LOG.warning(
                "card-key-of-another",
                party=each.owner,
                stream=f"item/{each.item}",
                other_party=each.other_owner,
                other_stream=f"item/{each.other_item}",
                other_order=sold_by(self._house, each.other_item),
            )

    def _look(self) -> None:
        """Look where the database stands now, so that a lock begins and ends by itself."""
        self._house.gate.look()
        self._house.gate.admit_writing()

    async def _step(self, name: str, work: Callable[[], object]) -> None:
        try:
            await asyncio.to_thread(work)
        except Exception as error:  # whatever it is must not end the keeper, and is shown
            told = getattr(error, "code", type(error).__name__)
            if self._failures.get(name) != told:
                # Once: it is tried every second, and metrics count how often.
                _LOG.error("keeper-failed", step=name, error=error)
            self._failures[name] = told
            self._on_failure(name, error)
        else:
            if self._failures.pop(name, None) is not None:
                _LOG.info("keeper-recovered", step=name)
