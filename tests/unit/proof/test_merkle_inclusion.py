"""Inclusion proofs: every leaf of small trees, then every way to spoil one."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.errors import MalformedEvidence, RootMismatch
from ledger.proof.merkle import check_inclusion
from tests.unit.proof.oracle import LEAVES, ROOTS, slow_node, slow_path, slow_root

CASES = [(i, n) for n in range(1, 34) for i in range(n)]


@pytest.mark.parametrize(("index", "size"), CASES)
def test_every_leaf_of_every_small_tree_is_provable(index: int, size: int) -> None:
    path = slow_path(index, LEAVES[:size])

    check_inclusion(leaf=LEAVES[index], index=index, size=size, path=path, root=ROOTS[size])


@pytest.mark.parametrize(("index", "size"), CASES)
def test_a_flipped_bit_anywhere_leads_to_another_root(index: int, size: int) -> None:
    path = slow_path(index, LEAVES[:size])

    for k, good in enumerate(path):
        bad = [*path[:k], bytes([good[0] ^ 1]) + good[1:], *path[k + 1 :]]
        with pytest.raises(RootMismatch) as caught:
            check_inclusion(leaf=LEAVES[index], index=index, size=size, path=bad, root=ROOTS[size])
        assert caught.value.expected == ROOTS[size]
        assert caught.value.step == "inclusion"


def test_each_of_the_256_bits_of_each_hash_counts() -> None:
    given = {"leaf": LEAVES[4], "root": ROOTS[7]}
    path = slow_path(4, LEAVES[:7])
    hashes = [*given.values(), *path]

    for k, good in enumerate(hashes):
        for bit in range(256):
            number = int.from_bytes(good, "big") ^ (1 << bit)
            leaf, root, *bad = [*hashes[:k], number.to_bytes(32, "big"), *hashes[k + 1 :]]
            with pytest.raises(RootMismatch):
                check_inclusion(leaf=leaf, index=4, size=7, path=bad, root=root)


@pytest.mark.parametrize(("index", "size"), CASES)
def test_a_leaf_proves_no_other_position(index: int, size: int) -> None:
    path = slow_path(index, LEAVES[:size])

    for other in range(size):
        if other != index:
            with pytest.raises((RootMismatch, MalformedEvidence)):
                check_inclusion(
                    leaf=LEAVES[index], index=other, size=size, path=path, root=ROOTS[size]
                )


@pytest.mark.parametrize(("index", "size"), CASES)
def test_a_path_of_the_wrong_length_is_malformed(index: int, size: int) -> None:
    path, root = slow_path(index, LEAVES[:size]), ROOTS[size]
    lengths = [([*path, root], "longer")] + ([(path[:-1], "shorter")] if path else [])

    for bad, word in lengths:
        with pytest.raises(MalformedEvidence) as caught:
            check_inclusion(leaf=LEAVES[index], index=index, size=size, path=bad, root=root)
        assert str(caught.value) == f"inclusion: path is {word} than the tree is high"
        assert caught.value.field == "path"


def test_the_root_itself_is_no_leaf_of_a_larger_tree() -> None:
    """With no length check an empty path would prove the root against itself."""
    root = slow_root(LEAVES[:8])

    with pytest.raises(MalformedEvidence, match="shorter"):
        check_inclusion(leaf=root, index=0, size=8, path=[], root=root)


@pytest.mark.parametrize("spoil", ["leaf", "root", "path"])
@pytest.mark.parametrize("length", [0, 31, 33])
def test_every_hash_is_32_bytes(spoil: str, length: int) -> None:
    given: dict[str, Any] = {"leaf": LEAVES[0], "root": ROOTS[2], "path": [LEAVES[1]]}
    given[spoil] = bytes(length) if spoil != "path" else [bytes(length)]

    with pytest.raises(MalformedEvidence) as caught:
        check_inclusion(index=0, size=2, **given)

    assert str(caught.value) == "inclusion: every hash must be 32 bytes"
    assert (caught.value.step, caught.value.field) == ("inclusion", "path")


@pytest.mark.parametrize(("index", "size"), [(5, 5), (6, 5), (-1, 5), (0, 0), (0, -1)])
def test_an_index_outside_the_tree_is_malformed(index: int, size: int) -> None:
    with pytest.raises(MalformedEvidence) as caught:
        check_inclusion(leaf=LEAVES[4], index=index, size=size, path=[], root=LEAVES[4])

    assert str(caught.value) == f"inclusion: index {index} is outside a tree of {size} leaves"
    assert caught.value.field == "index"


def test_a_mismatch_carries_both_roots() -> None:
    with pytest.raises(RootMismatch) as caught:
        check_inclusion(leaf=LEAVES[0], index=0, size=1, path=[], root=LEAVES[1])

    assert (caught.value.expected, caught.value.computed) == (LEAVES[1], LEAVES[0])


def test_the_largest_tree_has_a_path_of_63_hashes() -> None:
    leaf, path = LEAVES[0], [LEAVES[1]] * 63
    root = leaf
    for sibling in path:
        root = slow_node(root, sibling)

    check_inclusion(leaf=leaf, index=0, size=2**63, path=path, root=root)

    with pytest.raises(MalformedEvidence, match="path is longer than the tree is high"):
        check_inclusion(leaf=leaf, index=0, size=2**63, path=[*path, leaf], root=root)
