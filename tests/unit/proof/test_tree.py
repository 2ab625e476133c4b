"""Building roots and proofs: equal to the oracle for every small size."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.proof.hashing import EMPTY_ROOT, leaf_hash
from ledger.proof.merkle import check_consistency, check_inclusion
from ledger.proof.tree import (
    CompactRange,
    MemoryTree,
    OutOfRange,
    consistency_path,
    fold,
    inclusion_path,
    peaks,
    root_of,
)
from tests.unit.proof.oracle import LEAVES, ROOTS, slow_consistency, slow_node, slow_path
from tests.unit.proof.shared import shared

TREE = MemoryTree(LEAVES)
SIZES = range(1, 41)


@pytest.mark.parametrize("size", range(71))
def test_the_root_of_every_size_is_the_oracles(size: int) -> None:
    assert TREE.root(size) == ROOTS[size]
    assert root_of(size, TREE.node) == ROOTS[size]


@pytest.mark.parametrize("size", SIZES)
def test_the_path_of_every_leaf_is_the_oracles(size: int) -> None:
    for index in range(size):
        assert TREE.inclusion_path(index, size) == slow_path(index, LEAVES[:size])
        assert inclusion_path(index, size, TREE.node) == slow_path(index, LEAVES[:size])


@pytest.mark.parametrize("new", SIZES)
def test_the_consistency_path_of_every_pair_is_the_oracles(new: int) -> None:
    for old in range(1, new + 1):
        expected = slow_consistency(old, LEAVES[:new])
        assert TREE.consistency_path(old, new) == expected
        assert consistency_path(old, new, TREE.node) == expected


def test_a_tree_without_a_size_gives_the_root_of_all_leaves() -> None:
    assert TREE.root() == ROOTS[70]
    assert MemoryTree().root() == EMPTY_ROOT
    assert (len(TREE), len(MemoryTree())) == (70, 0)


def test_a_tree_grows_without_changing_its_past() -> None:
    tree = MemoryTree()
    for size, leaf in enumerate(LEAVES):
        assert tree.root() == ROOTS[size]
        tree.append(leaf)

    assert [tree.root(size) for size in range(71)] == ROOTS


def test_nodes_are_the_roots_of_complete_subtrees() -> None:
    assert TREE.node(0, 69) == LEAVES[69]
    assert TREE.node(1, 34) == slow_node(LEAVES[68], LEAVES[69])
    assert TREE.node(6, 0) == ROOTS[64]


@pytest.mark.parametrize(
    ("level", "index"), [(0, 70), (1, 35), (2, 17), (6, 1), (7, 0), (-1, 0), (0, -1)]
)
def test_a_node_that_is_not_complete_does_not_exist(level: int, index: int) -> None:
    with pytest.raises(OutOfRange) as caught:
        TREE.node(level, index)

    assert str(caught.value) == f"node {index} is out of range"
    assert (caught.value.name, caught.value.value) == ("node", index)


def test_a_size_beyond_the_leaves_has_no_root() -> None:
    with pytest.raises(OutOfRange):
        TREE.root(71)


def test_no_tree_has_a_negative_size() -> None:
    with pytest.raises(OutOfRange, match=r"^size -1 is out of range$"):
        root_of(-1, TREE.node)


@pytest.mark.parametrize(("index", "size"), [(5, 5), (-1, 5), (0, 0)])
def test_no_path_leads_from_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(OutOfRange, match=f"^index {index} is out of range$"):
        TREE.inclusion_path(index, size)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (-1, 5), (6, 5)])
def test_no_consistency_path_leads_backwards_or_from_nothing(old: int, new: int) -> None:
    with pytest.raises(OutOfRange, match=f"^old_size {old} is out of range$"):
        TREE.consistency_path(old, new)


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_leaf_hash_is_32_bytes(length: int) -> None:
    for grow in (MemoryTree().append, CompactRange().append):
        with pytest.raises(OutOfRange, match=f"^hash_bytes {length} is out of range$"):
            grow(bytes(length))


def test_peaks_are_read_largest_first() -> None:
    asked: list[tuple[int, int]] = []

    def read(level: int, index: int, /) -> bytes:
        asked.append((level, index))
        return TREE.node(level, index)

    found = peaks(0, 13, read)

    assert asked == [(3, 0), (2, 2), (0, 12)]
    assert found == [TREE.node(3, 0), TREE.node(2, 2), TREE.node(0, 12)]
    assert fold(found) == ROOTS[13]
    assert peaks(5, 5, read) == []


def test_folding_no_peaks_gives_the_empty_tree() -> None:
    assert fold([]) == EMPTY_ROOT
    assert fold([LEAVES[3]]) == LEAVES[3]


def test_a_compact_range_follows_the_tree() -> None:
    edge = CompactRange()
    for size, leaf in enumerate(LEAVES):
        assert edge.root() == ROOTS[size]
        assert edge.size == size
        assert len(edge.hashes) == size.bit_count()
        assert edge.hashes == tuple(peaks(0, size, TREE.node))
        edge.append(leaf)

    assert edge.root() == ROOTS[70]


@pytest.mark.parametrize("size", range(71))
def test_a_compact_range_continues_from_stored_nodes(size: int) -> None:
    edge = CompactRange.read(size, TREE.node)
    for leaf in LEAVES[size:]:
        edge.append(leaf)

    assert (edge.size, edge.root()) == (70, ROOTS[70])


def test_a_compact_range_keeps_its_own_list() -> None:
    given = [LEAVES[0]]
    edge = CompactRange(1, given)
    edge.append(LEAVES[1])

    assert given == [LEAVES[0]]
    assert edge.root() == ROOTS[2]


@pytest.mark.parametrize(("size", "count"), [(-1, 1), (0, 1), (3, 1), (4, 2), (1, 0)])
def test_a_compact_range_has_one_hash_for_each_set_bit(size: int, count: int) -> None:
    with pytest.raises(OutOfRange, match=f"^size {size} is out of range$"):
        CompactRange(size, LEAVES[:count])


def test_the_hashes_of_a_compact_range_are_32_bytes() -> None:
    with pytest.raises(OutOfRange, match=r"^hash_bytes 31 is out of range$"):
        CompactRange(1, [bytes(31)])


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300), st.data())
def test_built_proofs_are_accepted(size: int, data: st.DataObject) -> None:
    tree = MemoryTree(leaf_hash(b"%d" % n) for n in range(size))
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(1, size))

    check_inclusion(
        leaf=tree.node(0, index),
        index=index,
        size=size,
        path=tree.inclusion_path(index, size),
        root=tree.root(),
    )
    check_consistency(
        old_size=old,
        old_root=tree.root(old),
        new_size=size,
        new_root=tree.root(),
        path=tree.consistency_path(old, size),
    )


def test_the_root_of_seven_leaves_is_pinned() -> None:
    assert ROOTS[7].hex() == "98c97f0ba3175cd08b031dd084b9dc4e649b64d1a28e6ea694646503173ab587"
    assert TREE.root(7).hex() == "98c97f0ba3175cd08b031dd084b9dc4e649b64d1a28e6ea694646503173ab587"


@pytest.mark.shared_data
def test_published_roots_of_sizes_0_to_8() -> None:
    vectors = shared("rfc6962/roots.json")

    tree = MemoryTree(leaf_hash(bytes.fromhex(text)) for text in vectors["leaf_inputs_hex"])
    roots = [tree.root(size).hex() for size in range(9)]
    assert roots == vectors["root_hashes_hex_by_tree_size"]
    for level, row in enumerate(vectors["node_hashes_hex_by_level"]):
        assert [tree.node(level, n).hex() for n in range(len(row))] == row
