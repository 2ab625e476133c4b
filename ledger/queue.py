"""The queue in front of the writer: who waits, what is prepared, and who comes next.

It is bounded by commands and by bytes, and a request enters it whole or not at all. Commands of one
request keep their order; between requests nobody starves, because places in a batch are given in
rounds, a share to each request that waits. Nothing here blocks, sleeps or knows a thread: the
writer calls it under its own lock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import ceil
from typing import Generic, TypeVar

from ledger.application import Outcome
from ledger.errors import QueueFull
from ledger.submission import Submission

P = TypeVar("P")

SHARE = 64
RETRY_AFTER_MAX_S = 60
_RATE_WEIGHT = 0.2


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much waits, and how much is committed at once.

    Attributes:
        commands: Most commands that wait; at least as many as one request may have.
        bytes_: Most bytes of commands, signatures, disclosures and parcels that wait.
        batch: Most commands of one commit.
        batch_bytes: A batch takes no more once it holds so many bytes.

    """

    commands: int = 8_000
    bytes_: int = 32 * 1024 * 1024
    batch: int = 1_000
    batch_bytes: int = 8 * 1024 * 1024


@dataclass(eq=False, slots=True)
class Request(Generic[P]):
    """The commands that somebody handed in together, and how far they have come.

    All five counts are prefixes: `settled <= taken <= ready <= given <= cut`, but that a failure
    moves `cut` back to where the first command failed; what stands behind it is not tried.
    """

    submissions: Sequence[Submission]
    arrived_s: float
    sizes: list[int]
    prepared: list[P | None]
    cut: int
    given: int = 0
    ready: int = 0
    taken: int = 0
    failure: Exception | None = None
    outcomes: list[Outcome] = field(default_factory=list)
    waiting: bool = True

    @classmethod
    def of(cls, submissions: Sequence[Submission], *, arrived_s: float) -> Request[P]:
        """Make a request of commands that just arrived; `arrived_s` by a monotonic clock."""
        sizes = [size_of(one) for one in submissions]
        count = len(submissions)
        return cls(submissions, arrived_s, sizes, [None] * count, count)

    @property
    def done(self) -> bool:
        """Whether every command has its outcome, or none will come any more."""
        return len(self.outcomes) >= self.cut

    def fail(self, start: int, failure: Exception) -> None:
        """Give up the commands from `start` on; those before it go their way."""
        if start < self.cut:
            self.cut, self.failure = start, failure

    def results(self) -> list[Outcome | Exception]:
        """Return an outcome or the failure for every command, in order, once it is done."""
        missing = len(self.submissions) - len(self.outcomes)
        failures: list[Exception] = [] if self.failure is None else [self.failure] * missing
        return [*self.outcomes, *failures]


@dataclass(frozen=True, slots=True)
class Slice(Generic[P]):
    """Consecutive commands of one request: to be prepared, or to be committed."""

    request: Request[P]
    start: int
    stop: int

    def submissions(self) -> Sequence[Submission]:
        """Return the commands as they arrived."""
        return self.request.submissions[self.start : self.stop]

    def prepared(self) -> list[P]:
        """Return the commands as they were prepared."""
        return [one for one in self.request.prepared[self.start : self.stop] if one is not None]


