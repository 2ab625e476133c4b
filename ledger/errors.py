"""Errors of the write side that a caller can act on, beside the refusals of `ledger.rules.errors`.

LedgerError
├── SignatureInvalid       a signature does not hold over the command's bytes
├── SignatureCount         `sigs` does not match `signers`
├── DisclosureInvalid      a sealed name's disclosure is missing or does not open its digest
├── AlreadyAppended        the command to cancel is in the log already
├── WriteLocked            the database is older than what was signed, or nobody can tell
├── DiskLow                too little disk space is left to write safely
├── WriteContended         other writers were first, again and again; nothing was recorded
├── QueueFull              too many commands wait already; nothing was recorded
├── QuotaExceeded          the party wrote or read more than it may; nothing was done
├── TooManyUnpaid          the buyer has as many unpaid orders as one may
├── WriterStopped          the server is stopping; nothing was recorded
├── BackupRefused          a backup cannot be made there, or did not verify
├── BackupDamaged          a backup is not what its list says; nothing was restored
├── MarkNotAdopted         a mark cannot be adopted that way; nothing was changed
├── LedgerNotOpen          the folder or database holds no ledger
├── LedgerExists           `init` was asked to overwrite a ledger
├── KeyFileInvalid         a key file is missing, unreadable or not a key
├── CommitmentDiffers      a sealed card key or code is not the one that was committed to
├── CardDuplicate          the uploader has registered this card key already
├── CardRejected           the card key cannot be registered; why is not said
├── UploadsCapped          too many of the uploader's card keys were rejected today
├── CardIndexUnavailable   nobody can tell whether a card key was registered before
├── ParcelRefused          a delivered parcel does not open at its place
└── HardwareKeyUnavailable a key in a hardware module cannot be found or used
"""

from __future__ import annotations

from typing import ClassVar


class LedgerError(Exception):
    """Base of every error the write side raises on purpose."""

    code: ClassVar[str] = "ledger-error"

    def __init__(self, message: str, **evidence: str | int | None) -> None:
        super().__init__(message)
        self.message = message
        self.evidence: dict[str, str | int | None] = evidence


class SignatureInvalid(LedgerError):
    """A signature does not hold over the command's bytes."""

    code = "signature-invalid"


class SignatureCount(LedgerError):
    """`sigs` does not hold exactly one signature for each of `signers`."""

    code = "signature-count"


class DisclosureInvalid(LedgerError):
    """A sealed name's disclosure is missing, surplus, or does not open its digest."""

    code = "disclosure-invalid"


class AlreadyAppended(LedgerError):
    """The command to cancel is in the log already: it cannot be cancelled any more."""

    code = "already-appended"


class WriteContended(LedgerError):
    """Other writers moved the head each time; nothing was recorded, send it again."""

    code = "write-contended"


class WriteLocked(LedgerError):
    """The database is not the one that the log was signed from, or nobody can tell."""

    code = "write-locked"


class DiskLow(LedgerError):
    """Too little disk space is left; writing goes on by itself when there is more."""

    code = "disk-low"


class QueueFull(LedgerError):
    """Too many commands, or bytes of them, wait to be written; nothing was recorded."""

    code = "queue-full"


class QuotaExceeded(LedgerError):
    """The party has written, or read, more than it may in this time; nothing was done."""

    code = "quota-exceeded"


class TooManyUnpaid(LedgerError):
    """The buyer has as many unpaid orders as the trade policy allows; nothing was recorded."""

    code = "too-many-unpaid"


class WriterStopped(LedgerError):
    """The server is stopping; nothing was recorded, another one or the next will take it."""

    code = "writer-stopped"


class BackupRefused(LedgerError):
    """A backup cannot be made there, or what was copied did not verify; none was made."""

    code = "backup-refused"


class BackupDamaged(LedgerError):
    """A backup is not what its own list says, or does not verify; nothing was restored."""

    code = "backup-damaged"


class MarkNotAdopted(LedgerError):
    """A signer's mark cannot be adopted that way; nothing was changed."""

    code = "mark-not-adopted"


class LedgerNotOpen(LedgerError):
    """The folder or database holds no ledger."""

    code = "ledger-not-open"


class LedgerExists(LedgerError):
    """The folder, database or origin is in use by a ledger already."""

    code = "ledger-exists"


class KeyFileInvalid(LedgerError):
    """A key file is missing, readable by others, or not a private key of ours."""

    code = "key-file-invalid"


class HardwareKeyUnavailable(LedgerError):
    """A key in a hardware module cannot be found or used; nothing was signed with it."""

    code = "hardware-key-unavailable"


class CommitmentDiffers(LedgerError):
    """A sealed card key or code does not open the commitment of its command."""

    code = "commitment-differs"


class CardDuplicate(LedgerError):
    """The uploader has registered this card key already, for the item that is named."""

    code = "card-duplicate"


class CardRejected(LedgerError):
    """The card key cannot be registered; the uploader does not learn why."""

    code = "card-rejected"


class UploadsCapped(LedgerError):
    """Too many of the uploader's card keys were rejected today; none is taken until tomorrow."""

    code = "uploads-capped"


class CardIndexUnavailable(LedgerError):
    """Nobody can tell whether a card key was registered before; nothing was recorded."""

    code = "card-index-unavailable"


class ParcelRefused(LedgerError):
    """A parcel does not open with this key at this place, or holds no card."""

    code = "parcel-refused"
