"""The right edge of the tree: for each level of tiles, the hashes of its last, unfinished tile.

From the edge alone follow the root of the tree and every tile that becomes full as it grows. The
edge of a published tree is believed only after its root was compared with the signed one.
Specification: docs/spec.md sections 13.1 and 13.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ledger.proof.hashing import node_hash
from ledger.proof.tiles import TILE_HEIGHT, TILE_WIDTH, encode_tile, read_through
from ledger.proof.tree import root_of
from ledger.record.facts import Tile

ReadHashes = Callable[[int, int, int], list[bytes]]


class Edge:
    """Grows leaf by leaf; keeps at most 255 hashes a level and the tiles that became full."""

    def __init__(self) -> None:
        """Start with the empty tree."""
        self.size = 0
        self.full: list[Tile] = []
        self._levels: list[list[bytes]] = []

    @classmethod
    def read(cls, size: int, hashes: ReadHashes) -> Edge:
        """Start with a tree of `size` leaves.

        Args:
            size: Number of leaves.
            hashes: Gives the hashes `[start, stop)` of a level of tiles.

        """
        edge = cls()
        edge.size = size
        items = size
        while items:
            start = items - items % TILE_WIDTH
            level = len(edge._levels)
            edge._levels.append(hashes(level, start, items) if start < items else [])
            items >>= TILE_HEIGHT
        return edge

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash, 32 bytes; what becomes full is added to `full`."""
        self.size += 1
        level, item = 0, leaf
        while True:
            if level == len(self._levels):
                self._levels.append([])
            row = self._levels[level]
            row.append(item)
            if len(row) < TILE_WIDTH:
                return
            number = (self.size >> TILE_HEIGHT * (level + 1)) - 1
            self.full.append(Tile(level, number, encode_tile(row)))
            item = complete_root(row)
            row.clear()
            level += 1

    def root(self) -> bytes:
        """Compute the root of the leaves so far, 32 bytes."""
        # Every node that a root is made of lies in the last tile of its level.
        return root_of(self.size, read_through(lambda level, _number: self._levels[level]))


def complete_root(hashes: Sequence[bytes]) -> bytes:
    """Join the hashes of a complete subtree, a power of two of them, into its root."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]
