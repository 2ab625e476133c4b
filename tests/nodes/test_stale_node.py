"""A node that was overtaken between deciding and writing: its batch is refused as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ledger.application import Accepted
from ledger.crashpoints import CrashPoint, arm
from ledger.record.errors import HeadMoved
from ledger.record.facts import Batch, HeadRow
from tests.worlds import World

SEED = "stale"


@pytest.fixture
def first(database_url: str) -> Iterator[World]:
    with World.create(database_url, SEED) as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        yield world


@pytest.fixture
def stale(first: World, database_url: str) -> Iterator[World]:
    """Another node, which knows the head as it is now."""
    with World.join(database_url, SEED, process="stale") as world:
        world.key("shop")
        world.clock.advance(60_000_000)
        yield world


@pytest.fixture
def refused(stale: World, monkeypatch: pytest.MonkeyPatch) -> list[HeadMoved]:
    """Every batch of the stale node that was refused because of its head."""
    found: list[HeadMoved] = []
    append = stale.recorder.append

    def kept(batch: Batch) -> None:
        try:
            append(batch)
        except HeadMoved as error:
            found.append(error)
            raise

    monkeypatch.setattr(stale.recorder, "append", kept)
    return found


def meanwhile(work: Callable[[], object]) -> None:
    """Do something once, when the next batch is decided and nothing of it is written."""

    def once(point: CrashPoint) -> None:
        if point is CrashPoint.DECIDED:
            arm(None)
            work()

    arm(once)


@pytest.fixture(autouse=True)
def _disarmed() -> Iterator[None]:
    yield
    arm(None)


def test_a_batch_decided_on_an_old_tip_is_refused_and_decided_again(
    first: World, stale: World, refused: list[HeadMoved]
) -> None:
    old = first.recorder.head()
    meanwhile(lambda: first.register("ann"))

    accepted = stale.submit(stale.item_draft("cards/1"))

    (error,) = refused
    assert error.expected == old
    assert error.found.size > old.size
    assert [error.found.leaf] == first.recorder.leaves(old.size, error.found.size)[-1:]
    assert accepted.index == error.found.size
    assert first.publish() is not None


def test_what_the_overtaking_node_did_is_seen_by_the_second_decision(
    first: World, stale: World, refused: list[HeadMoved]
) -> None:
    """Both want the same item; the one that was late finds it taken."""
    meanwhile(lambda: first.submit(first.item_draft("cards/1")))

    (outcome,) = stale.send(stale.submission(stale.item_draft("cards/1")))

    assert len(refused) == 1
    assert not isinstance(outcome, Accepted)
    assert outcome.code == "item-exists"


def test_a_new_term_refuses_a_batch_though_the_log_is_the_same(
    first: World, stale: World, refused: list[HeadMoved]
) -> None:
    old = first.recorder.head()
    meanwhile(lambda: first.recorder.raise_epoch(old))

    accepted = stale.submit(stale.item_draft("cards/1"))

    (error,) = refused
    assert (error.expected, error.found) == (
        old,
        HeadRow(old.size, old.leaf, old.epoch + 1),
    )
    assert accepted.index == old.size
    assert first.recorder.head().epoch == old.epoch + 1