class Queue(Generic[P]):
    """Requests between their arrival and their answer."""

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        # In order of arrival; a dictionary, because they leave in another one.
        self._requests: dict[Request[P], None] = {}
        self._unprepared: deque[Request[P]] = deque()
        self._ready: deque[Request[P]] = deque()
        self._rate = 0.0
        self.commands = 0
        self.bytes_ = 0

    def __bool__(self) -> bool:
        return bool(self._requests)

    @property
    def has_unprepared(self) -> bool:
        """Whether there is something to prepare."""
        return bool(self._unprepared)

    @property
    def has_ready(self) -> bool:
        """Whether there is something to commit."""
        return bool(self._ready)

    def age_s(self, now_s: float) -> float:
        """Return for how long the oldest request has waited, 0 when nobody waits."""
        oldest = next(iter(self._requests), None)
        return 0.0 if oldest is None else max(0.0, now_s - oldest.arrived_s)

    def check_room(self, commands: int, bytes_: int, *, now_s: float) -> None:
        """Check that so much more may wait.

        Raises:
            QueueFull: It may not; the evidence says when to come again.

        """
        fits = self.commands + commands <= self._bounds.commands
        if fits and self.bytes_ + bytes_ <= self._bounds.bytes_:
            return
        raise QueueFull(
            "too many commands wait already; nothing was recorded, send them again",
            waiting=self.commands,
            most=self._bounds.commands,
            retry_after_s=self._retry_after_s(now_s),
        )

    def enter(self, request: Request[P]) -> None:
        """Let a whole request wait.

        Raises:
            QueueFull: There is no room for it; nothing of it was kept.

        """
        bytes_ = sum(request.sizes)
        self.check_room(len(request.sizes), bytes_, now_s=request.arrived_s)
        self._requests[request] = None
        self._unprepared.append(request)
        self.commands += len(request.sizes)
        self.bytes_ += bytes_

    def next_to_prepare(self, most: int) -> list[Slice[P]]:
        """Hand out up to `most` commands to be prepared, a share of each request in turn."""
        slices: list[Slice[P]] = []
        while self._unprepared and most > 0:
            request = self._unprepared.popleft()
            start, stop = request.given, min(request.given + most, request.cut)
            request.given = stop
            most -= stop - start
            slices.append(Slice(request, start, stop))
            if stop < request.cut:
                self._unprepared.append(request)
        return slices

    def put_prepared(self, piece: Slice[P], prepared: Sequence[P]) -> None:
        """Take back what was handed out; it is ready once everything before it is."""
        request = piece.request
        request.prepared[piece.start : piece.stop] = prepared
        before = request.ready
        while request.ready < request.cut and request.prepared[request.ready] is not None:
            request.ready += 1
        if before == request.taken < request.ready:
            self._ready.append(request)

    def give_up(self, piece: Slice[P], failure: Exception) -> list[Request[P]]:
        """Fail a request from a piece on.

        Returns:
            The request, if that was all that it waited for.

        """
        request = piece.request
        if request.waiting and request.given < request.cut:
            self._unprepared.remove(request)
        # Nothing more of it is prepared, and nothing is committed from the failure on.
        request.fail(piece.start, failure)
        if request.waiting and request.ready > request.taken >= request.cut:
            self._ready.remove(request)
        return self._leave_if_done(request)

    def next_batch(self) -> list[Slice[P]]:
        """Take what is committed next: in rounds, so that no request keeps another one out."""
        room, bytes_room = self._bounds.batch, self._bounds.batch_bytes
        slices: list[Slice[P]] = []
        while self._ready and room > 0 and bytes_room > 0:
            request = self._ready.popleft()
            start = request.taken
            stop = min(start + SHARE, start + room, request.ready)
            request.taken = stop
            room -= stop - start
            bytes_room -= sum(request.sizes[start:stop])
            slices.append(Slice(request, start, stop))
            if stop < request.ready:
                self._ready.append(request)
        return slices

    def settle(self, piece: Slice[P], outcomes: Sequence[Outcome]) -> list[Request[P]]:
        """Note the outcomes of a piece of a batch.

        Returns:
            The request, if it can be answered now.

        """
        request = piece.request
        request.outcomes += outcomes
        # What was decided is not needed any more, and a large array waits long for its last part.
        request.prepared[piece.start : piece.stop] = [None] * (piece.stop - piece.start)
        return self._leave_if_done(request)

    def leave_all(self) -> list[Request[P]]:
        """Empty the queue at the end and return who still waited."""
        left = list(self._requests)
        for request in left:
            self._leave(request)
        return left

    def note_rate(self, commands: int, seconds: float) -> None:
        """Learn how fast commands are committed, for the advice when to come again."""
        if seconds <= 0:
            return
        rate = commands / seconds
        self._rate = rate if not self._rate else self._rate + _RATE_WEIGHT * (rate - self._rate)

    def _retry_after_s(self, now_s: float) -> int:
        expected = self.commands / self._rate if self._rate else self.age_s(now_s)
        return min(max(ceil(expected), 1), RETRY_AFTER_MAX_S)

    def _leave_if_done(self, request: Request[P]) -> list[Request[P]]:
        if not request.done or not request.waiting:
            return []
        self._leave(request)
        return [request]

    def _leave(self, request: Request[P]) -> None:
        request.waiting = False
        del self._requests[request]
        self.commands -= len(request.sizes)
        self.bytes_ -= sum(request.sizes)


def size_of(submission: Submission) -> int:
    """Count the bytes that a submission holds while it waits."""
    opened = sum(
        len(one.value.encode()) + len(one.salt) + len(one.name) for one in submission.disclosures
    )
    brought = sum(map(len, (*submission.sigs, *submission.parcels)))
    return len(submission.command) + brought + opened
