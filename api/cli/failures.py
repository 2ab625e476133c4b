"""How an error ends a command: what happened, what was kept, what to do next, and the exit code.

valid 0, tampered 1, usage 2, incomplete 3, unverifiable 4, valid-erased 5, locked 6,
unavailable 69, bug 70, interrupted 130 (protocol section 8). A refused command is bad input: 2.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.cli.output import write_line
from api.client_errors import ClientError, NotReached, OtherLog, ProblemAnswer
from api.errors import ApiError
from api.sales import TableUnreadable
from ledger.domain.stream import UnknownEventType
from ledger.errors import (
    BackupDamaged,
    BackupRefused,
    DiskLow,
    LedgerError,
    WriteContended,
    WriteLocked,
)
from ledger.log.errors import (
    HeadBehind,
    LogError,
    MarkDamaged,
    MirrorRefused,
    MirrorUnusable,
    SignerError,
    SignLocked,
    StorageError,
)
from ledger.proof.errors import VerificationError
from ledger.record import errors as record
from ledger.record.errors import CopyDiffers
from ledger.rules.errors import Malformed, RuleError
from projections.errors import LogUnreadable, ProjectionError

TAMPERED, USAGE, INCOMPLETE, UNVERIFIABLE = 1, 2, 3, 4
LOCKED = 6
UNAVAILABLE, BUG, INTERRUPTED = 69, 70, 130

_KEPT = "Nothing was changed."
_AGAIN = "Run the same command again: what was done is found and not done twice."
_AUDIT = "Stop writing, run `yinzheng audit --dir D`, and compare with a backup."
_SIGNER = "See to the signer (docs/operating.md, keys), then run the command again."
_INCIDENT = "Keep all files as they are and follow the incident procedure in docs/operating.md."
_HELP = "See `yinzheng COMMAND --help`."


class Usage(Exception):
    """The command line asks for something that cannot be had."""

    def __init__(self, message: str, *, code: str = "usage", do: str = _HELP, **more: Any) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.do = do
        self.evidence: dict[str, Any] = more


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as told to the caller."""

    exit_code: int
    code: str
    message: str
    kept: str
    do: str
    evidence: Mapping[str, Any]

    def tell(self, *, as_json: bool) -> int:
        """Print it, as one JSON line on stdout or as text on stderr; return the exit code."""
        if as_json:
            told = {"code": self.code, "message": self.message, "kept": self.kept, "do": self.do}
            write_line({"error": told | {"exit": self.exit_code} | dict(self.evidence)})
            return self.exit_code
        lines = [f"error: {self.message}"]
        lines += [f"  {name}: {value}" for name, value in self.evidence.items()]
        lines += [f"kept: {self.kept}", f"next: {self.do}"]
        print("\n".join(lines), file=sys.stderr)
        return self.exit_code


@dataclass(frozen=True, slots=True)
class _Ending:
    exit_code: int
    kept: str
    do: str


