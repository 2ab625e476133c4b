"""Group commit: many callers, one writer, one transaction for whatever waits.

Submissions from any thread or event loop enter a bounded queue. A few threads prepare them, which
is mostly checking signatures and runs beside everything else; one thread takes what is prepared, up
to a thousand commands, commits it at once and answers everybody, with one wake-up an event loop.
While a batch is committed, the next one is prepared. Nobody waits for a batch to fill: alone, a
command is a batch of one, and under load batches grow by themselves.

A refused command fails alone. A failed commit fails its batch, and what is left of the requests in
it: the commands behind it may rest on those that failed. A caller who stops waiting changes
nothing; what was queued is recorded, and the same bytes sent again bring the receipt.
Specification: docs/spec.md section 9; decision: docs/adr/0017-group-commit.md.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from ledger.application import Outcome
from ledger.crashpoints import CrashPoint, reach
from ledger.errors import LedgerError, WriterStopped
from ledger.observer import Committed, Load, Nobody, Observer
from ledger.queue import Bounds, Queue, Request, Slice
from ledger.quota import Admission
from ledger.record.errors import OutcomeUnknown, RecordError
from ledger.submission import Submission

P = TypeVar("P")
Q = TypeVar("Q")

Result = Outcome | Exception
_Waiter = threading.Event | asyncio.Future[None]
# How many commands a thread takes at once: few, so that all have work, and more where many wait,
# since a thread that comes back for more stands in line for the interpreter.
_PREPARED_AT_ONCE = 32
_PREPARED_AT_MOST = 128
_WAITING_SHARE = 16
_STOP_S = 30.0


class Committing(Protocol[Q]):
    """What the writer writes to: `ledger.application.Ledger`."""

    def prepare(self, submission: Submission, /) -> Q:
        """Find out what can be found out before the command's turn; any thread may."""
        ...

    def commit(self, prepared: Sequence[Q], /) -> list[Outcome]:
        """Decide and record in one transaction; one thread at a time."""
        ...


