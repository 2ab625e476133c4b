"""The right edge: its root and the tiles that become full, against the definitions."""

from __future__ import annotations

import pytest

from ledger.log.edge import Edge, complete_root
from ledger.proof.hashing import EMPTY_ROOT
from tests.unit.log.making import slow_hash, slow_tile
from tests.unit.proof.oracle import LEAVES, slow_leaf, slow_root

BORDERS = (254, 255, 256, 257, 511, 512, 513, 600)
LONG = [slow_leaf(b"%d" % number) for number in range(65_536 + 257)]


def grown(size: int) -> Edge:
    edge = Edge()
    for leaf in LONG[:size]:
        edge.append(leaf)
    return edge


def test_the_root_of_an_empty_edge_is_that_of_the_empty_tree() -> None:
    assert Edge().root() == EMPTY_ROOT
    assert Edge().full == []


def test_the_root_is_right_at_every_size() -> None:
    edge = Edge()
    for size, leaf in enumerate(LONG[:600], start=1):
        edge.append(leaf)
        assert edge.size == size
        if size < 70 or size in BORDERS:
            assert edge.root() == slow_root(LONG[:size])


@pytest.mark.parametrize("size", [255, 256, 257, 512, 600])
def test_exactly_the_full_tiles_come_out(size: int) -> None:
    full = grown(size).full

    assert [(tile.level, tile.number) for tile in full] == [(0, n) for n in range(size // 256)]
    for tile in full:
        assert tile.hashes == slow_tile(LONG, tile.level, tile.number, 256)


def test_a_tile_of_tiles_comes_out_when_it_is_full() -> None:
    before, at, after = (grown(size) for size in (65_535, 65_536, 65_537))

    assert [tile for tile in before.full if tile.level > 0] == []
    assert [(tile.level, tile.number) for tile in at.full[-2:]] == [(0, 255), (1, 0)]
    assert at.full[-1].hashes == slow_tile(LONG, 1, 0, 256)
    assert at.full == after.full
    assert at.root() == slow_root(LONG[:65_536])
    assert after.root() == slow_root(LONG[:65_537])


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 512, 65_536, 65_537, 65_536 + 256])
def test_an_edge_that_is_read_is_the_edge_that_grew(size: int) -> None:
    asked = []

    def read(level: int, start: int, stop: int) -> list[bytes]:
        asked.append((level, start, stop))
        return [slow_hash(LONG, level, item) for item in range(start, stop)]

    edge = Edge.read(size, read)
    assert edge.root() == slow_root(LONG[:size])
    assert all(0 < stop - start < 256 for _, start, stop in asked)

    again = grown(size)
    again.full.clear()
    for leaf in LONG[size : size + 256]:
        edge.append(leaf)
        again.append(leaf)
    assert edge.full == again.full
    assert edge.root() == again.root()


def test_a_complete_subtree_folds_to_its_root() -> None:
    for height in range(7):
        assert complete_root(LEAVES[: 1 << height]) == slow_root(LEAVES[: 1 << height])
