"""eventsourcing's own test cases for recorders, on the production recorder and its constraints.

The library's cases insert equal states, use UUIDs, and know nothing of sealed facts. So the
fixture gives every event a leaf and a command of its own from a counter, reads the head, and
tries again when another thread moved it. There is no lock around it: the races in these cases
are real ones, settled by the head row.

The library's module of cases imports its AES cipher on PyCryptodome, which no recorder case
uses; the library's other cipher of the same name, on `cryptography`, stands in for it.

Overridden tests: none. `optional_test_insert_subscribe` is run as well.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from uuid import UUID

import eventsourcing.cryptography
import pytest
from eventsourcing.persistence import StoredEvent
from sqlalchemy import Engine

from ledger.record.errors import HeadMoved
from ledger.record.facts import Batch, CommandKey, HeadRow, SealedEntry
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import digest
from tests.databases import migrated_engine
from tests.determinism.simdb import SimDatabase
from tests.determinism.simrecorder import Link, SimRecorder

sys.modules.setdefault("eventsourcing.cipher", eventsourcing.cryptography)

from eventsourcing.tests import persistence as cases  # noqa: E402


class Sealing(LedgerRecorder):
    """Seals whatever it is given, as the writer would, and decides again when it lost a race."""

    _numbers = count()

    def insert_events(
        self, stored_events: Sequence[StoredEvent], **kwargs: Any
    ) -> Sequence[int] | None:
        while stored_events:
            batch = self._seal(stored_events, self.head())
            try:
                return super().insert_events(stored_events, batch=batch, **kwargs)
            except HeadMoved:
                continue
        return super().insert_events(stored_events, **kwargs)

    def _seal(self, stored_events: Sequence[StoredEvent], head: HeadRow) -> Batch:
        entries = tuple(
            SealedEntry(
                index=index,
                stream=str(event.originator_id),
                seq=event.originator_version - 1,
                type=event.topic,
                leaf=digest("leaf", next(self._numbers)),
                command=digest("command", next(self._numbers)),
                entry=event.state,
            )
            for index, event in enumerate(stored_events, start=head.size)
        )
        commands = tuple(
            CommandKey("party/a", e.command.hex(), e.command, e.index) for e in entries
        )
        return Batch(head.size, head.leaf, head.epoch, entries, commands)


class Silent(LedgerRecorder):
    """The library wants no notification ids of a recorder of aggregates alone."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)


class SealingRecorder(Sealing):
    pass


class SilentRecorder(Silent, Sealing):
    pass


class SimulatedRecorder(Sealing, SimRecorder):
    pass


class SilentSimulatedRecorder(Silent, Sealing, SimRecorder):
    pass


@contextmanager
def waiting_for_new_threads() -> Iterator[None]:
    """The library's concurrent case leaves without its readers, who still hold connections."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(timeout=10)


class OnAnyDatabase:
    engine: Engine

    def create_recorder(self) -> SealingRecorder:
        return SealingRecorder(self.engine, originator_id_type=UUID)


class OnSQLite(OnAnyDatabase):
    @pytest.fixture(autouse=True)
    def _open(self, sqlite_url: str) -> Iterator[None]:
        with migrated_engine(sqlite_url) as self.engine, waiting_for_new_threads():
            yield


class OnPostgreSQL(OnAnyDatabase):
    @pytest.fixture(autouse=True)
    def _open(self, postgres_url: str) -> Iterator[None]:
        with migrated_engine(postgres_url) as self.engine, waiting_for_new_threads():
            yield


class OnSimulation:
    @pytest.fixture(autouse=True)
    def _open(self) -> Iterator[None]:
        self.database = SimDatabase()
        with waiting_for_new_threads():
            yield

    def create_recorder(self) -> SimulatedRecorder:
        return SimulatedRecorder(Link(self.database), originator_id_type=UUID)


class OfAggregates:
    def create_recorder(self) -> SilentRecorder:
        return SilentRecorder(self.engine, originator_id_type=UUID)


class Subscribing:
    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestAggregateRecorderOnSQLite(OfAggregates, OnSQLite, cases.AggregateRecorderTestCase):
    pass


class TestAggregateRecorderOnPostgreSQL(
    OfAggregates, OnPostgreSQL, cases.AggregateRecorderTestCase
):
    pass


class TestAggregateRecorderOnSimulation(OnSimulation, cases.AggregateRecorderTestCase):
    def create_recorder(self) -> SilentSimulatedRecorder:
        return SilentSimulatedRecorder(Link(self.database), originator_id_type=UUID)


class TestApplicationRecorderOnSQLite(Subscribing, OnSQLite, cases.ApplicationRecorderTestCase):
    pass


class TestApplicationRecorderOnPostgreSQL(
    Subscribing, OnPostgreSQL, cases.ApplicationRecorderTestCase
):
    pass


class TestNonInterleavingOnSQLite(OnSQLite, cases.NonInterleavingNotificationIDsBaseCase):
    pass


class TestNonInterleavingOnPostgreSQL(OnPostgreSQL, cases.NonInterleavingNotificationIDsBaseCase):
    pass


class TestApplicationRecorderOnSimulation(
    Subscribing, OnSimulation, cases.ApplicationRecorderTestCase
):
    pass


class TestNonInterleavingOnSimulation(OnSimulation, cases.NonInterleavingNotificationIDsBaseCase):
    pass
