"""The index of card keys: which fingerprints are taken, and who asked for one that was.

A SQLite file of its own beside the vault's keys, in no database, log or backup. It and the log
have no common transaction, so a key is taken in three steps:

  reserve   before the command's entries are recorded, durably, under the command's digest;
  commit    the entries, in the log;
  confirm   afterwards, with the entry's index; what dies before is made good by looking.

A crash leaves at most a reservation whose command is not in the log. It holds until that command
could not be recorded any more, with a minute for clocks that differ; the same command passes it at
any time. Decision: docs/adr/0035.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from ledger.cards.fingerprints import Fingerprint
from ledger.cards.sightings import SCHEMA as SIGHTINGS
from ledger.cards.sightings import Sighting, Sightings
from ledger.errors import CardDuplicate, CardIndexUnavailable, CardRejected

CLOCKS_DIFFER_US: Final = 60 * 1_000_000
_BUSY_MS: Final = 10_000
_FILE_MODE: Final = 0o600
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS card (
  id INTEGER PRIMARY KEY, item TEXT NOT NULL, owner TEXT NOT NULL, command_id TEXT NOT NULL,
  command BLOB NOT NULL, not_after INTEGER NOT NULL, shared INTEGER NOT NULL, entry INTEGER);
CREATE TABLE IF NOT EXISTS fingerprint (
  version INTEGER NOT NULL, digest BLOB NOT NULL CHECK (length(digest) = 32),
  card INTEGER NOT NULL, PRIMARY KEY (version, digest)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS code (
  version INTEGER NOT NULL, digest BLOB NOT NULL CHECK (length(digest) = 32),
  card INTEGER NOT NULL, PRIMARY KEY (version, digest, card)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pepper (version INTEGER PRIMARY KEY, mark BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL);
INSERT OR IGNORE INTO state VALUES (1, 0);
"""
# Of the schema. Before 1 no codes were kept: the cards of the log are read once more.
_VERSION: Final = 1
# Small rows where a key falls anywhere, large ones where they follow each other: a new key changes
# one page of a flat tree, however many there are.
_HOLDER: Final = (
    "SELECT c.id, c.item, c.owner, c.command_id, c.command, c.not_after, c.shared, c.entry"
    " FROM fingerprint f JOIN card c ON c.id = f.card WHERE f.version = ? AND f.digest = ?"
)
_ISSUED: Final = (
    "SELECT c.item, c.owner, c.command_id, c.command, c.entry"
    " FROM code k JOIN card c ON c.id = k.card WHERE k.version = ? AND k.digest = ?"
)


class Claim(NamedTuple):
    """A key that somebody wants to register.

    Attributes:
        fingerprints: Of the key, one a version of the pepper.
        item: The item that it would belong to.
        owner: Who uploads it.
        command_id: Id of the command that registers it.
        command: Its digest.
        not_after: When that command cannot be recorded any more, in microseconds.
        shared: Whether its class lets one owner register one key more than once.
        codes: Fingerprints of the verification code that the item is issued with.

    """

    fingerprints: tuple[Fingerprint, ...]
    item: str
    owner: str
    command_id: str
    command: bytes
    not_after: int
    shared: bool = False
    codes: tuple[Fingerprint, ...] = ()


class Holder(NamedTuple):
    """Who has a key: a row of the index."""

    id: int
    item: str
    owner: str
    command_id: str
    command: bytes
    not_after: int
    shared: int
    entry: int | None


IsRecorded = Callable[[str, str, bytes], bool]
"""Whether a party's command of this id and digest is in the log."""


