"""Errors of the write side that a caller can act on, beside the refusals of `ledger.rules.errors`.

LedgerError
├── SignatureInvalid       a signature does not hold over the command's bytes
├── SignatureCount         `sigs` does not match `signers`
├── DisclosureInvalid      a sealed name's disclosure is missing or does not open its digest
├── AlreadyAppended        the command to cancel is in the log already
├── WriteLocked            the database is older than what was signed, or nobody can tell
├── DiskLow                too little disk space is left to write safely
├── WriteContended         other writers were first, again and again; nothing was recorded
├── LedgerNotOpen          the folder or database holds no ledger
├── LedgerExists           `init` was asked to overwrite a ledger
└── KeyFileInvalid         a key file is missing, unreadable or not a key
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


class LedgerNotOpen(LedgerError):
    """The folder or database holds no ledger."""

    code = "ledger-not-open"


class LedgerExists(LedgerError):
    """The folder, database or origin is in use by a ledger already."""

    code = "ledger-exists"


class KeyFileInvalid(LedgerError):
    """A key file is missing, readable by others, or not a private key of ours."""

    code = "key-file-invalid"
