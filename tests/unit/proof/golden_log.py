"""The golden log in memory, and whatever may be signed with its keys.

Every key of the golden log follows from its seed, so a changed log is signed as well as the real
one: what is wrong with it is then wrong for one reason only.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import sign_note
from ledger.proof.report import Report
from ledger.proof.tiles import decode_bundle
from ledger.proof.tlogproof import TlogProof
from ledger.proof.tree import MemoryTree
from ledger.signer import LocalSigner

GOLDEN = Path(__file__).parents[2] / "golden"
LOG = GOLDEN / "log"
PROOF = GOLDEN / "relic.tlog-proof"
ORIGIN = "yinzheng.test/world"
SIZE = 57
ROOT = "dae8f53fb1f0441cc7746a2a8414598c9229d85cd98dffdfc26da31afed37e01"
VKEY = "yinzheng.test/world+600aa1cc+AZ8XDs6djRcbKBqqBmBFGWVeQYt4fJsEOKbRAfhz1AKT"

Files = dict[str, bytes]


def files() -> Files:
    """The exported files, by their relative path."""
    names = ("checkpoint", "checkpoints/sizes", "checkpoints/31", "checkpoints/57")
    tiles = ("tile/0/000.p/57", "tile/entries/000.p/57")
    return {name: (LOG / name).read_bytes() for name in (*names, *tiles)}


def raw_entries() -> list[bytes]:
    """The 57 entries, byte for byte."""
    return decode_bundle((LOG / "tile/entries/000.p/57").read_bytes(), width=SIZE)


def plain(value: object) -> bytes:
    """Canonical JSON of values that need none of its refusals."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def signer(name: str) -> LocalSigner:
    """The first key of a party of the golden log."""
    return LocalSigner.from_seed(sha256(f"golden|key|{name}".encode()).digest())


def checkpoint(leaves: Sequence[bytes], *, origin: str = ORIGIN) -> bytes:
    """Sign a checkpoint over these leaf hashes."""
    key = signer("checkpoint")
    text = Checkpoint(origin, len(leaves), MemoryTree(leaves).root()).text
    return sign_note(text, name=ORIGIN, public=key.public, sign=key.sign)


def proof_of(
    log: Sequence[bytes],
    picked: Iterable[int],
    *,
    item: str,
    about: int,
    **extra: Any,
) -> bytes:
    """Write a proof file of some entries of a log that is signed as it stands."""
    tree = MemoryTree(leaf_hash(raw) for raw in log)
    note = checkpoint([leaf_hash(raw) for raw in log])

    def path(index: int) -> list[bytes]:
        return tree.inclusion_path(index, len(log))

    bundle: dict[str, Any] = {
        "entries": [
            {"entry": json.loads(log[index]), "path": [_b64(node) for node in path(index)]}
            for index in picked
        ],
        "item": item,
        "schema": 1,
        **extra,
    }
    return TlogProof(about, tuple(path(about)), note, plain(bundle)).format()


def _b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


class NamedTree:
    """A tree of any size at once: the hash of a node is its level and place, written out."""

    def __init__(self, size: int = 0) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def node(self, level: int, index: int) -> bytes:
        return f"{level}/{index}".encode().rjust(32, b".")

    def tile(self, level: int, number: int, width: int = 256) -> bytes:
        """The bytes of a tile of this tree."""
        return b"".join(self.node(8 * level, 256 * number + at) for at in range(width))


def seen(error: VerificationError) -> tuple[object, ...]:
    """Everything that an error says, its class included."""
    return (
        type(error).__name__,
        error.step,
        error.message,
        error.index,
        error.stream,
        error.field,
        error.expected,
        error.found,
    )


VALID: Mapping[str, Any] = {
    "schema": 1,
    "verdict": "valid",
    "size": SIZE,
    "root": ROOT,
    "anchored": "no",
    "witnessed": "0/0",
    "map_audited": "no",
    "time_bounded": "no",
    "late": "not-checked",
    "checkpoints": 2,
    "unpublished": 0,
    "attested": 12,
    "gaps": 2,
    "erased": 0,
    "keys_complete": "yes",
    "replayed": "57/57",
    "single_handed": "yes",
    "derived": "yes",
    "entries": {"signed": 38, "attested": 12, "system": 7},
    "fault": None,
}
"""What an audit of the golden log says."""


def nothing(fault: Mapping[str, Any], verdict: str) -> dict[str, Any]:
    """What a report says when nothing was read at all."""
    empty = {"index": None, "stream": None, "field": None, "expected": None, "found": None}
    document = Report().document()
    return {**document, "verdict": verdict, "fault": {**empty, "derived": False, **fault}}
