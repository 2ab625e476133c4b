"""A turn at the head: nobody else commits in it, and it commits once, at its end, or not at all."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from ledger.record.database import open_engine
from ledger.record.errors import DuplicateCommand, HeadMoved
from ledger.record.facts import Batch, HeadRow
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import make_batch, make_entry

WAIT_S = 20.0


def batch_of(head: HeadRow, count: int) -> Batch:
    return make_batch(head, *(make_entry(head.size + number) for number in range(count)))


def test_what_is_appended_in_a_turn_is_there_at_its_end(recorder: LedgerRecorder) -> None:
    before = recorder.head()
    batch = batch_of(before, 2)

    with recorder.in_turn():
        recorder.append(batch)
        during = recorder.head()
    after = recorder.head()

    assert during == before
    assert (after.size, after.leaf) == (2, batch.entries[-1].leaf)
    assert recorder.find_command(batch.commands[0].by, batch.commands[0].id) is not None


def test_a_turn_that_fails_leaves_nothing(recorder: LedgerRecorder) -> None:
    before = recorder.head()

    def fail_in_a_turn() -> None:
        with recorder.in_turn():
            recorder.append(batch_of(before, 2))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_in_a_turn()
    recorder.append(batch_of(before, 1))

    assert recorder.head().size == 1


def test_a_turn_in_which_nothing_happens_changes_nothing(recorder: LedgerRecorder) -> None:
    before = recorder.head()

    with recorder.in_turn():
        pass

    assert recorder.head() == before


def test_the_head_is_compared_in_a_turn_too(recorder: LedgerRecorder) -> None:
    old = recorder.head()
    recorder.append(batch_of(old, 1))

    with pytest.raises(HeadMoved) as refused, recorder.in_turn():
        recorder.append(batch_of(old, 1))

    assert (refused.value.expected, refused.value.found) == (old, recorder.head())
    assert recorder.head().size == 1


def test_a_command_that_is_recorded_is_named_in_a_turn_too(recorder: LedgerRecorder) -> None:
    first = batch_of(recorder.head(), 1)
    recorder.append(first)
    again = replace(batch_of(recorder.head(), 1), commands=first.commands)

    with pytest.raises(DuplicateCommand) as refused, recorder.in_turn():
        recorder.append(again)

    assert refused.value.found == first.commands[0]


def test_whoever_comes_in_the_middle_of_a_turn_waits_and_is_too_late(
    recorder: LedgerRecorder,
) -> None:
    """Safe all the same: he decided on a head that is not there any more."""
    old, errors = recorder.head(), []
    url = recorder.engine.url.render_as_string(hide_password=False)
    begun = threading.Event()

    def intrude() -> None:
        engine = open_engine(url)
        begun.set()
        try:
            LedgerRecorder(engine).append(batch_of(old, 3))
        except Exception as error:  # looked at below
            errors.append(error)
        finally:
            engine.dispose()

    other = threading.Thread(target=intrude)
    with recorder.in_turn():
        other.start()
        assert begun.wait(WAIT_S)
        other.join(0.2)
        assert other.is_alive()
        recorder.append(batch_of(old, 2))
    other.join(WAIT_S)

    (error,) = errors
    assert isinstance(error, HeadMoved)
    assert recorder.head().size == 2


def test_two_who_take_turns_never_decide_in_vain(recorder: LedgerRecorder) -> None:
    url = recorder.engine.url.render_as_string(hide_password=False)
    failures: list[Any] = []

    def work() -> None:
        engine = open_engine(url)
        try:
            mine = LedgerRecorder(engine)
            for _ in range(20):
                with mine.in_turn():
                    mine.append(batch_of(mine.head(), 1))
        except Exception as error:  # looked at below
            failures.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)

    assert failures == []
    assert recorder.head().size == 60
