"""What a route works with: the open ledger, its keeper, and threads for whatever blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import Annotated, ParamSpec, TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import Depends, Request

from api.house import House
from api.keeper import Keeper
from projections.history import History
from projections.ownership import Ownership
from projections.parties import Parties

P = ParamSpec("P")
T = TypeVar("T")

_READERS = 8
_LARGE_BODIES = 8


class Rooms:
    """One ledger behind one application. Reads share a few threads; writes go one by one."""

    def __init__(self, house: House, keeper: Keeper) -> None:
        self.house = house
        self.keeper = keeper
        self._reading = CapacityLimiter(_READERS)
        # The writer holds one lock anyway; large bodies are not unpacked side by side either.
        self._writing = CapacityLimiter(1)
        # Whoever sends without end, or waits to be written, holds no more memory than this.
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

    async def write(self, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """Run what writes in a thread, after the write before it."""
        return await to_thread.run_sync(partial(work, *args, **named), limiter=self._writing)


async def rooms_of(request: Request) -> Rooms:
    """Find the rooms of the application that serves a request."""
    rooms = request.app.state.rooms
    assert isinstance(rooms, Rooms)  # noqa: S101 - set where the application is made
    return rooms


Here = Annotated[Rooms, Depends(rooms_of)]
