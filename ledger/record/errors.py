"""Errors of the storage room. Each carries its evidence and says what was kept.

RecordError
├── DatabaseUnavailable     cannot be reached, locked, full, read-only; nothing was changed
├── DatabaseDamaged         the database itself says that it is broken
├── EntryDamaged            a stored entry is not what was hashed: nothing is decided on it
├── UnsafeDatabase          set up so that an acknowledged commit could be lost
├── SchemaTooNew            made by a later version; left untouched
├── SchemaTooOld            `yinzheng migrate` brings it up to date
├── FactsDisagree           events and sealed entries differ: the caller's bug, nothing was written
├── ReadTooWide             the caller asked for more rows than one read may return
├── OutcomeUnknown          COMMIT gave no clear answer: look the command ids up, never guess
├── HeadMoved               another writer was first: reload the head and decide again
├── DuplicateCommand        the command id is recorded already
├── CheckpointConflict      a checkpoint would fork or step back
├── TileConflict            a stored tile holds other hashes
├── CopyDiffers             two databases that should hold one ledger do not
├── NoticesUnavailable      the book of payment notices cannot be read or written
└── VaultError
    ├── KeyMissing          the subject's key is not there: erased, or never made
    ├── KeyDamaged          the key file is not a key of ours
    ├── KeyNotStored        a key file cannot be written or read; nothing was sealed
    └── BoxRefused          the box was changed, or belongs to another row

Those that eventsourcing knows by a name are that too: `HeadMoved` and `DuplicateCommand` are its
`IntegrityError`, `DatabaseUnavailable` and `OutcomeUnknown` its `OperationalError`.
"""

from __future__ import annotations

from typing import ClassVar

from eventsourcing.persistence import DatabaseError, IntegrityError, OperationalError

from ledger.record.facts import CommandKey, HeadRow


class RecordError(Exception):
    """Base of every error that the storage room raises on purpose."""

    code: ClassVar[str] = "record-error"


class DatabaseUnavailable(RecordError, OperationalError):
    """The database did not do what was asked, and nothing was changed."""

    code = "database-unavailable"

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(f"database {database}: {reason}; nothing was changed")
        self.database = database
        self.reason = reason


class DatabaseDamaged(RecordError, DatabaseError):
    """The database itself reports damage."""

    code = "database-damaged"

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(f"database {database} is damaged: {reason}; stop writing and restore")
        self.database = database
        self.reason = reason


class EntryDamaged(RecordError, DatabaseError):
    """A stored entry is not what was hashed, and nothing may be decided on it."""

    code = "entry-damaged"

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place} is damaged: {reason}; stop writing and restore")
        self.place = place
        self.reason = reason


class UnsafeDatabase(RecordError):
    """A setting would let an acknowledged commit be lost."""

    code = "unsafe-database"

    def __init__(self, setting: str, *, found: str) -> None:
        super().__init__(f"{setting} is {found}: a durable commit could be lost; refused")
        self.setting = setting
        self.found = found


class SchemaTooNew(RecordError):
    """A later version of the program made this database; it was left untouched."""

    code = "schema-too-new"

    def __init__(self, *, found: str, known: str) -> None:
        super().__init__(
            f"database schema {found} is unknown here (newest known: {known}); "
            "nothing was changed, use the version that made it"
        )
        self.found = found
        self.known = known


class SchemaTooOld(RecordError):
    """The database needs `yinzheng migrate`."""

    code = "schema-too-old"

    def __init__(self, *, found: str | None, known: str) -> None:
        super().__init__(
            f"database schema is {found or 'empty'}, this version needs {known}: "
            "run `yinzheng migrate`"
        )
        self.found = found
        self.known = known


class FactsDisagree(RecordError, ValueError):
    """The stored events and the batch do not describe the same entries: a bug of the caller."""

    code = "facts-disagree"

    def __init__(self, index: int, field: str) -> None:
        super().__init__(f"entry {index}: {field} of the event and of the sealed fact differ")
        self.index = index
        self.field = field


