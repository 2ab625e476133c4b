"""The writer: whatever happens, everybody who waits is answered, and once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ledger import crashpoints
from ledger.crashpoints import CrashPoint
from ledger.errors import QueueFull, QuotaExceeded, WriterStopped
from ledger.observer import Committed
from ledger.queue import Bounds
from ledger.record.errors import DatabaseUnavailable, OutcomeUnknown
from ledger.writer import Writer
from tests.unit.writing.paper import PaperLedger, StandingClock, command, commands

WAIT_S = 20.0


@contextmanager
def running(ledger: PaperLedger, **options: Any) -> Iterator[Writer[str]]:
    """A writer with its threads, stopped at the end."""
    writer = Writer(ledger, **options)
    writer.start()
    try:
        yield writer
    finally:
        assert writer.stop(timeout_s=WAIT_S)


def by_hand(
    ledger: PaperLedger, *requests: Any, pumps: int | None = None, **options: Any
) -> list[Any]:
    """Hand in requests on one event loop, then pump; return results or errors, in order."""

    async def play() -> list[Any]:
        writer = Writer(ledger, threads=0, **options)
        tasks = [asyncio.create_task(writer.submit_async(one)) for one in requests]
        await asyncio.sleep(0)
        pumped = 0
        while (pumps is None or pumped < pumps) and writer.pump():
            pumped += 1
        if pumps is not None:
            writer.stop()
        return await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(play())


def fail_with(error: Exception, when: Callable[[list[str]], bool]) -> Callable[[list[str]], None]:
    def before_commit(names: list[str]) -> None:
        if when(names):
            raise error

    return before_commit


class Notes:
    """An observer that writes down what it is told, as often as it is told."""

    def __init__(self) -> None:
        self.batches: list[Committed] = []

    def committed(self, batch: Committed) -> None:
        self.batches.append(batch)


# One batch


def test_a_command_alone_is_a_batch_of_one() -> None:
    ledger = PaperLedger()

    assert by_hand(ledger, commands("a", 1)) == [["a0!"]]
    assert ledger.batches == [["a0"]]


def test_what_waits_is_committed_at_once_and_everybody_gets_his_own() -> None:
    ledger = PaperLedger()

    results = by_hand(ledger, commands("a", 2), commands("b", 1), commands("c", 3))

    assert results == [["a0!", "a1!"], ["b0!"], ["c0!", "c1!", "c2!"]]
    assert ledger.batches == [["a0", "a1", "b0", "c0", "c1", "c2"]]


def test_nothing_is_answered_with_nothing_at_once() -> None:
    ledger = PaperLedger()

    assert by_hand(ledger, []) == [[]]
    assert Writer(ledger).submit([]) == []
    assert ledger.batches == []


def test_an_event_loop_is_woken_once_a_batch() -> None:
    ledger = PaperLedger()
    wakings: list[int] = []

    async def play() -> None:
        writer = Writer(ledger, threads=0)
        loop = asyncio.get_running_loop()
        wake = loop.call_soon_threadsafe

        def counted(work: Any, *arguments: Any) -> Any:
            wakings.append(len(arguments[0]))
            return wake(work, *arguments)

        loop.call_soon_threadsafe = counted  # type: ignore[method-assign]
        tasks = [asyncio.create_task(writer.submit_async([command(f"t{n}")])) for n in range(30)]
        await asyncio.sleep(0)
        writer.pump()
        await asyncio.gather(*tasks)

    asyncio.run(play())

    assert wakings == [30]


def test_an_array_keeps_its_order_over_several_batches() -> None:
    ledger = PaperLedger()

    (results,) = by_hand(ledger, commands("a", 25), bounds=Bounds(batch=10))

    assert results == [f"a{number}!" for number in range(25)]
    assert [len(batch) for batch in ledger.batches] == [10, 10, 5]
    assert ledger.written == [f"a{number}" for number in range(25)]


# What fails


def test_a_failed_commit_fails_its_whole_batch_and_nothing_more() -> None:
    ledger = PaperLedger()
    gone = DatabaseUnavailable("paper", "gone")
    ledger.before_commit = fail_with(gone, lambda names: "a0" in names)

    results = by_hand(
        ledger, commands("a", 2), commands("b", 1), commands("c", 1), bounds=Bounds(batch=3)
    )

    assert results == [gone, gone, ["c0!"]]
    assert ledger.batches == [["c0"]]


def test_what_stands_behind_a_failure_in_its_array_is_not_tried() -> None:
    """It may rest on what failed; and a gap in an array would be nobody's wish."""
    ledger = PaperLedger()
    unknown = OutcomeUnknown("no answer")
    ledger.before_commit = fail_with(unknown, lambda names: "a10" in names)

    array, other = by_hand(ledger, commands("a", 35), commands("b", 12), bounds=Bounds(batch=10))

    assert array == [f"a{number}!" for number in range(10)] + [unknown] * 25
    assert other == [f"b{number}!" for number in range(12)]
    assert not {"a10", "a34"} & set(ledger.written)


