"""Why the log is not published, proven or exported. Nothing is signed after any of these.

LogError
├── StorageError            what was read back contradicts itself or what was published
│   ├── EntryMissing        the head counts an entry that storage does not hold
│   ├── ReadBackDiffers     a stored value is not what the entry's bytes say
│   ├── MemberSignatureLost a member's signature does not hold over the bytes read back
│   ├── RuleDiffers         it does not follow by the rules from what is stored before it
│   ├── HeadBehind          entries that were published, or promised to be, are gone
│   ├── CheckpointDamaged   a stored checkpoint does not open with the log's own key
│   └── RootDiffers         the stored tree has another root than the one that was signed
├── SignerError             the signer of checkpoints did not sign
│   ├── MarkMissing         it has lost its mark, and with it what it signed
│   ├── MarkMoved           somebody else extended its tree meanwhile: begin again
│   ├── TreeDisagrees       it computed another tree than the publisher
│   ├── SignatureFaulty     what the key made is no signature of the checkpoint
│   ├── NoteDiffers         it answered with another note than the one asked for
│   ├── SignerUnavailable   nobody answers at its socket, or the answer broke off
│   ├── SignerRefused       it will not serve this caller
│   └── ProtocolBroken      what was sent is not in the signer's protocol
├── WrongCheckpointKey      the signer's key is not the log's checkpoint key
├── MarkDamaged             the signer's mark cannot be read
├── SignLocked              the database is not what was signed, or nobody can tell
├── MirrorUnusable          a copy of the log cannot be reached or does not lead to its signed root
├── MirrorRefused           the signed tree of a copy holds an entry that the rules refuse
├── NotPublished            what shall be proven is under no published checkpoint
├── NothingToProve          the item has no entries, there or at all
├── ProofTooLarge           the proof would exceed what a verifier reads
└── ExportConflict          the folder holds something else than this log, or more of it

Each keeps its evidence as attributes. Hashes are 32 raw bytes.
"""

from __future__ import annotations

from typing import ClassVar

Evidence = str | int | bytes | None


class LogError(Exception):
    """Base of every error that this room raises on purpose."""

    code: ClassVar[str] = "log-error"


class StorageError(LogError):
    """What was read back contradicts itself, or what was published: stop and look."""

    code = "storage-error"


class EntryMissing(StorageError):
    """The head counts an entry that storage does not hold."""

    code = "entry-missing"

    def __init__(self, index: int) -> None:
        super().__init__(f"entry {index} is missing below the head of the log")
        self.index = index


class ReadBackDiffers(StorageError):
    """A stored value is not what the entry's bytes say."""

    code = "read-back-differs"

    def __init__(self, index: int, field: str, *, expected: Evidence, found: Evidence) -> None:
        super().__init__(
            f"entry {index}: {field} read back as {_shown(found)}, expected {_shown(expected)}"
        )
        self.index = index
        self.field = field
        self.expected = expected
        self.found = found


class MemberSignatureLost(StorageError):
    """A member's signature does not hold over the command as it was read back."""

    code = "member-signature-lost"

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"entry {index}: {reason}; nothing was signed")
        self.index = index
        self.reason = reason


class RuleDiffers(StorageError):
    """An entry does not follow by the rules from what is stored before it."""

    code = "rule-differs"

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"entry {index}: {reason}; nothing was signed")
        self.index = index
        self.reason = reason


class HeadBehind(StorageError):
    """Storage holds fewer entries than were published or marked: an old copy was restored."""

    code = "head-behind"

    def __init__(self, *, size: int, published: int) -> None:
        super().__init__(
            f"storage holds {size} entries, {published} were published: nothing is signed "
            "until the missing ones are back"
        )
        self.size = size
        self.published = published


class CheckpointDamaged(StorageError):
    """The stored checkpoint does not open with the log's key, or is of another size."""

    code = "checkpoint-damaged"

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(f"the stored checkpoint of size {size}: {reason}; nothing was signed")
        self.size = size
        self.reason = reason


class RootDiffers(StorageError):
    """The stored tree has another root than the one that was signed for this size."""

    code = "root-differs"

    def __init__(self, size: int, *, signed: bytes, computed: bytes) -> None:
        super().__init__(
            f"the tree of size {size} has root {computed.hex()}, signed was {signed.hex()}"
        )
        self.size = size
        self.signed = signed
        self.computed = computed


class SignerError(LogError):
    """The signer of checkpoints did not sign."""

    code = "signer-error"


class MarkMissing(SignerError):
    """There is no mark: what was signed before is not known, so nothing may be signed."""

    code = "mark-missing"

    def __init__(self, file: str) -> None:
        super().__init__(f"the signer's mark {file} is missing; nothing is signed without it")
        self.file = file


