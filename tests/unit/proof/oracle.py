"""RFC 6962 section 2.1 transcribed word for word, apart from the code under test."""

from __future__ import annotations

import hashlib


def slow_leaf(data: bytes) -> bytes:
    return hashlib.sha256(bytes([0]) + data).digest()


def slow_node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(bytes([1]) + left + right).digest()


def split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def slow_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) over leaf hashes."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return slow_node(slow_root(leaves[:k]), slow_root(leaves[k:]))


def slow_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n]), section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*slow_path(index, leaves[:k]), slow_root(leaves[k:])]
    return [*slow_path(index - k, leaves[k:]), slow_root(leaves[:k])]


def slow_consistency(old: int, leaves: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b), section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [slow_root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*slow_consistency(old, leaves[:k], whole=whole), slow_root(leaves[k:])]
    return [*slow_consistency(old - k, leaves[k:], whole=False), slow_root(leaves[:k])]


LEAVES = [slow_leaf(b"entry %d" % n) for n in range(70)]
ROOTS = [slow_root(LEAVES[:n]) for n in range(71)]
