"""Nonces of signed requests: each is taken once, by whichever server of the ledger is first.

This is no evidence: rows are deleted as soon as no server would accept their request any more, and
no backup holds them. The table is shared, so that a request that one server has answered cannot be
shown to another. Specification: docs/spec.md section 5.4.
"""

from __future__ import annotations

from typing import Final

from eventsourcing.persistence import IntegrityError
from sqlalchemy import Engine, delete, insert

from ledger.record.database import writing
from ledger.record.tables import REQUEST_NONCE

KEPT_US: Final = 600 * 1_000_000
"""How long a nonce is kept after its request was made: far longer than any clock may be wrong."""
_PRUNED_EVERY_US: Final = 60 * 1_000_000


class NonceStore:
    """The nonces that were taken lately. Safe to share between threads and processes."""

    def __init__(self, engine: Engine) -> None:
        """Use the ledger's database, opened for writing."""
        self._engine = engine
        self._pruned_at: int | None = None

    def spend(self, party: str, nonce: str, *, created: int, now: int) -> bool:
        """Take a nonce, durably, before its request is answered.

        Args:
            party: Whose request it is; each party has nonces of its own.
            nonce: As the request names it.
            created: When the request says that it was made, in microseconds.
            now: The time of this server, in microseconds.

        Returns:
            False when it was taken before.

        Raises:
            DatabaseUnavailable: Nothing was changed.
            TransactionAborted: Nothing was changed; it may be tried again.
            OutcomeUnknown: The nonce may be taken; sign another request.

        """
        prunes = self._pruned_at is None or abs(now - self._pruned_at) >= _PRUNED_EVERY_US
        try:
            with writing(self._engine) as connection:
                row = {"party": party, "nonce": nonce, "at": created}
                connection.execute(insert(REQUEST_NONCE).values(row))
                if prunes:
                    old = REQUEST_NONCE.c.at < now - KEPT_US
                    connection.execute(delete(REQUEST_NONCE).where(old))
        except IntegrityError:
            return False
        if prunes:
            self._pruned_at = now
        return True
