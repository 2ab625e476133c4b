"""Transparency log proofs: one file that shows an entry under a signed checkpoint.

    c2sp.org/tlog-proof@v1
    extra <base64>                 left out where there is none; nothing vouches for it
    index <decimal>
    <base64 hash>                  leaf's sibling first, up to the root's child

    <checkpoint, verbatim>

Specification: c2sp.org/tlog-proof.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.proof.errors import MalformedEvidence, reading
from ledger.proof.hashing import HASH_SIZE
from ledger.rules.text import b64decode, b64encode, decimal

HEADER = "c2sp.org/tlog-proof@v1"
PATH_HASHES_MAX = 63
PROOF_BYTES_MAX = 1 << 22

_STEP = "proof"
_EXTRA = "extra "
_INDEX = "index "


@dataclass(frozen=True)
class TlogProof:
    """An inclusion proof with the checkpoint it leads to; nothing in it is verified yet.

    Attributes:
        index: 0-based position of the entry.
        path: Sibling hashes from the leaf upwards, 32 bytes each.
        checkpoint: The signed note, exact bytes.
        extra: Application data, empty where there is none; nothing vouches for it.

    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def format(self) -> bytes:
        """Write the proof as a `.tlog-proof` file."""
        lines = [HEADER]
        if self.extra:
            lines.append(_EXTRA + b64encode(self.extra))
        lines.append(f"{_INDEX}{self.index}")
        lines.extend(b64encode(sibling) for sibling in self.path)
        return "".join(f"{line}\n" for line in lines).encode() + b"\n" + self.checkpoint


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof: exactly what `TlogProof.format` writes. It verifies nothing.

    Args:
        data: The file, at most 4 MiB.

    Raises:
        MalformedEvidence: Anything else.

    Spec: c2sp.org/tlog-proof.

    """
    if len(data) > PROOF_BYTES_MAX:
        raise MalformedEvidence(
            _STEP,
            "the proof is too long",
            field="length",
            expected=PROOF_BYTES_MAX,
            found=len(data),
        )
    head, empty_line, checkpoint = data.partition(b"\n\n")
    if not empty_line or not checkpoint:
        raise MalformedEvidence(_STEP, "there is no checkpoint", field="checkpoint")
    if not head.isascii():
        raise MalformedEvidence(_STEP, "the proof is not ASCII", field="header")
    header, *lines = head.decode("ascii").split("\n")
    if header != HEADER:
        raise MalformedEvidence(
            _STEP, "another header", field="header", expected=HEADER, found=header
        )
    extra = _read_extra(lines.pop(0)) if lines and lines[0].startswith(_EXTRA) else b""
    if not lines or not lines[0].startswith(_INDEX):
        raise MalformedEvidence(_STEP, "there is no index", field="index")
    with reading(_STEP):
        index = decimal(lines[0].removeprefix(_INDEX), field="index")
    return TlogProof(index, _read_path(lines[1:]), checkpoint, extra)


def _read_extra(line: str) -> bytes:
    with reading(_STEP):
        extra = b64decode(line.removeprefix(_EXTRA), field="extra")
    if not extra:
        raise MalformedEvidence(_STEP, "extra data is empty", field="extra")
    return extra


def _read_path(lines: list[str]) -> tuple[bytes, ...]:
    if len(lines) > PATH_HASHES_MAX:
        raise MalformedEvidence(
            _STEP,
            "the path is too long",
            field="path",
            expected=PATH_HASHES_MAX,
            found=len(lines),
        )
    with reading(_STEP):
        return tuple(b64decode(line, field="path", size=HASH_SIZE) for line in lines)
