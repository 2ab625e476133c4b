"""Reading: tiles and bundles byte for byte against the definitions, proofs against the verifier."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from ledger.log.edge import Edge
from ledger.log.errors import EntryMissing
from ledger.log.reader import LogReader
from ledger.proof.merkle import check_consistency, check_inclusion
from ledger.proof.tiles import bundles_of, tiles_of
from ledger.proof.tree import OutOfRange
from ledger.record.database import writing
from ledger.record.errors import ReadTooWide
from ledger.record.facts import Tile
from ledger.record.recorder import LedgerRecorder
from ledger.record.tables import ENTRY
from tests.databases import open_recorder, sqlite_file_url
from tests.unit.log.making import (
    entry_bytes,
    fill_quickly,
    pretend_published,
    slow_bundle,
    slow_tile,
    unguard,
)
from tests.unit.proof.oracle import slow_root

BORDERS = (1, 2, 255, 256, 257, 511, 512, 513)
FAR_BORDERS = (65_535, 65_536, 65_537, 65_536 + 256)


def store_full_tiles(recorder: LedgerRecorder, leaves: list[bytes]) -> None:
    edge = Edge()
    for leaf in leaves:
        edge.append(leaf)
    recorder.put_tiles(edge.full)


@pytest.fixture(scope="module", params=["tiles stored", "no tile stored"])
def long_log(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[LedgerRecorder, list[bytes]]]:
    """A log of 66,049 entries, published at each border."""
    with open_recorder(sqlite_file_url(tmp_path_factory.mktemp("long"))) as recorder:
        leaves = fill_quickly(recorder, 65_536 + 513)
        if request.param == "tiles stored":
            store_full_tiles(recorder, leaves)
        for size in (*BORDERS, *FAR_BORDERS):
            pretend_published(recorder, size)
        yield recorder, leaves


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[LedgerRecorder]:
    with open_recorder(sqlite_file_url(tmp_path)) as opened:
        yield opened


@pytest.mark.parametrize("size", [*BORDERS, *FAR_BORDERS])
def test_every_tile_of_every_published_size_is_there(
    long_log: tuple[LedgerRecorder, list[bytes]], size: int
) -> None:
    recorder, leaves = long_log
    reader = LogReader(recorder)
    tiles = list(tiles_of(size))
    # All of a small tree; of a large one the ends of each level.
    for tile in tiles if size < 1000 else [t for t in tiles if t.level or not 2 < t.number < 254]:
        level = tile.level or 0
        expected = slow_tile(leaves, level, tile.number, tile.width)
        assert reader.tile(level, tile.number, tile.width) == expected


@pytest.mark.parametrize("size", [*BORDERS, *FAR_BORDERS])
def test_every_bundle_of_every_published_size_is_there(
    long_log: tuple[LedgerRecorder, list[bytes]], size: int
) -> None:
    reader = LogReader(long_log[0])

    for bundle in list(bundles_of(size))[-3:]:
        assert reader.bundle(bundle.number, bundle.width) == slow_bundle(
            bundle.number, bundle.width
        )


@pytest.mark.parametrize(
    ("level", "index"),
    [(0, 0), (0, 66_048), (3, 5), (7, 511), (8, 0), (8, 257), (9, 128), (12, 3), (16, 0)],
)
def test_a_node_is_the_root_of_its_leaves(
    long_log: tuple[LedgerRecorder, list[bytes]], level: int, index: int
) -> None:
    recorder, leaves = long_log

    expected = slow_root(leaves[index << level : (index + 1) << level])

    assert LogReader(recorder).node(level, index) == expected


@pytest.mark.parametrize("size", [1, 256, 257, 65_537, 66_049])
def test_inclusion_paths_lead_to_the_root(
    long_log: tuple[LedgerRecorder, list[bytes]], size: int
) -> None:
    recorder, leaves = long_log
    reader = LogReader(recorder)
    root = slow_root(leaves[:size])

    assert reader.root(size) == root
    for index in {0, size // 2, size - 1}:
        path = reader.inclusion(index, size)
        check_inclusion(leaf=leaves[index], index=index, size=size, path=path, root=root)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (255, 257), (256, 65_536), (65_535, 66_049)])
def test_consistency_proofs_lead_to_both_roots(
    long_log: tuple[LedgerRecorder, list[bytes]], old: int, new: int
) -> None:
    recorder, leaves = long_log

    check_consistency(
        old_size=old,
        old_root=slow_root(leaves[:old]),
        new_size=new,
        new_root=slow_root(leaves[:new]),
        path=LogReader(recorder).consistency(old, new),
    )


def test_partial_tiles_stay_after_the_tile_is_full(recorder: LedgerRecorder) -> None:
    leaves = fill_quickly(recorder, 200)
    pretend_published(recorder, 200)
    reader = LogReader(recorder)
    before = [(reader.tile(0, 0, width), reader.bundle(0, width)) for width in (1, 112, 200)]
    assert reader.tile(0, 0, 201) is None

    leaves = fill_quickly(recorder, 300)
    store_full_tiles(recorder, leaves)
    pretend_published(recorder, 300)

    after = [(reader.tile(0, 0, width), reader.bundle(0, width)) for width in (1, 112, 200)]
    assert after == before
    assert reader.tile(0, 0, 255) == slow_tile(leaves, 0, 0, 255)


def test_nothing_is_given_that_no_checkpoint_covers(recorder: LedgerRecorder) -> None:
    fill_quickly(recorder, 600)
    reader = LogReader(recorder)
    assert (reader.size(), reader.published_size(), reader.checkpoint()) == (600, 0, None)
    assert reader.tile(0, 0, 1) is None
    assert reader.bundle(0, 1) is None

    pretend_published(recorder, 300)

    assert (reader.size(), reader.published_size()) == (600, 300)
    assert reader.tile(0, 1, 45) is None
    assert reader.bundle(1, 45) is None
    assert reader.tile(1, 0, 2) is None
    assert reader.tile(0, 1, 44) is not None
    assert reader.bundle(1, 44) is not None
    assert reader.tile(1, 0, 1) is not None


@pytest.mark.parametrize(
    ("level", "number", "width"),
    [
        (-1, 0, 1),
        (64, 0, 1),
        (63, 0, 1),
        (0, -1, 1),
        (0, 0, 0),
        (0, 0, -1),
        (0, 0, 257),
        (0, 2**55, 1),
        (0, 10**30, 256),
    ],
)
def test_a_tile_that_cannot_exist_is_not_there(
    recorder: LedgerRecorder, level: int, number: int, width: int
) -> None:
    fill_quickly(recorder, 300)
    pretend_published(recorder, 300)
    reader = LogReader(recorder)

    assert reader.tile(level, number, width) is None
    if level == 0:
        assert reader.bundle(number, width) is None


def test_a_proof_beyond_the_log_is_refused_before_anything_is_read(
    recorder: LedgerRecorder,
) -> None:
    fill_quickly(recorder, 10)
    reader = LogReader(recorder)

    with pytest.raises(OutOfRange) as refused:
        reader.inclusion(2**59 + 5, 2**60)
    assert (refused.value.name, refused.value.value) == ("size", 2**60)
    with pytest.raises(OutOfRange) as refused:
        reader.consistency(3, 11)
    assert (refused.value.name, refused.value.value) == ("size", 11)
    with pytest.raises(OutOfRange) as refused:
        reader.inclusion(10, 10)
    assert (refused.value.name, refused.value.value) == ("index", 10)
    with pytest.raises(OutOfRange) as refused:
        reader.node(2, 2)
    assert (refused.value.name, refused.value.value) == ("leaf", 10)


@pytest.mark.parametrize("lost", [0, 100, 299])
def test_a_tile_or_bundle_without_one_of_its_entries_is_not_given(
    recorder: LedgerRecorder, lost: int
) -> None:
    fill_quickly(recorder, 300)
    pretend_published(recorder, 300)
    unguard(recorder.engine)
    with writing(recorder.engine) as connection:
        connection.execute(delete(ENTRY).where(ENTRY.c.index == lost))

    number, width = (0, 256) if lost < 256 else (1, 44)
    for read in (
        lambda reader: reader.bundle(number, width),
        lambda reader: reader.tile(0, number, width),
        lambda reader: reader.root(300),
    ):
        with pytest.raises(EntryMissing) as missing:
            read(LogReader(recorder))
        assert missing.value.index == lost


def test_a_full_tile_comes_from_storage_as_soon_as_it_is_stored(recorder: LedgerRecorder) -> None:
    leaves = fill_quickly(recorder, 256)
    pretend_published(recorder, 256)
    reader = LogReader(recorder)
    assert reader.tile(0, 0) == slow_tile(leaves, 0, 0, 256)

    recorder.put_tiles([Tile(0, 0, bytes(range(256)) * 32)])

    assert reader.tile(0, 0) == bytes(range(256)) * 32
    assert reader.tile(0, 0, 2) == bytes(range(64))
    assert reader.hashes(0, 1, 2) == [bytes(range(32, 64))]


def test_published_checkpoints_are_listed_and_kept(recorder: LedgerRecorder) -> None:
    fill_quickly(recorder, 30)
    reader = LogReader(recorder)
    assert list(reader.checkpoint_sizes()) == []
    for size in (3, 7, 30):
        pretend_published(recorder, size)

    assert list(reader.checkpoint_sizes()) == [3, 7, 30]
    assert reader.checkpoint() == b"note 30"
    assert reader.checkpoint_at(7) == b"note 7"
    assert reader.checkpoint_at(8) is None


def test_many_checkpoints_are_listed_page_by_page(
    recorder: LedgerRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.log.reader._SIZES_AT_ONCE", 2)
    fill_quickly(recorder, 5)
    for size in range(1, 6):
        pretend_published(recorder, size)

    assert list(LogReader(recorder).checkpoint_sizes()) == [1, 2, 3, 4, 5]


def test_entries_and_streams_are_read_published_or_not(recorder: LedgerRecorder) -> None:
    fill_quickly(recorder, 10)
    reader = LogReader(recorder)

    found = reader.entry(4)
    assert found is not None
    assert found.entry == entry_bytes(4)
    assert reader.entry(10) is None
    assert [row.index for row in reader.entries(3, 5)] == [3, 4]
    assert [row.index for row in reader.stream_entries("log", 2)] == [0, 1, 2]
    assert len(reader.stream_entries("log")) == 10
    assert reader.stream_entries("item/a/b") == []
    last = reader.last_of_stream("log", 5)
    assert last is not None
    assert last.index == 5
    with pytest.raises(ReadTooWide):
        reader.entries(5, 3)
