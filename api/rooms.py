"""What a route works with: the open ledger, its keeper, and threads for whatever blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Annotated, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from api.house import House
from api.keeper import Keeper
from api.metrics import Metrics
from api.order_limits import OrderLimits
from api.settings import Settings
from api.submitting import read_submissions
from api.telemetry import BatchLog
from ledger.queue import Bounds
from ledger.quota import ReadQuota, WriteQuota
from ledger.rules.errors import Malformed
from ledger.submission import Prepared, Submission
from ledger.writer import Writer
from projections.history import History
from projections.ownership import Ownership
from projections.parties import Parties

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 8
_IDENTIFIERS = 2
_ANSWERERS = 2
_LARGE_BODIES = 8
_UNPACKED_AT_ONCE_BYTES = 8 * 1024


class Rooms:
    """One ledger behind one application. Reads share a few threads; writes go to one writer."""

    def __init__(
        self, house: House, *, keeper: Keeper, metrics: Metrics, settings: Settings
    ) -> None:
        self.house, self.keeper, self.metrics, self.settings = house, keeper, metrics, settings
        self.writer: Writer[Prepared] = Writer(
            house.ledger,
            bounds=Bounds(commands=settings.queue_commands, bytes_=settings.queue_bytes),
            admission=None if settings.quota is None else WriteQuota(settings.quota, house.ledger),
            observer=BatchLog(metrics),
        )
        self.orders = OrderLimits(house)
        metrics.watch(house, self.writer.load, lambda: list(keeper.failures))
        reads = settings.read_quota
        self.read_quota = None if reads is None else ReadQuota(reads)
        self._reading = CapacityLimiter(_READERS)
        # Each takes a turn at the database's writers: what waits there must not hold up readers.
        self._identifying = CapacityLimiter(_IDENTIFIERS)
        # So does each answer of `system` to a question about a code.
        self._answering = CapacityLimiter(_ANSWERERS)
        # Large bodies are unpacked one by one: each takes the interpreter for a while.
        self._unpacking = CapacityLimiter(1)
        # Whoever sends without end holds no more memory than this; what is read waits elsewhere.
        self.large_bodies = CapacityLimiter(_LARGE_BODIES)

    @cached_property
    def ownership(self) -> Ownership:
        """Questions about who holds items."""
        return Ownership(self.house.reader)

    @cached_property
    def history(self) -> History:
        """Questions about what happened to items."""
        return History(self.house.reader)

    @cached_property
    def parties(self) -> Parties:
        """Questions about parties."""
        return Parties(self.house.reader)

    def projected(self) -> int:
        """Count the entries that the views show; blocks."""
        return min(self.house.runner.positions().values(), default=0)

    async def read(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run what reads the database in a thread."""
        return await to_thread.run_sync(partial(work, *args, **named), limiter=self._reading)

    async def identify(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run what finds out who signed a request in a thread."""
        return await to_thread.run_sync(partial(work, *args, **named), limiter=self._identifying)

    async def answer(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run what reads and then writes as `system` in a thread."""
        return await to_thread.run_sync(partial(work, *args, **named), limiter=self._answering)

    async def unpack(self, body: bytes) -> tuple[list[Submission | Malformed], bool]:
        """Read the body of a write; a large one in a thread. Raises as `read_submissions`."""
        if len(body) <= _UNPACKED_AT_ONCE_BYTES:
            return read_submissions(body)
        return await to_thread.run_sync(read_submissions, body, limiter=self._unpacking)


async def rooms_of(request: Request) -> Rooms:
    """Find the rooms of the application that serves a request."""
    rooms = request.app.state.rooms
    assert isinstance(rooms, Rooms)  # noqa: S101 - set where the application is made
    return rooms


Here = Annotated[Rooms, Depends(rooms_of)]