class CardIndex:
    """The index of one ledger. Thread-safe; processes of one machine may share it."""

    def __init__(self, path: Path) -> None:
        """Use a file, made with mode 0600 when it is not there.

        Raises:
            CardIndexUnavailable: It cannot be opened, or is no index.

        """
        self.path = path
        self._lock = threading.RLock()
        self._reserved: set[bytes] = set()
        with self._failures():
            # SQLite gives its other files the mode of this one.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, cached_statements=32
            )
            for pragma in (
                f"busy_timeout={_BUSY_MS}",
                "journal_mode=WAL",
                "synchronous=FULL",
                "cache_size=-65536",
                "wal_autocheckpoint=4000",
            ):
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.executescript(_SCHEMA + SIGHTINGS)
            self._sightings = Sightings(self._connection)
            self._upgrade()

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Do all that follows in one durable transaction, or none of it.

        Raises:
            CardIndexUnavailable: It cannot be written; nothing was changed.

        """
        with self._lock, self._failures():
            self._connection.execute("BEGIN IMMEDIATE")
            self._reserved.clear()
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise

    def reserve(self, claim: Claim, *, now: int, is_recorded: IsRecorded) -> None:
        """Take a key for a command; only inside `writing`.

        Raises:
            UploadsCapped: Its uploader tried too many keys of others today.
            CardDuplicate: Its uploader has registered the key already, or reserved it with a
                command that is not in the log: then `retry_after_s` says when it is free.
            CardRejected: It cannot be registered. The attempt is noted for staff, so this
                transaction must be kept.

        """
        with self._failures():
            self._reserve(claim, now, is_recorded)

    def confirm(self, claims: Sequence[tuple[Claim, int]], *, size: int) -> None:
        """Note at which entries reserved keys were recorded, and up to which size all are known.

        Raises:
            CardIndexUnavailable: It cannot be written; reservations are good without it.

        """
        with self.writing():
            for claim, entry in claims:
                holders = [self._holder(each) for each in claim.fingerprints]
                free = [
                    each
                    for each, holder in zip(claim.fingerprints, holders, strict=True)
                    if holder is None or holder.command == claim.command
                ]
                self._put(free, claim, entry)
            self._connection.execute("UPDATE state SET size = max(size, ?)", (size,))

    def learn(self, claim: Claim, entry: int) -> list[Holder]:
        """Take in a key of the log itself, whoever had it before; only inside `writing`.

        Returns:
            Who had it by another entry, which is left as it is, and may not share it.

        Raises:
            CardIndexUnavailable: It cannot be written.

        """
        others = []
        with self._failures():
            free = []
            for each in claim.fingerprints:
                holder = self._holder(each)
                if holder is None or holder.entry is None or holder.command == claim.command:
                    free.append(each)
                elif holder.owner != claim.owner or not (claim.shared and holder.shared):
                    others.append(holder)
            self._put(free, claim, entry)
        return others

    def forget_all(self) -> None:
        """Empty the index of keys, to be filled from the log; only inside `writing`.

        Reservations stay: their commands may be recorded at this moment.
        """
        self._connection.execute(
            "DELETE FROM fingerprint WHERE card IN (SELECT id FROM card WHERE entry IS NOT NULL)"
        )
        self._connection.execute(
            "DELETE FROM code WHERE card IN (SELECT id FROM card WHERE entry IS NOT NULL)"
        )
        self._connection.execute("DELETE FROM card WHERE entry IS NOT NULL")
        self._connection.execute("DELETE FROM pepper")
        self._connection.execute("UPDATE state SET size = 0")

    def issued(self, codes: Sequence[Fingerprint], is_recorded: IsRecorded) -> set[str]:
        """Name the items that a verification code was issued with: those that the log has.

        It takes the same questions whether there are any or none.

        Args:
            codes: The code's fingerprints, one a version of the pepper.
            is_recorded: Asked about what was reserved and never confirmed.

        Raises:
            CardIndexUnavailable: It cannot be read.

        """
        with self._lock, self._failures():
            rows = [row for each in codes for row in self._connection.execute(_ISSUED, each)]
        return {
            item
            for item, owner, command_id, command, entry in rows
            if entry is not None or is_recorded(owner, command_id, command)
        }

    def size(self) -> int:
        """Return the size of the log up to which every card key is known here."""
        with self._lock, self._failures():
            (size,) = self._connection.execute("SELECT size FROM state").fetchone()
            return int(size)

    def advance(self, size: int) -> None:
        """Note that every card key of the log up to a size is known; only inside `writing`."""
        self._connection.execute("UPDATE state SET size = max(size, ?)", (size,))

    def pepper_marks(self) -> dict[int, bytes]:
        """Return what each version of the pepper that was ever used is known by."""
        with self._lock, self._failures():
            return dict(self._connection.execute("SELECT version, mark FROM pepper"))

    def keep_pepper_marks(self, marks: dict[int, bytes]) -> None:
        """Remember versions of the pepper that fingerprints are made with; inside `writing`."""
        self._connection.executemany("INSERT OR IGNORE INTO pepper VALUES (?, ?)", marks.items())

    def count(self) -> dict[int, int]:
        """Count keys by version of the pepper."""
        with self._lock, self._failures():
            return dict(
                self._connection.execute(
                    "SELECT version, count(*) FROM fingerprint GROUP BY version"
                )
            )

    def sightings(self) -> list[Sighting]:
        """Return who tried to register keys of others, oldest first; for staff only."""
        with self._lock, self._failures():
            return self._sightings.all()

    def untold(self) -> list[Sighting]:
        """Return sightings that nobody was told of yet; each is returned once, to one process.

        Raises:
            CardIndexUnavailable: The index cannot be written.

        """
        with self._lock, self._failures():
            if not self._sightings.untold():
                return []
            with self.writing():
                found = self._sightings.untold()
                self._sightings.tell()
        return found

    def _reserve(self, claim: Claim, now: int, is_recorded: IsRecorded) -> None:
        found = [(each, self._holder(each)) for each in claim.fingerprints]
        free = [each for each, holder in found if self._is_free(claim, holder, now, is_recorded)]
        if not any(holder and holder.command == claim.command for _, holder in found):
            # The same bytes once more claim nothing new, whatever became of them.
            self._sightings.check_cap(claim.owner, claim.command, now)
            for each, holder in found:
                if holder is not None and each not in free:
                    self._refuse(claim, holder, now, is_recorded)
        self._put(free, claim, None)
        self._reserved.add(claim.command)

    def _holder(self, fingerprint: Fingerprint) -> Holder | None:
        row = self._connection.execute(_HOLDER, fingerprint).fetchone()
        return None if row is None else Holder(*row)

    def _is_free(
        self, claim: Claim, holder: Holder | None, now: int, is_recorded: IsRecorded
    ) -> bool:
        if holder is None:
            return True
        if holder.entry is not None:
            return False
        if holder.command == claim.command:
            return True
        late = now > holder.not_after + CLOCKS_DIFFER_US
        return late and not is_recorded(holder.owner, holder.command_id, holder.command)

    def _refuse(self, claim: Claim, holder: Holder, now: int, is_recorded: IsRecorded) -> None:
        """Refuse a claim to what somebody holds, unless one owner shares it with itself."""
        if holder.owner != claim.owner:
            self._sightings.note(
                claim.owner, claim.command, now, (claim.item, holder.owner, holder.item)
            )
            raise CardRejected("this card key cannot be registered")
        if claim.shared and holder.shared:
            return
        if (
            holder.entry is None
            and holder.command not in self._reserved
            and not is_recorded(holder.owner, holder.command_id, holder.command)
        ):
            wait = (holder.not_after + CLOCKS_DIFFER_US - now) // 1_000_000 + 1
            raise CardDuplicate(
                "a command of yours that is not recorded, or not yet, has this card key",
                item=holder.item,
                retry_after_s=wait,
            )
        raise CardDuplicate("you have registered this card key already", item=holder.item)

    def _put(self, fingerprints: Sequence[Fingerprint], claim: Claim, entry: int | None) -> None:
        """Let fingerprints belong to a claim, which has one row whatever came before."""
        if not fingerprints and not claim.codes:
            return
        card = self._row_of(claim)
        if card is None:
            row = (*claim[1:7], entry)
            card = self._connection.execute(
                "INSERT INTO card VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row
            ).lastrowid
        elif entry is not None:
            self._connection.execute("UPDATE card SET entry = ? WHERE id = ?", (entry, card))
        for statement, found in (
            ("INSERT OR REPLACE INTO fingerprint VALUES (?, ?, ?)", fingerprints),
            ("INSERT OR IGNORE INTO code VALUES (?, ?, ?)", claim.codes),
        ):
            self._connection.executemany(statement, [(*each, card) for each in found])

    def _row_of(self, claim: Claim) -> int | None:
        for each in claim.fingerprints:
            holder = self._holder(each)
            if holder is not None and holder.command == claim.command:
                return holder.id
        own = "SELECT c.id FROM code k JOIN card c ON c.id = k.card WHERE k.version = ?"
        for each in claim.codes:
            row = self._connection.execute(
                f"{own} AND k.digest = ? AND c.command = ?", (*each, claim.command)
            ).fetchone()
            if row is not None:
                return int(row[0])
        return None

    def _upgrade(self) -> None:
        (version,) = self._connection.execute("PRAGMA user_version").fetchone()
        if version < _VERSION:
            self._connection.execute("UPDATE state SET size = 0")
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            named = getattr(error, "sqlite_errorname", None) or getattr(error, "strerror", None)
            reason = named or type(error).__name__
            # Not chained: nothing of a statement's values may reach a trace.
            raise CardIndexUnavailable(
                f"the index of card keys cannot be used: {reason}; nothing was recorded",
                reason=reason,
            ) from None