def test_a_command_that_brings_out_a_bug_costs_nobody_else_a_place() -> None:
    ledger = PaperLedger()
    bug = ZeroDivisionError()
    ledger.before_commit = fail_with(bug, lambda names: "b1" in names)

    results = by_hand(ledger, commands("a", 2), commands("b", 3), commands("c", 1))

    assert results == [["a0!", "a1!"], bug, ["c0!"]]
    assert ledger.batches == [["a0", "a1"], ["c0"]]


def test_a_key_that_cannot_be_looked_up_fails_the_request_from_there_on() -> None:
    ledger = PaperLedger()
    gone = DatabaseUnavailable("paper", "gone")

    def before_prepare(name: str) -> None:
        if name == "a40":
            raise gone

    ledger.before_prepare = before_prepare

    first, second = by_hand(ledger, commands("a", 70), commands("b", 1))

    assert first == [f"a{number}!" for number in range(32)] + [gone] * 38
    assert second == ["b0!"]


def test_whoever_stops_waiting_loses_nothing_and_disturbs_nobody() -> None:
    ledger = PaperLedger()

    async def play() -> list[Any]:
        writer = Writer(ledger, threads=0)
        gone, stays = (
            asyncio.create_task(writer.submit_async(commands(name, 1)))
            for name in ("gone", "stays")
        )
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        writer.pump()
        both = asyncio.gather(gone, stays, return_exceptions=True)
        return await asyncio.wait_for(both, WAIT_S)

    cancelled, answered = asyncio.run(play())

    assert isinstance(cancelled, asyncio.CancelledError)
    assert answered == ["stays0!"]
    assert ledger.batches == [["gone0", "stays0"]]


def test_whoever_stops_waiting_during_the_commit_loses_nothing() -> None:
    ledger = PaperLedger()
    proceed = threading.Event()
    ledger.before_commit = lambda _names: proceed.wait(WAIT_S)

    async def play(writer: Writer[str]) -> None:
        gone = asyncio.create_task(writer.submit_async(commands("gone", 1)))
        await asyncio.to_thread(ledger.committing.wait, WAIT_S)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        proceed.set()
        assert await writer.submit_async(commands("next", 1)) == ["next0!"]

    with running(ledger) as writer:
        asyncio.run(play(writer))

    assert ledger.batches == [["gone0"], ["next0"]]


def test_an_event_loop_that_ended_is_no_obstacle() -> None:
    ledger = PaperLedger()
    proceed = threading.Event()
    ledger.before_commit = lambda _names: proceed.wait(WAIT_S)

    async def leave(writer: Writer[str]) -> None:
        task = asyncio.create_task(writer.submit_async(commands("a", 1)))
        await asyncio.to_thread(ledger.committing.wait, WAIT_S)
        task.cancel()

    with running(ledger) as writer:
        asyncio.run(leave(writer))
        proceed.set()
        assert writer.submit(commands("b", 1)) == ["b0!"]


# Threads


def test_while_a_batch_is_committed_the_next_one_is_prepared() -> None:
    ledger = PaperLedger()
    proceed, seen = threading.Event(), threading.Event()
    ledger.before_commit = lambda _names: proceed.wait(WAIT_S)
    ledger.before_prepare = lambda name: seen.set() if name == "b4" else None

    with running(ledger, threads=1) as writer:
        first = threading.Thread(target=writer.submit, args=(commands("a", 1),))
        first.start()
        assert ledger.committing.wait(WAIT_S)
        second = threading.Thread(target=writer.submit, args=(commands("b", 5),))
        second.start()
        assert seen.wait(WAIT_S), "nothing was prepared during the commit"
        assert ledger.batches == []
        proceed.set()
        first.join(WAIT_S)
        second.join(WAIT_S)

    assert ledger.batches == [["a0"], ["b0", "b1", "b2", "b3", "b4"]]


