"""Consistency proofs: every pair of small sizes, then every way to spoil one."""

from __future__ import annotations

import pytest

from ledger.proof.errors import HistoryNotProven, Incomplete, RootMismatch
from ledger.proof.merkle import check_consistency
from tests.unit.proof.oracle import LEAVES, ROOTS, slow_consistency

SIZES = range(1, 41)
PATHS = {(m, n): slow_consistency(m, LEAVES[:n]) for n in SIZES for m in range(1, n + 1)}


def check(m: int, n: int, path: list[bytes], **roots: bytes) -> None:
    old, new = roots.get("old", ROOTS[m]), roots.get("new", ROOTS[n])
    check_consistency(old_size=m, old_root=old, new_size=n, new_root=new, path=path)


def flip(value: bytes) -> bytes:
    return value[:-1] + bytes([value[-1] ^ 128])


@pytest.mark.parametrize("n", SIZES)
def test_every_older_tree_is_a_prefix(n: int) -> None:
    for m in range(1, n + 1):
        check(m, n, PATHS[m, n])


@pytest.mark.parametrize("n", SIZES)
def test_a_flipped_bit_in_the_path_is_refused(n: int) -> None:
    for m in range(1, n):
        path = PATHS[m, n]
        for k in range(len(path)):
            with pytest.raises(HistoryNotProven) as caught:
                check(m, n, [*path[:k], flip(path[k]), *path[k + 1 :]])
            assert caught.value.field == "root"
            assert caught.value.expected in {ROOTS[m], ROOTS[n]}


@pytest.mark.parametrize("n", SIZES)
def test_another_older_root_is_refused_by_name(n: int) -> None:
    for m in range(1, n):
        # A power of two starts the climb from the older root, so the newer root breaks too.
        which = "newer" if m & (m - 1) == 0 else "older"
        with pytest.raises(HistoryNotProven) as caught:
            check(m, n, PATHS[m, n], old=flip(ROOTS[m]))
        assert str(caught.value) == f"consistency: the path leads to another {which} root"
        if which == "older":
            assert (caught.value.expected, caught.value.found) == (flip(ROOTS[m]), ROOTS[m])


@pytest.mark.parametrize("n", SIZES)
def test_another_newer_root_is_refused_with_both_roots(n: int) -> None:
    for m in range(1, n):
        with pytest.raises(HistoryNotProven) as caught:
            check(m, n, PATHS[m, n], new=flip(ROOTS[n]))
        assert str(caught.value) == "consistency: the path leads to another newer root"
        assert (caught.value.expected, caught.value.found) == (flip(ROOTS[n]), ROOTS[n])
        assert (caught.value.step, caught.value.field) == ("consistency", "root")


@pytest.mark.parametrize("n", SIZES)
def test_a_path_of_the_wrong_length_is_refused(n: int) -> None:
    for m in range(1, n):
        path = PATHS[m, n]
        for bad, word in (([*path, ROOTS[n]], "longer"), (path[:-1], "shorter")):
            with pytest.raises(HistoryNotProven) as caught:
                check(m, n, bad)
            assert str(caught.value) == f"consistency: path is {word} than the tree is high"
            assert caught.value.field == "path"


def test_an_empty_path_between_sizes_that_are_no_power_of_two_is_refused() -> None:
    with pytest.raises(HistoryNotProven) as caught:
        check(3, 7, [])

    assert str(caught.value) == "consistency: path is shorter than the tree is high"
    assert (caught.value.step, caught.value.field) == ("consistency", "path")


@pytest.mark.parametrize("n", [2, 7, 8, 33])
def test_a_path_proves_no_other_sizes(n: int) -> None:
    for m in range(1, n):
        for other in range(1, n):
            if other != m:
                with pytest.raises(HistoryNotProven):
                    check(other, n, PATHS[m, n])


def test_equal_sizes_with_equal_roots_need_no_path() -> None:
    check(5, 5, [])
    check(1, 1, [])


def test_equal_sizes_with_a_path_are_refused() -> None:
    with pytest.raises(HistoryNotProven) as caught:
        check(5, 5, [ROOTS[5]])

    assert str(caught.value) == "consistency: path must be empty between equal sizes"
    assert caught.value.field == "path"


def test_two_roots_of_one_size_contradict_each_other() -> None:
    with pytest.raises(RootMismatch) as caught:
        check(5, 5, [], new=ROOTS[4])

    assert (caught.value.expected, caught.value.computed) == (ROOTS[5], ROOTS[4])
    assert caught.value.step == "consistency"


@pytest.mark.parametrize("size", [0, -1])
def test_an_empty_older_tree_proves_nothing(size: int) -> None:
    with pytest.raises(HistoryNotProven) as caught:
        check_consistency(old_size=size, old_root=ROOTS[0], new_size=5, new_root=ROOTS[5], path=[])

    assert str(caught.value) == "consistency: an older tree without leaves proves nothing"
    assert caught.value.field == "size"


def test_a_newer_tree_with_fewer_leaves_is_incomplete() -> None:
    with pytest.raises(Incomplete) as caught:
        check(6, 5, [])

    assert str(caught.value) == "consistency: the newer tree has 5 leaves, the older 6"
    assert (caught.value.expected, caught.value.found) == (6, 5)
    assert caught.value.field == "size"


@pytest.mark.parametrize("length", [0, 31, 33])
@pytest.mark.parametrize("spoil", ["old", "new", "path"])
def test_every_hash_is_32_bytes(spoil: str, length: int) -> None:
    path = PATHS[3, 7]
    roots = {} if spoil == "path" else {spoil: bytes(length)}

    with pytest.raises(HistoryNotProven) as caught:
        check(3, 7, [bytes(length), *path[1:]] if spoil == "path" else path, **roots)

    assert str(caught.value) == "consistency: every hash must be 32 bytes"
    assert caught.value.field == "path"