class MarkMoved(SignerError):
    """Another publisher had the tree extended since this extension began; begin again."""

    code = "mark-moved"

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"the mark moved from {expected} to {found} entries meanwhile")
        self.expected = expected
        self.found = found


class TreeDisagrees(SignerError):
    """Publisher and signer computed different trees: something was damaged between them."""

    code = "tree-disagrees"

    def __init__(self, *, size: int, found_size: int, root: bytes, computed: bytes) -> None:
        super().__init__(
            f"asked for a tree of {size} entries with root {root.hex()}, the signer has "
            f"{found_size} with root {computed.hex()}; nothing was signed"
        )
        self.size = size
        self.found_size = found_size
        self.root = root
        self.computed = computed


class SignatureFaulty(SignerError):
    """What the key made is no signature of the checkpoint; it was not let out."""

    code = "signature-faulty"

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(f"the signature of the tree of size {size}: {reason}; it was dropped")
        self.size = size
        self.reason = reason


class NoteDiffers(SignerError):
    """The signer answered with another note than the checkpoint that was asked for."""

    code = "note-differs"

    def __init__(self, size: int, reason: str) -> None:
        super().__init__(f"the note for the tree of size {size}: {reason}; it was not published")
        self.size = size
        self.reason = reason


class SignerUnavailable(SignerError):
    """Nobody answers at the signer's socket, or the answer broke off: its outcome is not known."""

    code = "signer-unavailable"

    def __init__(self, socket: str, reason: str) -> None:
        super().__init__(f"the signer at {socket}: {reason}")
        self.socket = socket
        self.reason = reason


class SignerRefused(SignerError):
    """The signer process will not serve this caller, or cannot; nothing was signed."""

    code = "signer-refused"

    def __init__(self, refusal: str, reason: str) -> None:
        super().__init__(f"the signer refused: {reason}")
        self.refusal = refusal
        self.reason = reason


class ProtocolBroken(SignerError):
    """What was sent is not in the signer's protocol; the connection was closed."""

    code = "signer-protocol"

    def __init__(self, reason: str) -> None:
        super().__init__(f"not in the signer's protocol: {reason}")
        self.reason = reason


class WrongCheckpointKey(LogError):
    """The signer's key is not the checkpoint key of this log."""

    code = "wrong-checkpoint-key"

    def __init__(self, *, expected: str, found: str) -> None:
        super().__init__(f"the checkpoint key of this log is {expected}, not {found}")
        self.expected = expected
        self.found = found


class MarkDamaged(LogError):
    """The signer's mark cannot be read: nothing may be signed before somebody looked."""

    code = "mark-damaged"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"the signer's mark {file}: {reason}")
        self.file = file
        self.reason = reason


class SignLocked(LogError):
    """The database is not the one that the log was signed from, or nobody can tell."""

    code = "sign-locked"

    def __init__(self, klass: str, says: str, *, do: str) -> None:
        super().__init__(f"{klass}: {says} Nothing was signed.")
        self.klass = klass
        self.do = do


class MirrorUnusable(LogError):
    """A copy of the log cannot be reached, or what it holds does not lead to its signed root."""

    code = "mirror-unusable"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"the mirror {place}: {reason}; nothing was taken from it")
        self.place = place
        self.reason = reason


class MirrorRefused(LogError):
    """The log signed an entry that its rules refuse: whoever holds its key broke them."""

    code = "mirror-refused"

    def __init__(self, place: str, index: int, reason: str) -> None:
        super().__init__(f"the mirror {place}: entry {index}: {reason}; it was not taken")
        self.place = place
        self.index = index
        self.reason = reason


class NotPublished(LogError):
    """What shall be proven lies under no published checkpoint; wait for the next one."""

    code = "not-published"

    def __init__(self, *, index: int | None, published: int) -> None:
        wanted = "anything" if index is None else f"entry {index}"
        super().__init__(f"{published} entries are published: {wanted} cannot be proven yet")
        self.index = index
        self.published = published


class NothingToProve(LogError):
    """The item has no entry at or below the index that was named."""

    code = "nothing-to-prove"

    def __init__(self, item: str, *, index: int | None) -> None:
        place = "in this log" if index is None else f"at or below index {index}"
        super().__init__(f"{item} has no entry {place}")
        self.item = item
        self.index = index


class ProofTooLarge(LogError):
    """The proof would exceed what a verifier reads; audit the log instead."""

    code = "proof-too-large"

    def __init__(self, item: str, *, entries: int, size: int) -> None:
        super().__init__(f"the proof of {item} holds {entries} entries in {size} bytes: too large")
        self.item = item
        self.entries = entries
        self.size = size


class ExportConflict(LogError):
    """The folder holds another log, a later state, or a file that was changed; it was kept."""

    code = "export-conflict"

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file} {reason}; it was left as it is")
        self.file = file
        self.reason = reason


def _shown(value: Evidence) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
