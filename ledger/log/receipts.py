"""Receipts: what the ledger promises after a commit, signed once a batch.

A receipt says that these leaves stand at these indices and will be covered by a checkpoint until
`due`. Specification: docs/spec.md section 12.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ledger.proof.hashing import node_hash
from ledger.rules.canonical import encode
from ledger.rules.digests import RECEIPT_TAG
from ledger.rules.text import b64encode, format_time
from ledger.signer import Signer


class Receipt(NamedTuple):
    """What a member gets for one command."""

    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    leaf: bytes
    path: tuple[bytes, ...]
    statement: dict[str, Any]
    sig: str

    def document(self) -> dict[str, Any]:
        """Write the receipt as JSON."""
        return {
            "index": self.index,
            "leaf": self.leaf.hex(),
            "path": [node.hex() for node in self.path],
            "sig": self.sig,
            "statement": self.statement,
        }


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """One signed statement over a batch, from which every member's receipt is cut."""

    first: int
    leaves: Sequence[bytes]
    paths: Sequence[tuple[bytes, ...]]
    """Each leaf's way up the tree over the batch."""
    statement: dict[str, Any]
    sig: str

    def receipt(self, index: int) -> Receipt:
        """Cut the receipt of the entry at `index`, which lies in the batch."""
        place = index - self.first
        return Receipt(index, self.leaves[place], self.paths[place], self.statement, self.sig)


class ReceiptIssuer(Protocol):
    """Signs what was committed."""

    def __call__(self, first: int, leaves: Sequence[bytes], *, at: int, due: int) -> BatchReceipt:
        """Sign for the `leaves` from index `first` on; `at` and `due` in microseconds."""
        ...


class Issuer:
    """Issues receipts with the receipt key of one log."""

    def __init__(self, signer: Signer, *, origin: str) -> None:
        """Take the receipt key and the log's origin."""
        self._signer, self._origin = signer, origin

    def __call__(self, first: int, leaves: Sequence[bytes], *, at: int, due: int) -> BatchReceipt:
        """Sign for the `leaves` from index `first` on; `at` and `due` in microseconds.

        Spec: docs/spec.md section 12.

        """
        levels = _levels(leaves)
        statement = {
            "at": format_time(at),
            "count": len(leaves),
            "due": format_time(due),
            "from": first,
            "log": self._origin,
            "root": levels[-1][0].hex(),
        }
        sig = b64encode(self._signer.sign(RECEIPT_TAG + encode(statement)))
        return BatchReceipt(first, leaves, _paths(levels), statement, sig)


def _levels(leaves: Sequence[bytes]) -> list[list[bytes]]:
    """Build the tree of one leaf or more; a node without a neighbour rises (RFC 6962, 2.1)."""
    levels = [list(leaves)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        level = [node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)]
        if len(below) % 2:
            level.append(below[-1])
        levels.append(level)
    return levels


def _paths(levels: Sequence[Sequence[bytes]]) -> list[tuple[bytes, ...]]:
    """Return every leaf's audit path: two neighbours share all of it but its first hash."""
    paths: list[tuple[bytes, ...]] = [()]
    for level in reversed(levels[:-1]):
        count = len(level)
        paths = [
            (level[at ^ 1], *paths[at >> 1]) if at ^ 1 < count else paths[at >> 1]
            for at in range(count)
        ]
    return paths
