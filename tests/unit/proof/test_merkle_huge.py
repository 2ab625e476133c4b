"""Trees of up to 2**63 - 1 leaves: all alike, so that each level has one hash."""

from __future__ import annotations

import pytest

from ledger.proof.errors import HistoryNotProven, RootMismatch
from ledger.proof.merkle import check_consistency, check_inclusion
from ledger.proof.tree import CompactRange, consistency_path, inclusion_path, root_of
from tests.unit.proof.oracle import slow_leaf, slow_node

LEVELS = [slow_leaf(b"the same")]
for _ in range(63):
    LEVELS.append(slow_node(LEVELS[-1], LEVELS[-1]))

SIZES = [2**53 + 1, 2**62 - 1, 2**62, 2**62 + 1, 2**63 - 1]


def read(level: int, index: int, /) -> bytes:
    assert 0 <= index << level < 2**63
    return LEVELS[level]


@pytest.mark.parametrize("size", SIZES)
def test_first_and_last_leaves_of_huge_trees_are_provable(size: int) -> None:
    for index in (0, 1, 2**53 - 1, size - 2, size - 1):
        path = inclusion_path(index, size, read)
        check_inclusion(leaf=LEVELS[0], index=index, size=size, path=path, root=root_of(size, read))
        with pytest.raises(RootMismatch):
            check_inclusion(
                leaf=LEVELS[1], index=index, size=size, path=path, root=root_of(size, read)
            )


@pytest.mark.parametrize("new", SIZES)
def test_huge_trees_begin_with_smaller_ones(new: int) -> None:
    for old in (1, 3, 2**52 - 1, 2**53 - 1, 2**53, new - 2, new - 1):
        path = consistency_path(old, new, read)
        given = {"old_size": old, "new_size": new, "path": path}
        roots = {"old_root": root_of(old, read), "new_root": root_of(new, read)}
        check_consistency(**given, **roots)
        with pytest.raises(HistoryNotProven):
            check_consistency(**given, **{**roots, "new_root": LEVELS[9]})


@pytest.mark.parametrize("low", [2, 10])
def test_the_climb_along_a_huge_right_edge_is_exact(low: int) -> None:
    """Both trees end in one subtree whose number is even and has 60 significant bits."""
    old, new = 8 * (2**59 + low) + 1, 8 * (2**59 + low) + 8

    check_consistency(
        old_size=old,
        old_root=root_of(old, read),
        new_size=new,
        new_root=root_of(new, read),
        path=consistency_path(old, new, read),
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_right_edge_of_a_huge_tree_has_63_hashes_at_most(size: int) -> None:
    edge = CompactRange.read(size, read)

    assert len(edge.hashes) == size.bit_count() <= 63
    assert edge.root() == root_of(size, read)
