"""Building Merkle roots and proofs from the hashes of complete subtrees.

A *node* (level, index) is the root of the complete subtree over the leaves
`[index * 2**level, (index + 1) * 2**level)`; level 0 are the leaf hashes. Every root and proof of
every size is made of such nodes, so one reader serves memory, tables and tiles alike.

Specification: RFC 6962 sections 2.1 (root), 2.1.1 (audit path), 2.1.2 (consistency proof).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from ledger.proof.hashing import EMPTY_ROOT, HASH_SIZE, node_hash


class OutOfRange(ValueError):
    """A caller asked for a tree, node, proof or tile that cannot exist: a bug, not evidence."""

    def __init__(self, name: str, value: int) -> None:
        """Name the argument and its value."""
        super().__init__(f"{name} {value} is out of range")
        self.name = name
        self.value = value


class NodeReader(Protocol):
    """Reads the hash of one complete subtree, 32 bytes."""

    def __call__(self, level: int, index: int, /) -> bytes:
        """Return node `index` (0-based) of `level` (0 = leaves)."""
        ...


def peaks(lo: int, hi: int, read: NodeReader) -> list[bytes]:
    """Read the roots of the complete subtrees that make up `[lo, hi)`, largest first.

    Args:
        lo: First leaf; a multiple of the largest power of two not above `hi - lo`.
        hi: End of the range, excluded.
        read: Gives the hash of a complete subtree.

    """
    found = []
    while lo < hi:
        level = (hi - lo).bit_length() - 1
        found.append(read(level, lo >> level))
        lo += 1 << level
    return found


def fold(hashes: Sequence[bytes]) -> bytes:
    """Join peaks, largest first, into one root; no peaks give the root of the empty tree."""
    if not hashes:
        return EMPTY_ROOT
    *rest, root = hashes
    for left in reversed(rest):
        root = node_hash(left, root)
    return root


def root_of(size: int, read: NodeReader) -> bytes:
    """Compute the root of the first `size` leaves (RFC 6962 section 2.1).

    Raises:
        OutOfRange: `size` is negative.

    """
    if size < 0:
        raise OutOfRange("size", size)
    return fold(peaks(0, size, read))


def inclusion_path(index: int, size: int, read: NodeReader) -> list[bytes]:
    """Build the audit path of leaf `index` in the tree of `size` leaves.

    Returns:
        Sibling hashes from the leaf upwards, as `check_inclusion` takes them.

    Raises:
        OutOfRange: `index` is outside the tree.

    Spec: RFC 6962 section 2.1.1.

    """
    if not 0 <= index < size:
        raise OutOfRange("index", index)
    path = []
    lo, hi = 0, size
    while hi - lo > 1:
        middle = lo + _split(hi - lo)
        if index < middle:
            path.append(fold(peaks(middle, hi, read)))
            hi = middle
        else:
            path.append(fold(peaks(lo, middle, read)))
            lo = middle
    return path[::-1]


def consistency_path(old_size: int, new_size: int, read: NodeReader) -> list[bytes]:
    """Build the proof that the tree of `new_size` leaves begins with that of `old_size`.

    Returns:
        Hashes in the order `check_consistency` takes them; none for equal sizes.

    Raises:
        OutOfRange: Not `1 <= old_size <= new_size`.

    Spec: RFC 6962 section 2.1.2.

    """
    if not 1 <= old_size <= new_size:
        raise OutOfRange("old_size", old_size)
    path = []
    lo, hi = 0, new_size
    while hi != old_size:
        middle = lo + _split(hi - lo)
        if old_size <= middle:
            path.append(fold(peaks(middle, hi, read)))
            hi = middle
        else:
            path.append(fold(peaks(lo, middle, read)))
            lo = middle
    if lo > 0:
        # The older root itself is known to the verifier; any smaller subtree is not.
        path.append(fold(peaks(lo, hi, read)))
    return path[::-1]


def _split(count: int) -> int:
    """Return the largest power of two below `count` (at least 2)."""
    return 1 << (count - 1).bit_length() - 1


class MemoryTree:
    """A tree that keeps every complete node in memory: 64 bytes a leaf, any earlier size."""

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        """Start from leaf hashes, 32 bytes each, in order."""
        self._levels: list[list[bytes]] = [[]]
        for leaf in leaves:
            self.append(leaf)

    def __len__(self) -> int:
        """Count the leaves."""
        return len(self._levels[0])

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash, 32 bytes, at the end.

        Raises:
            OutOfRange: Another length.

        """
        _check_hash(leaf)
        level, nodes = 0, self._levels[0]
        nodes.append(leaf)
        while len(nodes) % 2 == 0:
            node, level = node_hash(nodes[-2], nodes[-1]), level + 1
            if level == len(self._levels):
                self._levels.append([])
            nodes = self._levels[level]
            nodes.append(node)

    def node(self, level: int, index: int) -> bytes:
        """Return the hash of a complete subtree.

        Raises:
            OutOfRange: The subtree is not complete yet.

        """
        if not (0 <= level < len(self._levels) and 0 <= index < len(self._levels[level])):
            raise OutOfRange("node", index)
        return self._levels[level][index]

    def root(self, size: int | None = None) -> bytes:
        """Return the root of the first `size` leaves, of all by default. Raises `OutOfRange`."""
        return root_of(len(self) if size is None else size, self.node)

    def inclusion_path(self, index: int, size: int) -> list[bytes]:
        """Build the audit path of leaf `index` at `size` leaves. Raises `OutOfRange`."""
        return inclusion_path(index, size, self.node)

    def consistency_path(self, old_size: int, new_size: int) -> list[bytes]:
        """Build the consistency proof between two sizes. Raises `OutOfRange`."""
        return consistency_path(old_size, new_size, self.node)


class CompactRange:
    """The right edge of a growing tree: enough for its root, one hash for each set bit of size."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Continue from `size` leaves and their peaks, largest first.

        Raises:
            OutOfRange: Not one 32-byte hash for each set bit of `size`.

        """
        if size < 0 or size.bit_count() != len(hashes):
            raise OutOfRange("size", size)
        for peak in hashes:
            _check_hash(peak)
        self._size = size
        self._hashes = list(hashes)

    @classmethod
    def read(cls, size: int, read: NodeReader) -> CompactRange:
        """Continue a tree of `size` leaves whose nodes `read` gives. Raises `OutOfRange`."""
        return cls(size, peaks(0, size, read))

    @property
    def size(self) -> int:
        """Count of the leaves so far."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The peaks, largest first."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash, 32 bytes, at the end.

        Raises:
            OutOfRange: Another length.

        """
        _check_hash(leaf)
        node, carry = leaf, self._size
        while carry % 2 == 1:
            node, carry = node_hash(self._hashes.pop(), node), carry // 2
        self._hashes.append(node)
        self._size += 1

    def root(self) -> bytes:
        """Compute the root of the leaves so far."""
        return fold(self._hashes)


def _check_hash(value: bytes) -> None:
    if len(value) != HASH_SIZE:
        raise OutOfRange("hash_bytes", len(value))