def test_many_threads_and_tasks_each_get_their_own_outcomes() -> None:
    ledger = PaperLedger()
    results: dict[str, list[Any]] = {}

    def in_thread(name: str) -> None:
        for round_ in range(10):
            results[f"{name}.{round_}."] = writer.submit(commands(f"{name}.{round_}.", 7))

    async def on_loop(name: str) -> None:
        async def task(each: str) -> None:
            results[each] = await writer.submit_async(commands(each, 3))

        await asyncio.gather(*(task(f"{name}.{number}.") for number in range(50)))

    with running(ledger, threads=2) as writer:
        threads = [threading.Thread(target=in_thread, args=(f"t{n}",)) for n in range(8)]
        threads += [
            threading.Thread(target=asyncio.run, args=(on_loop(f"l{n}"),)) for n in range(2)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S)

    assert len(results) == 8 * 10 + 2 * 50
    for name, given in results.items():
        assert given == [f"{name}{number}!" for number in range(len(given))]
    written = ledger.written
    assert len(written) == len(set(written)) == 8 * 10 * 7 + 2 * 50 * 3
    assert len(ledger.batches) < len(results)


# The end


def test_stopping_finishes_what_waits_and_lets_nobody_in() -> None:
    ledger = PaperLedger()
    proceed = threading.Event()
    ledger.before_commit = lambda _names: proceed.wait(WAIT_S)
    writer = Writer(ledger)
    writer.start()
    answers: list[Any] = []
    waiting = [
        threading.Thread(target=lambda n=n: answers.append(writer.submit(commands(f"{n}-", 40))))
        for n in range(3)
    ]
    for thread in waiting:
        thread.start()
    while writer.load().commands < 120:
        threading.Event().wait(0.001)
    stopping = threading.Thread(target=writer.stop)
    stopping.start()
    while True:
        try:
            writer.check_room()
        except WriterStopped:
            break
    with pytest.raises(WriterStopped):
        writer.submit(commands("late", 1))
    proceed.set()
    for thread in [*waiting, stopping]:
        thread.join(WAIT_S)

    assert sorted(len(answer) for answer in answers) == [40, 40, 40]
    assert len(ledger.written) == 120
    assert writer.stop()


def test_stopping_without_threads_finishes_what_waits_too() -> None:
    ledger = PaperLedger()

    assert by_hand(ledger, commands("a", 1), commands("b", 1), pumps=0) == [["a0!"], ["b0!"]]


def test_a_database_that_never_answers_leaves_nobody_waiting() -> None:
    ledger = PaperLedger()
    proceed = threading.Event()
    ledger.before_commit = lambda _names: proceed.wait(WAIT_S)
    writer = Writer(ledger, bounds=Bounds(batch=2))
    writer.start()

    async def play() -> list[Any]:
        first = asyncio.create_task(writer.submit_async(commands("a", 2)))
        await asyncio.to_thread(ledger.committing.wait, WAIT_S)
        second = asyncio.create_task(writer.submit_async(commands("b", 1)))
        await asyncio.sleep(0)
        assert not await asyncio.to_thread(writer.stop, timeout_s=0.05)
        return await asyncio.gather(first, second, return_exceptions=True)

    in_its_hands, behind = asyncio.run(play())
    proceed.set()

    assert isinstance(in_its_hands, OutcomeUnknown)
    assert isinstance(behind, WriterStopped)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_writer_that_breaks_leaves_nobody_waiting_and_says_so() -> None:
    class Breakage(BaseException):
        """What no code of ours raises."""

    def break_(_names: list[str]) -> None:
        raise Breakage

    ledger = PaperLedger()
    ledger.before_commit = break_
    writer = Writer(ledger)
    writer.start()

    with pytest.raises(OutcomeUnknown):
        writer.submit(commands("a", 1))
    with pytest.raises(WriterStopped):
        writer.submit(commands("b", 1))

    assert isinstance(writer.broken, Breakage)
    writer.stop()


# Bounds, admission, observers, points