class Writer(Generic[P]):
    """The one way in for everybody who writes at the same time."""

    def __init__(
        self,
        ledger: Committing[P],
        *,
        bounds: Bounds | None = None,
        threads: int = 2,
        admission: Admission[P] | None = None,
        observer: Observer | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Stand in front of a ledger; nothing runs before `start`.

        Args:
            ledger: Prepares and commits.
            bounds: How much may wait.
            threads: How many prepare beside the writing thread, 0 or more. More of them take
                the interpreter from the writing thread, and everybody waits longer.
            admission: Who may write now; everybody when None.
            observer: Is told of every batch.
            monotonic: A clock in seconds that never goes back.

        """
        self._ledger, self._threads = ledger, threads
        self._admission, self._observer = admission, observer or Nobody()
        self._monotonic = monotonic
        self._queue: Queue[P] = Queue(bounds or Bounds())
        self._lock = threading.Lock()
        self._to_prepare = threading.Condition(self._lock)
        self._to_write = threading.Condition(self._lock)
        self._waiters: dict[Request[P], _Waiter] = {}
        self.broken: BaseException | None = None
        self._running: list[threading.Thread] = []
        self._stopping = False
        self._committing = False
        self._busy_since_s = 0.0

    def start(self) -> None:
        """Start the threads. They end with `stop`, or with the process."""
        names = ["writer", *(f"preparer-{number}" for number in range(self._threads))]
        for name in names:
            work = self._write if name == "writer" else self._prepare
            thread = threading.Thread(target=self._run, args=(work,), name=name, daemon=True)
            self._running.append(thread)
        for thread in self._running:
            thread.start()

    def stop(self, *, timeout_s: float = _STOP_S) -> bool:
        """Let nobody in any more, finish what waits, and end the threads.

        Returns:
            Whether everybody was answered with an outcome. If the database did not answer in time,
            those in its hands got `OutcomeUnknown` and those behind them `WriterStopped`.

        """
        with self._lock:
            self._stopping = True
            self._to_prepare.notify_all()
            self._to_write.notify_all()
        until_s = self._monotonic() + timeout_s
        for thread in self._running:
            thread.join(max(0.0, until_s - self._monotonic()))
        while not self._running and self.pump():
            pass
        return self._leave_all() == 0

    def submit(self, submissions: Sequence[Submission]) -> list[Result]:
        """Hand in commands and wait for their outcomes; blocks the calling thread.

        Args:
            submissions: Recorded in this order, though not necessarily in one transaction.

        Returns:
            One each: an outcome, or the error that kept it from being tried or known.

        Raises:
            QueueFull: Too much waits already; nothing was recorded.
            WriterStopped: The writer is stopping; nothing was recorded.
            WriteContended: Other writers were first each time; nothing was recorded.
            OutcomeUnknown: COMMIT gave no answer: send the same bytes again to learn it.
            DatabaseUnavailable: Nothing was recorded.

        """
        if not submissions:
            return []
        answered = threading.Event()
        request = self._enter(submissions, answered)
        answered.wait()
        return _results(request)

    async def submit_async(self, submissions: Sequence[Submission]) -> list[Result]:
        """Hand in commands and wait for their outcomes on an event loop; as `submit`."""
        if not submissions:
            return []
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        request = self._enter(submissions, answered)
        await answered
        return _results(request)

    def check_room(self) -> None:
        """Check that one more command may wait, before work is spent on reading it.

        Raises:
            QueueFull: It may not.
            WriterStopped: The writer is stopping.

        """
        with self._lock:
            self._check_running()
            self._queue.check_room(1, 1, now_s=self._monotonic())

    def load(self) -> Load:
        """Tell what waits now."""
        with self._lock:
            age_s = self._queue.age_s(self._monotonic())
            return Load(self._queue.commands, self._queue.bytes_, age_s)

    def pump(self) -> bool:
        """Do what the writing thread does once: prepare if nothing is ready, commit one batch.

        Without threads this is all that moves commands, in an order that only the caller sets.

        Returns:
            Whether there was anything to do.

        """
        with self._lock:
            pieces = [] if self._queue.has_ready else self._queue.next_to_prepare(_PREPARED_AT_ONCE)
        worked = bool(pieces)
        for piece in pieces:
            self._prepare_one(piece)
        with self._lock:
            batch = self._queue.next_batch()
            self._committing = bool(batch)
            if batch and self._queue.has_unprepared:
                self._to_prepare.notify()
        if batch:
            self._commit(batch)
        return worked or bool(batch)

    def _enter(self, submissions: Sequence[Submission], waiter: _Waiter) -> Request[P]:
        request: Request[P] = Request.of(submissions, arrived_s=self._monotonic())
        with self._lock:
            self._check_running()
            if not self._queue:
                self._busy_since_s = request.arrived_s
            self._queue.enter(request)
            self._waiters[request] = waiter
            # An idle writer prepares a few by itself: that saves a change of threads.
            self._to_write.notify()
            if self._committing or len(submissions) > _PREPARED_AT_ONCE:
                self._to_prepare.notify()
        reach(CrashPoint.QUEUED)
        return request

    def _check_running(self) -> None:
        if self._stopping:
            raise WriterStopped("the server is stopping; nothing was recorded, send it again")

    # The threads

    def _run(self, work: Callable[[], bool]) -> None:
        """Work until stopped. What must not happen, and does, leaves nobody waiting."""
        try:
            while work():
                pass
        except BaseException as error:
            with self._lock:
                self.broken, self._stopping = error, True
                self._to_prepare.notify_all()
                self._to_write.notify_all()
            self._leave_all()
            raise

    def _write(self) -> bool:
        with self._lock:
            while not (self._queue.has_ready or self._queue.has_unprepared):
                if self._stopping and not self._queue:
                    return False
                self._to_write.wait()
        self.pump()
        return True

    def _prepare(self) -> bool:
        with self._lock:
            while not self._queue.has_unprepared:
                if self._stopping and not self._queue:
                    return False
                self._to_prepare.wait()
            share = self._queue.commands // _WAITING_SHARE
            most = min(max(share, _PREPARED_AT_ONCE), _PREPARED_AT_MOST)
            pieces = self._queue.next_to_prepare(most)
            if self._queue.has_unprepared:
                self._to_prepare.notify()
        for piece in pieces:
            self._prepare_one(piece)
        return True

    def _prepare_one(self, piece: Slice[P]) -> None:
        done: list[Request[P]] = []
        try:
            prepared = [self._ledger.prepare(one) for one in piece.submissions()]
        except Exception as failure:  # whatever it is, it belongs to those who wait for it
            with self._lock:
                done = self._queue.give_up(piece, failure)
                self._wake()
        else:
            with self._lock:
                self._queue.put_prepared(piece, prepared)
                self._wake()
        self._answer(done)

    def _wake(self) -> None:
        self._to_write.notify()
        if self._stopping and not self._queue:
            self._to_prepare.notify_all()

    def _leave_all(self) -> int:
        """Answer everybody who still waits, that nobody waits for ever; return how many."""
        with self._lock:
            left = self._queue.leave_all()
            for request in left:
                decided = len(request.outcomes)
                if request.taken > decided:
                    request.fail(decided, OutcomeUnknown("the server stopped before the answer"))
                request.fail(decided, WriterStopped("the server stopped; nothing was recorded"))
        self._answer(left)
        return len(left)

    # One batch

    def _commit(self, batch: Sequence[Slice[P]]) -> None:
        began_s = self._monotonic()
        outcomes, failure = self._try(batch)
        if failure is not None and not isinstance(failure, RecordError | LedgerError):
            # A bug that one command brings out must not cost the others their place.
            alone = _by_request(batch)
            if len(alone) > 1:
                for pieces in alone:
                    self._commit(pieces)
                return
        with self._lock:
            done = self._settle(batch, outcomes, failure)
            now_s = self._monotonic()
            self._queue.note_rate(len(outcomes), now_s - self._busy_since_s)
            self._busy_since_s = now_s
            self._committing = False
            self._wake()
        self._answer(done)
        reach(CrashPoint.ACKNOWLEDGED)
        waits_s = [now_s - request.arrived_s for request in done]
        commands = sum(piece.stop - piece.start for piece in batch)
        told = Committed(outcomes, commands, now_s - began_s, waits_s, failure)
        self._observer.committed(told)

    def _try(self, batch: Sequence[Slice[P]]) -> tuple[list[Outcome], Exception | None]:
        """Commit a batch; return its outcomes, or none and why."""
        prepared = [one for piece in batch for one in piece.prepared()]
        outcomes: list[Outcome | None] = []
        admitted: list[P] = []
        try:
            for one in prepared:
                refusal = None if self._admission is None else self._admission.admit(one)
                outcomes.append(refusal)
                if refusal is None:
                    admitted.append(one)
            decided = iter(self._ledger.commit(admitted) if admitted else [])
        except Exception as failure:  # whatever it is, those who wait must be told
            if self._admission is not None:
                for one in admitted:
                    self._admission.take_back(one)
            return [], failure
        return [next(decided) if given is None else given for given in outcomes], None

    def _settle(
        self, batch: Sequence[Slice[P]], outcomes: Sequence[Outcome], failure: Exception | None
    ) -> list[Request[P]]:
        done: list[Request[P]] = []
        at = 0
        for piece in batch:
            if failure is None:
                count = piece.stop - piece.start
                done += self._queue.settle(piece, outcomes[at : at + count])
                at += count
            else:
                done += self._queue.give_up(piece, failure)
        return done

    # The answers

    def _answer(self, done: Iterable[Request[P]]) -> None:
        """Wake everybody whose request is done: each thread, and each event loop once."""
        loops: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for request in done:
            waiter = self._waiters.pop(request, None)
            if isinstance(waiter, threading.Event):
                waiter.set()
            elif waiter is not None:
                loops.setdefault(waiter.get_loop(), []).append(waiter)
        for loop, futures in loops.items():
            # A loop that was closed has nobody left who waits.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_resolve, futures)


def _resolve(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        # Who was cancelled waits no more.
        if not future.done():
            future.set_result(None)


def _results(request: Request[P]) -> list[Result]:
    if request.failure is not None and not request.outcomes:
        # The same error is raised for everybody in the batch: each gets a traceback of its own.
        raise request.failure.with_traceback(None)
    return request.results()


def _by_request(batch: Sequence[Slice[P]]) -> list[list[Slice[P]]]:
    pieces: dict[Request[P], list[Slice[P]]] = {}
    for piece in batch:
        pieces.setdefault(piece.request, []).append(piece)
    return list(pieces.values())
