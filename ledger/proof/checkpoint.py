"""Checkpoints: the origin, size and root that a log signs.

The text is three lines: origin, tree size in decimal, root in base64. Extension lines may follow
in the checkpoints of other logs; this ledger writes none and, unless told otherwise, takes none.

Specification: c2sp.org/tlog-checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.proof.errors import MalformedEvidence, RootMismatch, Tampered, UnknownKey, reading
from ledger.proof.hashing import EMPTY_ROOT, HASH_SIZE
from ledger.proof.note import Note, open_note
from ledger.proof.vkey import VerifierKey
from ledger.rules.text import b64decode, b64encode, decimal

_STEP = "checkpoint"
_LINES = 3


@dataclass(frozen=True)
class Checkpoint:
    """What a log commits to.

    Attributes:
        origin: Name of the log.
        size: Number of leaves.
        root: RFC 6962 root of these leaves, 32 bytes.
        extensions: Extension lines, without their newlines.

    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The text that is signed, with its final newline."""
        return "".join(
            f"{line}\n"
            for line in (self.origin, str(self.size), b64encode(self.root), *self.extensions)
        )


def parse_checkpoint(text: str, *, extensions_allowed: bool = False) -> Checkpoint:
    """Read the text of a checkpoint: exactly what `Checkpoint.text` writes.

    Args:
        text: Text of an opened note, with its final newline.
        extensions_allowed: Keep extension lines instead of refusing them.

    Raises:
        MalformedEvidence: Not a checkpoint, or not in its one spelling.
        RootMismatch: Size 0 with another root than that of the empty tree.

    Spec: c2sp.org/tlog-checkpoint.

    """
    if not text.endswith("\n"):
        raise MalformedEvidence(_STEP, "the text does not end in a newline", field="text")
    lines = text[:-1].split("\n")
    if len(lines) < _LINES:
        raise MalformedEvidence(
            _STEP, "lines are missing", field="text", expected=_LINES, found=len(lines)
        )
    if "" in lines:
        raise MalformedEvidence(_STEP, "a line is empty", field="text")
    origin, size_text, root_text, *extensions = lines
    if extensions and not extensions_allowed:
        raise MalformedEvidence(
            _STEP, "there are extension lines", field="text", expected=_LINES, found=len(lines)
        )
    with reading(_STEP):
        size = decimal(size_text, field="size")
        root = b64decode(root_text, field="root", size=HASH_SIZE)
    if size == 0 and root != EMPTY_ROOT:
        raise RootMismatch(_STEP, expected=EMPTY_ROOT, computed=root)
    return Checkpoint(origin, size, root, tuple(extensions))


def open_checkpoint(
    data: bytes,
    *,
    log: VerifierKey,
    origin: str | None = None,
    others: Sequence[VerifierKey] = (),
    extensions_allowed: bool = False,
) -> tuple[Checkpoint, Note]:
    """Open a checkpoint that the log itself signed.

    Args:
        data: The signed note.
        log: Verifier key of the log: its signature is required, a witness's does not replace it.
        origin: Name of the log, where it differs from the key's name.
        others: Further keys to verify, such as those of witnesses.
        extensions_allowed: Keep extension lines instead of refusing them.

    Returns:
        The checkpoint, and the note with the signatures that hold.

    Raises:
        MalformedEvidence: Not a note, or not a checkpoint.
        BadSignature: A signature by `log` or one of `others` does not hold.
        MalformedKey: Two of the keys share a name and key id.
        UnsupportedKey: A signature is by a key of a type not checked here.
        UnknownKey: The log did not sign.
        Tampered: The log signed for another origin.
        RootMismatch: Size 0 with another root than that of the empty tree.

    """
    note = open_note(data, [log, *others])
    if not any((line.name, line.key_id) == (log.name, log.key_id) for line in note.verified):
        raise UnknownKey(_STEP, "the log's own signature is missing", field="signature")
    checkpoint = parse_checkpoint(note.text, extensions_allowed=extensions_allowed)
    wanted = log.name if origin is None else origin
    if checkpoint.origin != wanted:
        raise Tampered(
            _STEP,
            "the checkpoint is of another log",
            field="origin",
            expected=wanted,
            found=checkpoint.origin,
        )
    return checkpoint, note