def test_what_does_not_fit_is_refused_whole_and_at_once() -> None:
    ledger = PaperLedger()

    fits, too_many = by_hand(ledger, commands("a", 6), commands("b", 5), bounds=Bounds(commands=10))

    assert len(fits) == 6
    assert isinstance(too_many, QueueFull)
    assert too_many.evidence == {"waiting": 6, "most": 10, "retry_after_s": 1}
    assert ledger.prepared == [f"a{number}" for number in range(6)]


def test_room_is_asked_for_before_work_is_spent() -> None:
    async def play() -> None:
        writer = Writer(PaperLedger(), threads=0, bounds=Bounds(commands=3))
        writer.check_room()
        task = asyncio.create_task(writer.submit_async(commands("a", 3)))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull):
            writer.check_room()
        writer.pump()
        await task
        writer.check_room()

    asyncio.run(play())


class Doorkeeper:
    """Lets nobody in whose name is on the list."""

    def __init__(self, *listed: str) -> None:
        self.listed = listed
        self.counted: list[str] = []

    def admit(self, prepared: str) -> QuotaExceeded | None:
        if prepared in self.listed:
            return QuotaExceeded("listed", party=prepared)
        self.counted.append(prepared)
        return None

    def take_back(self, prepared: str) -> None:
        self.counted.remove(prepared)


def test_who_is_not_let_in_is_refused_alone_and_in_place() -> None:
    ledger, door = PaperLedger(), Doorkeeper("a1")

    first, second = by_hand(ledger, commands("a", 3), commands("b", 1), admission=door)

    assert [first[0], first[2], second] == ["a0!", "a2!", ["b0!"]]
    assert isinstance(first[1], QuotaExceeded)
    assert ledger.batches == [["a0", "a2", "b0"]]


def test_a_batch_of_nobody_is_not_committed() -> None:
    ledger, door = PaperLedger(), Doorkeeper("a0")

    ((refused,),) = by_hand(ledger, commands("a", 1), admission=door)

    assert isinstance(refused, QuotaExceeded)
    assert ledger.batches == []


def test_what_could_not_be_committed_is_not_counted() -> None:
    ledger, door = PaperLedger(), Doorkeeper()
    ledger.before_commit = fail_with(DatabaseUnavailable("paper", "gone"), lambda names: True)

    by_hand(ledger, commands("a", 3), admission=door)

    assert door.counted == []


def test_an_observer_learns_of_every_batch_after_those_who_wait() -> None:
    ledger, notes, clock = PaperLedger(), Notes(), StandingClock()

    def before_commit(names: list[str]) -> None:
        clock.now_s += 2.0
        if "b0" in names:
            raise gone

    gone = DatabaseUnavailable("paper", "gone")
    ledger.before_commit = before_commit
    bounds = Bounds(batch=2)
    by_hand(
        ledger,
        *(commands(name, 1) for name in "axb"),
        bounds=bounds,
        observer=notes,
        monotonic=clock,
    )

    assert notes.batches == [
        Committed(["a0!", "x0!"], 2, 2.0, [2.0, 2.0], None),  # type: ignore[list-item]
        Committed([], 1, 2.0, [4.0], gone),
    ]


def test_the_load_is_what_waits_and_for_how_long() -> None:
    clock = StandingClock()

    async def play() -> None:
        writer = Writer(PaperLedger(), threads=0, monotonic=clock)
        task = asyncio.create_task(writer.submit_async([command("a", bytes_=50)]))
        await asyncio.sleep(0)
        clock.now_s += 3
        load = writer.load()
        assert (load.commands, load.bytes_, load.age_s) == (1, 50, 3.0)
        writer.pump()
        await task
        load = writer.load()
        assert (load.commands, load.bytes_, load.age_s) == (0, 0, 0.0)

    asyncio.run(play())


def test_the_points_where_a_process_can_die_are_reached_in_order() -> None:
    ledger = PaperLedger()
    reached: list[str] = []
    ledger.before_commit = lambda _names: reached.append("commit")
    crashpoints.arm(reached.append)
    try:
        by_hand(ledger, commands("a", 1), commands("b", 1))
    finally:
        crashpoints.arm(None)

    queued, acknowledged = CrashPoint.QUEUED, CrashPoint.ACKNOWLEDGED
    assert reached == [queued, queued, "commit", acknowledged]
