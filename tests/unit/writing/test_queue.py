"""The queue: bounded, in order within a request, and fair between them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.errors import QueueFull
from ledger.queue import SHARE, Bounds, Queue, Request, Slice, size_of
from ledger.submission import SealedValue, Submission
from tests.unit.writing.paper import command, commands, name_of

BIG = Bounds(commands=10_000, bytes_=10_000_000, batch=1_000)


def request(name: str, count: int, *, arrived_s: float = 0.0) -> Request[str]:
    return Request.of(commands(name, count), arrived_s=arrived_s)


def prepare_all(queue: Queue[str]) -> None:
    for piece in queue.next_to_prepare(1_000_000):
        queue.put_prepared(piece, [name_of(one) for one in piece.submissions()])


def names(batch: list[Slice[str]]) -> list[str]:
    return [name for piece in batch for name in piece.prepared()]


def test_a_submission_is_as_large_as_all_its_parts() -> None:
    opened = (SealedValue("name", "c2FsdA==", "剑"),)

    assert size_of(Submission(b"12345", ("abc", "d"), opened)) == 5 + 4 + 4 + 8 + 3
    parcels = (b"1234567", b"89")
    assert size_of(Submission(b"12345", ("abc", "d"), (), parcels)) == 5 + 4 + 7 + 2


def test_commands_of_a_request_are_committed_in_their_order() -> None:
    queue: Queue[str] = Queue(BIG)
    queue.enter(request("a", 3 * SHARE))
    prepare_all(queue)

    assert names(queue.next_batch()) == [f"a{number}" for number in range(3 * SHARE)]


def test_what_is_prepared_out_of_turn_waits_for_what_stands_before_it() -> None:
    queue: Queue[str] = Queue(BIG)
    queue.enter(request("a", 4))
    first, second = queue.next_to_prepare(2) + queue.next_to_prepare(2)

    queue.put_prepared(second, ["a2", "a3"])
    early = queue.next_batch()
    queue.put_prepared(first, ["a0", "a1"])

    assert early == []
    assert names(queue.next_batch()) == ["a0", "a1", "a2", "a3"]


def test_a_single_command_behind_a_large_array_is_in_the_next_batch() -> None:
    queue: Queue[str] = Queue(Bounds(commands=10_000, batch=2 * SHARE))
    queue.enter(request("array", 1_000))
    prepare_all(queue)
    queue.next_batch()
    queue.enter(request("single", 1))
    prepare_all(queue)

    batch = queue.next_batch()

    assert len(names(batch)) == 2 * SHARE
    assert "single0" in names(batch)


def test_nobody_prepares_for_one_large_array_alone() -> None:
    queue: Queue[str] = Queue(BIG)
    queue.enter(request("array", 100))
    queue.next_to_prepare(10)
    queue.enter(request("single", 1))

    assert [len(piece.submissions()) for piece in queue.next_to_prepare(10)] == [10]
    assert name_of(queue.next_to_prepare(10)[0].submissions()[0]) == "single0"


def test_a_batch_ends_with_its_bytes() -> None:
    queue: Queue[str] = Queue(Bounds(batch_bytes=2 * SHARE * 10))
    for number in range(4):
        queue.enter(request(f"r{number}-", SHARE))
    prepare_all(queue)

    assert [len(names(queue.next_batch())) for _ in range(3)] == [2 * SHARE, 2 * SHARE, 0]


def test_a_request_that_does_not_fit_is_not_taken_in_half() -> None:
    queue: Queue[str] = Queue(Bounds(commands=10))
    queue.enter(request("a", 6))

    with pytest.raises(QueueFull) as refused:
        queue.enter(request("b", 5, arrived_s=3.2))

    assert refused.value.evidence == {"waiting": 6, "most": 10, "retry_after_s": 4}
    assert (queue.commands, queue.bytes_) == (6, 60)
    queue.enter(request("c", 4))


def test_large_commands_fill_it_by_their_bytes() -> None:
    queue: Queue[str] = Queue(Bounds(commands=1_000, bytes_=100))
    queue.enter(Request.of([command("a", bytes_=60)], arrived_s=0))

    with pytest.raises(QueueFull):
        queue.enter(Request.of([command("b", bytes_=41)], arrived_s=0))
    queue.enter(Request.of([command("c", bytes_=40)], arrived_s=0))

    assert queue.bytes_ == 100


@pytest.mark.parametrize(
    ("rate", "waiting", "expected"), [(100.0, 250, 3), (1000.0, 10, 1), (0.5, 999, 60)]
)
def test_when_to_come_again_follows_from_how_fast_it_goes(
    rate: float, waiting: int, expected: int
) -> None:
    queue: Queue[str] = Queue(Bounds(commands=waiting))
    queue.note_rate(100, 100 / rate)
    queue.enter(request("a", waiting))

    with pytest.raises(QueueFull) as refused:
        queue.check_room(1, 1, now_s=0)

    assert refused.value.evidence["retry_after_s"] == expected


def test_the_rate_follows_what_happened_last_and_not_one_accident() -> None:
    queue: Queue[str] = Queue(Bounds(commands=100))
    queue.enter(request("a", 100))
    for seconds in (1.0, 1.0, 10.0):
        queue.note_rate(100, seconds)
    queue.note_rate(100, 0.0)

    with pytest.raises(QueueFull) as refused:
        queue.check_room(1, 1, now_s=0)

    assert refused.value.evidence["retry_after_s"] == 2


def test_the_age_is_that_of_the_oldest() -> None:
    queue: Queue[str] = Queue(BIG)
    assert queue.age_s(9.0) == 0.0
    queue.enter(request("a", 2, arrived_s=1.0))
    queue.enter(request("b", 1, arrived_s=4.0))

    prepare_all(queue)
    first, second = queue.next_batch()
    queue.settle(second, ["b0!"])

    assert queue.age_s(9.0) == 8.0
    queue.settle(first, ["a0!", "a1!"])
    assert (queue.age_s(9.0), queue.commands, queue.bytes_, bool(queue)) == (0.0, 0, 0, False)


class Life(RuleBasedStateMachine):
    """Anything in any order: each command is committed at most once, in order, and answered."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: Queue[str] = Queue(Bounds(commands=300, bytes_=3_000, batch=100))
        self.requests: list[Request[str]] = []
        self.preparing: list[Slice[str]] = []
        self.batch: list[Slice[str]] = []
        self.committed: list[str] = []
        self.answered: list[Request[str]] = []

    @rule(count=st.integers(1, 150))
    def arrive(self, count: int) -> None:
        made = request(f"{len(self.requests)}-", count)
        room = 300 - self.queue.commands
        if count > room:
            with pytest.raises(QueueFull):
                self.queue.enter(made)
        else:
            self.queue.enter(made)
            self.requests.append(made)

    @rule(most=st.integers(1, 100))
    def begin_preparing(self, most: int) -> None:
        pieces = self.queue.next_to_prepare(most)
        assert sum(len(piece.submissions()) for piece in pieces) <= most
        self.preparing += pieces

    @precondition(lambda self: self.preparing)
    @rule(which=st.integers(0), fails=st.sampled_from([False, False, False, True]))
    def end_preparing(self, which: int, *, fails: bool) -> None:
        piece = self.preparing.pop(which % len(self.preparing))
        if fails:
            self.answered += self.queue.give_up(piece, ValueError())
        else:
            self.queue.put_prepared(piece, [name_of(one) for one in piece.submissions()])

    @precondition(lambda self: not self.batch)
    @rule()
    def begin_batch(self) -> None:
        self.batch = self.queue.next_batch()
        assert len(names(self.batch)) <= 100

    @precondition(lambda self: self.batch)
    @rule(fails=st.sampled_from([False, False, False, True]))
    def end_batch(self, *, fails: bool) -> None:
        for piece in self.batch:
            if fails:
                self.answered += self.queue.give_up(piece, ValueError())
            else:
                done = piece.prepared()
                self.committed += done
                self.answered += self.queue.settle(piece, done)  # type: ignore[arg-type]
        self.batch = []

    @invariant()
    def nothing_is_committed_twice_or_out_of_order(self) -> None:
        for number, made in enumerate(self.requests):
            mine = [name for name in self.committed if name.startswith(f"{number}-")]
            assert mine == [f"{number}-{place}" for place in range(len(mine))]
            assert made.outcomes == mine

    @invariant()
    def the_bounds_hold(self) -> None:
        waiting = [each for each in self.requests if each not in self.answered]
        assert self.queue.commands == sum(len(each.sizes) for each in waiting) <= 300
        assert self.queue.bytes_ == sum(sum(each.sizes) for each in waiting) <= 3_000

    @invariant()
    def everybody_is_answered_once_and_in_full(self) -> None:
        assert len(set(map(id, self.answered))) == len(self.answered)
        for each in self.answered:
            results: list[Any] = each.results()
            assert len(results) == len(each.submissions)

    def teardown(self) -> None:
        while self.queue:
            for piece in [*self.preparing, *self.queue.next_to_prepare(1_000)]:
                self.queue.put_prepared(piece, [name_of(one) for one in piece.submissions()])
            self.preparing = []
            self.batch = self.batch or self.queue.next_batch()
            assert self.batch or not self.queue, "somebody waits and nothing is left to do"
            self.end_batch(fails=False)
            self.nothing_is_committed_twice_or_out_of_order()
        assert len(self.answered) == len(self.requests)


TestLife = Life.TestCase
TestLife.settings = settings(stateful_step_count=40)
