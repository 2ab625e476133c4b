"""The factory and the mapper are closed: nothing stored decides which code runs."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import Mapper, NotSupportedError, StoredEvent
from eventsourcing.utils import Environment

from ledger.record.database import reading
from ledger.record.factory import LedgerFactory
from ledger.record.mapper import EntryMapper, EntryTranscoder
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import events_of, fill, make_batch, make_entry
from tests.databases import open_recorder


@dataclass(frozen=True)
class Sealed:
    originator_id: str
    originator_version: int
    type: str
    raw: bytes


def decode(stored: StoredEvent) -> Sealed:
    return Sealed(str(stored.originator_id), stored.originator_version, stored.topic, stored.state)


EVENT = Sealed("item/shop/1", 3, "item-transferred/1", b'{"a":1}')
STORED = StoredEvent("item/shop/1", 3, "item-transferred/1", b'{"a":1}')


@pytest.fixture
def sqlite_recorder(sqlite_url: str) -> Iterator[LedgerRecorder]:
    with open_recorder(sqlite_url) as recorder:
        yield recorder


@pytest.fixture
def factory(sqlite_recorder: LedgerRecorder) -> LedgerFactory:
    hostile = {
        "TRANSCODER_TOPIC": "no.such:thing",
        "MAPPER_TOPIC": "no.such:thing",
        "CIPHER_TOPIC": "no.such:thing",
        "COMPRESSOR_TOPIC": "zlib",
        "IS_SNAPSHOTTING_ENABLED": "y",
    }
    return LedgerFactory(sqlite_recorder, decode=decode, env=Environment("ledger", hostile))


def test_the_mapper_passes_the_bytes_through() -> None:
    mapper = EntryMapper(decode)

    assert mapper.to_stored_event(EVENT) == STORED
    assert mapper.to_stored_event(EVENT).state is EVENT.raw
    assert mapper.to_domain_event(STORED) == EVENT


def test_a_topic_that_is_a_python_path_runs_nothing() -> None:
    stored = StoredEvent("item/shop/1", 1, "os:system", b"")

    assert EntryMapper(decode).to_domain_event(stored) == Sealed("item/shop/1", 1, "os:system", b"")


def test_the_transcoder_re_encodes_nothing() -> None:
    assert EntryTranscoder().encode(b"x") == EntryTranscoder().decode(b"x") == b"x"
    with pytest.raises(TypeError, match="not dict"):
        EntryTranscoder().encode({})


def test_the_environment_changes_nothing(
    factory: LedgerFactory, sqlite_recorder: LedgerRecorder
) -> None:
    assert type(factory.mapper()) is EntryMapper
    assert type(factory.transcoder()) is EntryTranscoder
    assert factory.cipher() is None
    assert factory.compressor() is None
    assert not factory.is_snapshotting_enabled()
    assert factory.application_recorder() is sqlite_recorder
    assert factory.aggregate_recorder() is sqlite_recorder


@pytest.mark.parametrize(
    ("ask", "what"),
    [
        (lambda factory: factory.mapper(mapper_class=Mapper), "another mapper"),
        (lambda factory: factory.aggregate_recorder("snapshots"), "a recorder of snapshots"),
        (lambda factory: factory.tracking_recorder(), "a tracking recorder"),
        (lambda factory: factory.process_recorder(), "a process recorder"),
    ],
)
def test_what_the_ledger_has_not_is_refused(factory: LedgerFactory, ask: object, what: str) -> None:
    with pytest.raises(NotSupportedError, match=f"the ledger has no {what}"):
        ask(factory)


def test_an_application_stores_and_reads_through_the_factory(factory: LedgerFactory) -> None:
    class Shop(Application[str]):
        def construct_factory(self, env: Environment) -> LedgerFactory:
            return factory

    shop = Shop()
    batch = make_batch(shop.recorder.head(), make_entry(0))
    (stored,) = events_of(batch)

    shop.events.put([decode(stored)], batch=batch, tracking=None)

    assert list(shop.events.get("item/shop/1")) == [decode(stored)]
    assert [n.id for n in shop.notification_log.select(1, 10)] == [1]
    shop.close()


def test_an_application_that_is_dropped_leaves_the_connections_of_others(
    factory: LedgerFactory, sqlite_recorder: LedgerRecorder
) -> None:
    class Shop(Application[str]):
        def construct_factory(self, env: Environment) -> LedgerFactory:
            return factory

    fill(sqlite_recorder, 1)
    shop, pool = Shop(), sqlite_recorder.engine.pool
    with reading(sqlite_recorder.engine):
        shop.close()
        del shop
        gc.collect()

    assert sqlite_recorder.engine.pool is pool
    assert (pool.checkedin(), pool.checkedout()) == (1, 0)