class ReadTooWide(RecordError, ValueError):
    """One read may not return that many rows."""

    code = "read-too-wide"

    def __init__(self, *, start: int, stop: int, rows_max: int) -> None:
        super().__init__(f"[{start}, {stop}) is no range of at most {rows_max} rows")
        self.start = start
        self.stop = stop
        self.rows_max = rows_max


class OutcomeUnknown(RecordError, OperationalError):
    """COMMIT was sent and gave no clear answer; the batch may or may not be durable."""

    code = "outcome-unknown"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the outcome of COMMIT is unknown ({reason}); look the command ids up")
        self.reason = reason


class TransactionAborted(RecordError, OperationalError):
    """The database gave this transaction up for another one; decide again."""

    code = "transaction-aborted"

    def __init__(self, sqlstate: str) -> None:
        super().__init__(
            f"the database gave the transaction up (SQLSTATE {sqlstate}); nothing was changed"
        )
        self.sqlstate = sqlstate


class HeadMoved(RecordError, IntegrityError):
    """The head is not the one that the batch was decided on; nothing was written."""

    code = "head-moved"

    def __init__(self, *, expected: HeadRow, found: HeadRow) -> None:
        super().__init__(
            f"head moved: decided on size {expected.size} epoch {expected.epoch}, "
            f"found size {found.size} epoch {found.epoch}; nothing was written"
        )
        self.expected = expected
        self.found = found


class DuplicateCommand(RecordError, IntegrityError):
    """The command id was recorded before; nothing was written."""

    code = "duplicate-command"

    def __init__(self, found: CommandKey) -> None:
        super().__init__(f"command {found.id} of {found.by} is entry {found.index} already")
        self.found = found


class CheckpointConflict(RecordError):
    """A checkpoint would fork the published history or step back; nothing was written."""

    code = "checkpoint-conflict"

    def __init__(self, *, size: int, previous_size: int | None, latest_size: int | None) -> None:
        super().__init__(
            f"checkpoint of size {size} after {previous_size} refused: the latest is {latest_size}"
        )
        self.size = size
        self.previous_size = previous_size
        self.latest_size = latest_size


class TileConflict(RecordError):
    """A stored tile holds other hashes; nothing was written."""

    code = "tile-conflict"

    def __init__(self, *, level: int, number: int) -> None:
        super().__init__(f"tile {level}/{number} is stored with other hashes")
        self.level = level
        self.number = number


class CopyDiffers(RecordError):
    """Two databases that should hold the same ledger do not; nothing was changed."""

    code = "copy-differs"

    def __init__(self, table: str, reason: str) -> None:
        super().__init__(f"table {table}: {reason}; nothing was changed")
        self.table = table
        self.reason = reason


class NoticesUnavailable(RecordError):
    """The book of payment notices cannot be used: nothing was recorded for want of it."""

    code = "notices-unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the book of payment notices: {reason}; nothing was recorded")
        self.reason = reason


class VaultError(RecordError):
    """Base of the vault's errors."""

    code = "vault-error"


class KeyMissing(VaultError):
    """There is no key for this subject: erased, or never made."""

    code = "key-missing"

    def __init__(self, name: str) -> None:
        super().__init__(f"vault holds no key {name}: erased, or never made")
        self.name = name


class KeyDamaged(VaultError):
    """A key file holds no key: it is not 32 bytes, or was not wrapped here for this name."""

    code = "key-damaged"

    def __init__(self, name: str, *, size: int) -> None:
        super().__init__(f"vault key {name}: its file of {size} bytes holds no key of this vault")
        self.name = name
        self.size = size


class KeyNotStored(VaultError):
    """A key file cannot be written or read; what it was for was not recorded."""

    code = "key-not-stored"

    def __init__(self, name: str, *, reason: str) -> None:
        super().__init__(f"vault key {name}: {reason}; nothing was recorded")
        self.name = name
        self.reason = reason


class BoxRefused(VaultError):
    """A box was changed, or it belongs to another row, subject or log."""

    code = "box-refused"

    def __init__(self, *, index: int, name: str) -> None:
        super().__init__(f"the box of field {name} of entry {index} does not open")
        self.index = index
        self.name = name