_CORRECT = "Correct what the message names, then run it again."
# The first class that fits decides.
_ENDINGS: Sequence[tuple[type[Exception], _Ending]] = (
    (
        record.DatabaseUnavailable,
        _Ending(UNAVAILABLE, _KEPT, "Bring the database back, then run the command again."),
    ),
    (
        record.OutcomeUnknown,
        _Ending(UNAVAILABLE, "The last batch may be in the log or not.", _AGAIN),
    ),
    (
        record.UnsafeDatabase,
        _Ending(UNAVAILABLE, _KEPT, "Change that setting of the database server."),
    ),
    (record.CheckpointConflict, _Ending(UNAVAILABLE, "What is published stays.", _AGAIN)),
    (WriteContended, _Ending(UNAVAILABLE, "What was accepted before stays.", _AGAIN)),
    # What to do comes with these errors.
    (WriteLocked, _Ending(LOCKED, _KEPT, _AUDIT)),
    (
        BackupRefused,
        _Ending(USAGE, "What was there before stays; no half backup is left.", _CORRECT),
    ),
    (
        BackupDamaged,
        _Ending(TAMPERED, "Nothing was restored.", "Take another backup; keep this one."),
    ),
    (MirrorRefused, _Ending(TAMPERED, "What was brought back before stays.", _INCIDENT)),
    (CopyDiffers, _Ending(USAGE, _KEPT, "Name an empty database.")),
    (SignLocked, _Ending(LOCKED, _KEPT, _AUDIT)),
    (DiskLow, _Ending(LOCKED, _KEPT, "Make room on that disk; writing then goes on by itself.")),
    (
        MirrorUnusable,
        _Ending(UNAVAILABLE, _KEPT, "Name another copy of the log, or bring this one back."),
    ),
    (
        MarkDamaged,
        _Ending(UNAVAILABLE, _KEPT, "Look at the file before anything is signed again."),
    ),
    (
        SignerError,
        _Ending(UNAVAILABLE, "What is published stays; nothing was signed.", _SIGNER),
    ),
    (
        record.SchemaTooNew,
        _Ending(USAGE, _KEPT, "Use the version of the program that made it."),
    ),
    (
        record.SchemaTooOld,
        _Ending(USAGE, _KEPT, "Make a backup, then run `yinzheng migrate --dir D`."),
    ),
    (HeadBehind, _Ending(INCOMPLETE, _KEPT, "Restore the entries that are missing.")),
    (
        UnknownEventType,
        _Ending(UNVERIFIABLE, _KEPT, "Use the version of the program that wrote it."),
    ),
    (StorageError, _Ending(TAMPERED, _KEPT, _AUDIT)),
    (LogUnreadable, _Ending(TAMPERED, _KEPT, _AUDIT)),
    (record.DatabaseDamaged, _Ending(TAMPERED, _KEPT, _AUDIT)),
    (record.EntryDamaged, _Ending(TAMPERED, _KEPT, _AUDIT)),
    (record.TileConflict, _Ending(TAMPERED, _KEPT, _AUDIT)),
    (TableUnreadable, _Ending(USAGE, _KEPT, "Correct the file and import it again.")),
    (
        Malformed,
        _Ending(USAGE, _KEPT, "Correct this value; docs/spec.md section 2 has the forms."),
    ),
    (
        RuleError,
        _Ending(USAGE, "What was accepted before stays; this was not recorded.", _CORRECT),
    ),
    (LedgerError, _Ending(USAGE, _KEPT, _CORRECT)),
    (ApiError, _Ending(USAGE, _KEPT, _CORRECT)),
    (NotReached, _Ending(UNAVAILABLE, _KEPT, "See that the server is up, then ask again.")),
    (OtherLog, _Ending(UNVERIFIABLE, _KEPT, "Bring the verifier key of the log that you want.")),
    (ProblemAnswer, _Ending(USAGE, _KEPT, _CORRECT)),
    (ClientError, _Ending(UNVERIFIABLE, _KEPT, "Ask the operator; keep what was answered.")),
    (LogError, _Ending(USAGE, _KEPT, _CORRECT)),
    (ProjectionError, _Ending(USAGE, _KEPT, _CORRECT)),
    (record.RecordError, _Ending(USAGE, _KEPT, _CORRECT)),
)


def failure_of(error: Exception) -> Failure | None:
    """Describe an error that this program raises on purpose; None for a bug."""
    if isinstance(error, VerificationError):
        fault = {"fault": error.fault()}
        return Failure(error.exit_code, error.verdict, str(error), _KEPT, _HELP, fault)
    if isinstance(error, Usage):
        return Failure(USAGE, error.code, error.message, _KEPT, error.do, error.evidence)
    if isinstance(error, OSError):
        named = {"file": str(error.filename)} if error.filename else {}
        do = "Look at that file or folder, then run it again."
        reason = f"{error.filename or 'file'}: {error.strerror or error}"
        return Failure(USAGE, "file-error", reason, "What was written before stays.", do, named)
    for kind, ending in _ENDINGS:
        if isinstance(error, kind):
            return _failure(error, ending)
    return None


def _failure(error: Exception, ending: _Ending) -> Failure:
    evidence = dict(vars(error))
    evidence |= evidence.pop("evidence", {})
    evidence.pop("message", None)
    do = str(evidence.pop("do", ending.do))
    plain = {
        name: value
        for name, value in evidence.items()
        if isinstance(value, str | int | None) and not name.startswith("_")
    }
    code = str(getattr(error, "code", _kebab(type(error).__name__)))
    return Failure(ending.exit_code, code, str(error), ending.kept, do, plain)


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
