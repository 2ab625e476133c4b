"""Sightings: who tried to register card keys of others; a table of their index, for staff only."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from ledger.errors import UploadsCapped

REJECTED_A_DAY: Final = 100
"""So many keys of others may be tried by one uploader on one day."""
DAY_US: Final = 24 * 3600 * 1_000_000
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS sighting (
  owner TEXT NOT NULL, day INTEGER NOT NULL, command BLOB NOT NULL, at INTEGER NOT NULL,
  item TEXT NOT NULL, other_owner TEXT NOT NULL, other_item TEXT NOT NULL,
  told INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (owner, day, command)) WITHOUT ROWID;
"""
_SIGHTINGS: Final = "SELECT owner, day, command, at, item, other_owner, other_item FROM sighting"


class Sighting(NamedTuple):
    """Somebody tried to register a key of somebody else; for staff only."""

    owner: str
    day: int
    command: bytes
    at: int
    item: str
    other_owner: str
    other_item: str


class Sightings:
    """The table of an index; whoever uses it holds the index's lock, and its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Use the index's connection."""
        self._connection = connection

    def all(self) -> list[Sighting]:
        """Return all, oldest first."""
        return self._read("")

    def untold(self) -> list[Sighting]:
        """Return those that nobody was told of yet, oldest first."""
        return self._read("WHERE told = 0")

    def tell(self) -> None:
        """Note that somebody is told of all of them."""
        self._connection.execute("UPDATE sighting SET told = 1 WHERE told = 0")

    def check_cap(self, owner: str, command: bytes, now: int) -> None:
        """Count the other keys that an uploader tried today.

        Raises:
            UploadsCapped: They are too many.

        """
        (tried,) = self._connection.execute(
            "SELECT count(*) FROM sighting WHERE owner = ? AND day = ? AND command != ?",
            (owner, now // DAY_US, command),
        ).fetchone()
        if tried >= REJECTED_A_DAY:
            raise UploadsCapped(
                "too many of today's card keys were rejected; the next ones are taken tomorrow",
                most=REJECTED_A_DAY,
                retry_after_s=(DAY_US - now % DAY_US) // 1_000_000 + 1,
            )

    def note(self, owner: str, command: bytes, now: int, which: tuple[str, str, str]) -> None:
        """Note an attempt, once a day for each command.

        Args:
            owner: Who tried.
            command: Digest of what was tried with.
            now: When, in microseconds.
            which: The item that it would have been, who has the key, and that one's item.

        """
        self._connection.execute(
            "INSERT OR IGNORE INTO sighting VALUES (?, ?, ?, ?, ?, ?, ?, 0)",
            Sighting(owner, now // DAY_US, command, now, *which),
        )

    def _read(self, where: str) -> list[Sighting]:
        rows = self._connection.execute(f"{_SIGHTINGS} {where} ORDER BY at, item")
        return [Sighting(*row) for row in rows]
