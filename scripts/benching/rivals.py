"""What the ledger is compared with: the event library's own means, and another Merkle log.

Each is used as its own documentation says, on the same disk and the same database server, and does
less than the ledger: it checks no signature, no rule and no link.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, cycle
from pathlib import Path
from typing import Any
from uuid import UUID

from eventsourcing.application import Application, ProcessingEvent
from eventsourcing.domain import Aggregate, DomainEventProtocol, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection
from eventsourcing.system import ProcessApplication
from sqlalchemy import make_url

OBJECTS = 64


class Sword(Aggregate):
    """An item as the event library's tutorial would write it."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    @event("Transferred")
    def transfer(self, to: str, price: str) -> None:
        """Give it another owner."""
        self.owner = to


class Swords(Application[UUID]):
    """An application of the event library, with all its defaults."""

    name = "swords"


class Saving:
    """Saves one event at a time in an application of the event library."""

    def __init__(self, env: dict[str, str]) -> None:
        self.application = Swords(env)
        swords = [Sword(owner=f"member-{number}") for number in range(OBJECTS)]
        for sword in swords:
            self.application.save(sword)
        self._swords = cycle(swords)
        self._numbers = count()

    def save(self, number: int) -> None:
        """Make and save `number` events, each in a transaction of its own."""
        for _ in range(number):
            sword, price = next(self._swords), next(self._numbers)
            sword.transfer(to=f"member-{price % OBJECTS}", price=str(price))
            self.application.save(sword)

    def size(self) -> int:
        """Count the events."""
        return self.application.recorder.max_notification_id() or 0


@contextmanager
def saving(env: dict[str, str]) -> Iterator[Saving]:
    """Open an application of the event library."""
    opened = Saving(env)
    try:
        yield opened
    finally:
        opened.application.close()


def sqlite_env(folder: Path) -> dict[str, str]:
    """Configure the event library for a SQLite file."""
    return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(folder / "es.db")}


def postgres_env(url: str) -> dict[str, str]:
    """Configure the event library for a PostgreSQL database."""
    parsed = make_url(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parsed.database),
        "POSTGRES_HOST": str(parsed.host or parsed.query.get("host", "")),
        "POSTGRES_PORT": str(parsed.port or 5432),
        "POSTGRES_USER": str(parsed.username),
        "POSTGRES_PASSWORD": str(parsed.password or "none"),
    }


class Following(ProcessApplication[UUID]):
    """A process application that keeps nothing but its position: the least that one can do."""

    name = "following"

    def policy(
        self,
        domain_event: DomainEventProtocol[UUID],
        processing_event: ProcessingEvent[UUID],
    ) -> None:
        """Take an event and make none."""


class Position(PostgresTrackingRecorder):
    """A view that keeps nothing but its position: the least that one can do."""


class Positions(Projection[Position]):
    """A projection into that view."""

    name = "positions"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """Take an event; the position is recorded in a transaction of its own, as always."""
        self.view.insert_tracking(tracking)
