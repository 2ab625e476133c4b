"""Checks of inclusion and consistency proofs over an append-only Merkle tree.

Specification: RFC 9162 sections 2.1.3.2 (inclusion) and 2.1.4.2 (consistency).
Vocabulary: an *index* is 0-based, a *size* counts leaves, so always `0 <= index < size`.
This module does no I/O and keeps no state.
"""

from __future__ import annotations

from collections.abc import Sequence

from ledger.proof.errors import (
    HistoryNotProven,
    Incomplete,
    MalformedEvidence,
    RootMismatch,
)
from ledger.proof.hashing import HASH_SIZE, node_hash

_INCLUSION = "inclusion"
_CONSISTENCY = "consistency"


def check_inclusion(
    *, leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that `leaf` is entry number `index` of the tree with `size` leaves and `root`.

    Args:
        leaf: Leaf hash, 32 bytes (`leaf_hash(entry)`, not the entry itself).
        index: 0-based position of the leaf.
        size: Number of leaves the root commits to, at least 1.
        path: Sibling hashes from the leaf upwards, 32 bytes each, at most 63 of them.
        root: Root hash taken from a checkpoint whose signature was already verified.

    Raises:
        MalformedEvidence: `index`, a hash length or the path length is impossible.
        RootMismatch: The path is well formed but leads to another root.

    Returns None on success: there is no boolean to forget.

    Spec: RFC 9162 section 2.1.3.2.

    """
    if not 0 <= index < size:
        raise MalformedEvidence(
            _INCLUSION, f"index {index} is outside a tree of {size} leaves", field="index"
        )
    if any(len(h) != HASH_SIZE for h in (leaf, root, *path)):
        raise MalformedEvidence(_INCLUSION, f"every hash must be {HASH_SIZE} bytes", field="path")

    node, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise MalformedEvidence(
                _INCLUSION, "path is longer than the tree is high", field="path"
            )
        if node % 2 == 1 or node == last:
            computed = node_hash(sibling, computed)
            while node % 2 == 0 and node != 0:
                node, last = node // 2, last // 2
        else:
            computed = node_hash(computed, sibling)
        node, last = node // 2, last // 2
    if last != 0:
        raise MalformedEvidence(_INCLUSION, "path is shorter than the tree is high", field="path")
    if computed != root:
        raise RootMismatch(_INCLUSION, expected=root, computed=computed)


def check_consistency(
    *, old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the tree of `new_size` leaves begins with the tree of `old_size` leaves.

    A proof that fails shows nothing against anybody: whoever sent it may have sent the wrong
    one. Only two roots for one size contradict each other by themselves.

    Args:
        old_size: Leaves of the older tree, at least 1 (any tree extends the empty one).
        old_root: Root of the older tree, 32 bytes, from a verified checkpoint.
        new_size: Leaves of the newer tree, at least `old_size`.
        new_root: Root of the newer tree, 32 bytes, from a verified checkpoint.
        path: Proof hashes in the order of RFC 9162, 32 bytes each; empty for equal sizes.

    Raises:
        Incomplete: The newer tree has fewer leaves than the older.
        RootMismatch: The sizes are equal and the roots are not.
        HistoryNotProven: The proof is malformed or leads to another root.

    Spec: RFC 9162 section 2.1.4.2.

    """
    if old_size < 1:
        raise HistoryNotProven(
            _CONSISTENCY, "an older tree without leaves proves nothing", field="size"
        )
    if new_size < old_size:
        raise Incomplete(
            _CONSISTENCY,
            f"the newer tree has {new_size} leaves, the older {old_size}",
            field="size",
            expected=old_size,
            found=new_size,
        )
    if any(len(h) != HASH_SIZE for h in (old_root, new_root, *path)):
        raise HistoryNotProven(_CONSISTENCY, f"every hash must be {HASH_SIZE} bytes", field="path")
    if old_size == new_size:
        if path:
            raise HistoryNotProven(
                _CONSISTENCY, "path must be empty between equal sizes", field="path"
            )
        if old_root != new_root:
            raise RootMismatch(_CONSISTENCY, expected=old_root, computed=new_root)
        return
    # The tree of a power of two is one complete subtree: its root starts the climb (step 2).
    steps = [old_root, *path] if old_size & (old_size - 1) == 0 else list(path)
    old_computed, new_computed = _climb(old_size - 1, new_size - 1, steps)
    _compare("older", old_root, old_computed)
    _compare("newer", new_root, new_computed)


def _climb(node: int, last: int, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Rebuild the older and the newer root from one walk (RFC 9162 section 2.1.4.2, 3-6)."""
    while node % 2 == 1:
        node, last = node // 2, last // 2
    if not steps:
        raise HistoryNotProven(_CONSISTENCY, "path is shorter than the tree is high", field="path")
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            raise HistoryNotProven(
                _CONSISTENCY, "path is longer than the tree is high", field="path"
            )
        if node % 2 == 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while node % 2 == 0 and node != 0:
                node, last = node // 2, last // 2
        else:
            new = node_hash(new, sibling)
        node, last = node // 2, last // 2
    if last != 0:
        raise HistoryNotProven(_CONSISTENCY, "path is shorter than the tree is high", field="path")
    return old, new


def _compare(which: str, root: bytes, computed: bytes) -> None:
    if computed != root:
        raise HistoryNotProven(
            _CONSISTENCY,
            f"the path leads to another {which} root",
            field="root",
            expected=root,
            found=computed,
        )
