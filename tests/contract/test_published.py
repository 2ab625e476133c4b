"""Checkpoints form one line; tiles never change."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import insert

from ledger.record.database import writing
from ledger.record.errors import CheckpointConflict, TileConflict
from ledger.record.facts import Checkpoint, Tile
from ledger.record.recorder import LedgerRecorder
from ledger.record.tables import CHECKPOINT
from tests.databases import open_recorder

FULL = Tile(0, 0, b"\x01" * 8192)


def test_the_latest_checkpoint_is_the_largest(adapter: LedgerRecorder) -> None:
    assert adapter.latest_checkpoint() is None

    adapter.put_checkpoint(0, b"empty", None)
    adapter.put_checkpoint(5, b"five", 0)
    adapter.put_checkpoint(300, b"more", 5)

    assert adapter.latest_checkpoint() == Checkpoint(300, b"more")
    assert adapter.checkpoint_at(5) == Checkpoint(5, b"five")
    assert adapter.checkpoint_at(6) is None


def test_the_same_checkpoint_again_changes_nothing(adapter: LedgerRecorder) -> None:
    adapter.put_checkpoint(5, b"five", None)

    adapter.put_checkpoint(5, b"five", None)

    assert adapter.latest_checkpoint() == Checkpoint(5, b"five")


@pytest.mark.parametrize(
    ("size", "note", "previous_size"),
    [
        pytest.param(5, b"FIVE", 5, id="other bytes for the latest size"),
        pytest.param(5, b"FIVE", None, id="other bytes, as the first"),
        pytest.param(3, b"three", 5, id="a step back"),
        pytest.param(2, b"two", 5, id="an earlier size again"),
        pytest.param(9, b"nine", None, id="as if it were the first"),
        pytest.param(9, b"nine", 2, id="after an earlier one"),
        pytest.param(9, b"nine", 6, id="after one that is not there"),
    ],
)
def test_a_checkpoint_that_does_not_follow_the_latest_is_refused(
    adapter: LedgerRecorder, size: int, note: bytes, previous_size: int | None
) -> None:
    adapter.put_checkpoint(2, b"two", None)
    adapter.put_checkpoint(5, b"five", 2)

    with pytest.raises(CheckpointConflict) as refused:
        adapter.put_checkpoint(size, note, previous_size)

    error = refused.value
    assert (error.size, error.previous_size, error.latest_size) == (size, previous_size, 5)
    assert adapter.latest_checkpoint() == Checkpoint(5, b"five")
    assert adapter.checkpoint_at(2) == Checkpoint(2, b"two")


def test_the_first_checkpoint_follows_none(adapter: LedgerRecorder) -> None:
    with pytest.raises(CheckpointConflict) as refused:
        adapter.put_checkpoint(5, b"five", 2)

    assert refused.value.latest_size is None


def test_of_two_publishers_exactly_one_wins(adapter: LedgerRecorder) -> None:
    adapter.put_checkpoint(2, b"two", None)
    start = Barrier(2)

    def publish(size: int) -> object:
        start.wait()
        try:
            return adapter.put_checkpoint(size, b"note", 2)
        except CheckpointConflict as lost:
            return lost

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(publish, [5, 6]))

    assert sorted(type(result).__name__ for result in results) == ["CheckpointConflict", "NoneType"]


def test_a_publisher_that_commits_first_makes_the_other_fail(postgres_url: str) -> None:
    """Both read the same latest checkpoint; the database lets one follow it."""
    with open_recorder(postgres_url) as recorder, ThreadPoolExecutor(1) as pool:
        recorder.put_checkpoint(2, b"two", None)

        with writing(recorder.engine) as connection:
            row = {"size": 7, "previous": 2, "note": b"seven"}
            connection.execute(insert(CHECKPOINT).values(row))
            other = pool.submit(recorder.put_checkpoint, 5, b"five", 2)
            wait_until_somebody_waits(recorder)
        with pytest.raises(CheckpointConflict) as refused:
            other.result()

        assert refused.value.latest_size == 7
        assert recorder.checkpoint_at(5) is None


def wait_until_somebody_waits(recorder: LedgerRecorder) -> None:
    for _ in range(1000):
        with recorder.engine.connect() as connection:
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            if connection.exec_driver_sql(waiting).scalar_one():
                return
        time.sleep(0.01)
    pytest.fail("nobody waits for a lock")


def test_a_tile_comes_back_as_it_was(adapter: LedgerRecorder) -> None:
    high = Tile(3, 2**40, b"\x02" * 8192)

    adapter.put_tiles([FULL, high])

    assert adapter.tile(0, 0) == FULL
    assert adapter.tile(3, 2**40) == high
    assert adapter.tile(1, 0) is None


def test_a_stored_tile_may_be_put_again_beside_a_new_one(adapter: LedgerRecorder) -> None:
    adapter.put_tiles([FULL])
    new = Tile(0, 1, bytes(8192))

    adapter.put_tiles([FULL, new])
    adapter.put_tiles([])

    assert adapter.tile(0, 1) == new


def test_a_tile_with_other_hashes_is_refused_with_all_of_its_batch(
    adapter: LedgerRecorder,
) -> None:
    adapter.put_tiles([FULL])

    with pytest.raises(TileConflict) as refused:
        adapter.put_tiles([Tile(0, 1, bytes(8192)), Tile(0, 0, bytes(8192))])

    assert (refused.value.level, refused.value.number) == (0, 0)
    assert adapter.tile(0, 0) == FULL
    assert adapter.tile(0, 1) is None
