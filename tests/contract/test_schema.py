"""The schema is made by migrations; one from a later version is refused and left alone."""

from __future__ import annotations

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from eventsourcing.persistence import IntegrityError
from sqlalchemy import text

from ledger.record import schema
from ledger.record.database import open_engine, reading, writing
from ledger.record.errors import DatabaseUnavailable, SchemaTooNew, SchemaTooOld
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import check_schema, migrate
from ledger.record.tables import METADATA
from projections.tables import METADATA as VIEWS
from tests.contract.making import fill
from tests.databases import migrated_engine, open_recorder

NEWEST = "0007"


def test_migrations_make_exactly_the_tables_that_the_code_declares(database_url: str) -> None:
    with migrated_engine(database_url) as engine, reading(engine) as connection:
        declared = [METADATA, VIEWS]
        assert compare_metadata(MigrationContext.configure(connection), declared) == []


def test_an_empty_database_asks_to_be_migrated(database_url: str) -> None:
    engine = open_engine(database_url)

    with pytest.raises(SchemaTooOld, match="run `yinzheng migrate`") as refused:
        check_schema(engine)

    engine.dispose()
    assert (refused.value.found, refused.value.known) == (None, NEWEST)


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    with open_recorder(database_url) as recorder:
        raised = recorder.raise_epoch(recorder.head())

        assert migrate(recorder.engine) == NEWEST

        check_schema(recorder.engine)
        assert recorder.head() == raised


@pytest.mark.parametrize("act", [check_schema, migrate])
def test_a_later_schema_is_refused_and_not_rewritten(database_url: str, act: object) -> None:
    with migrated_engine(database_url) as engine:
        with writing(engine) as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

        with pytest.raises(SchemaTooNew) as refused:
            act(engine)

        assert (refused.value.found, refused.value.known) == ("9999", NEWEST)
        with reading(engine) as connection:
            found = connection.execute(text("SELECT version_num FROM alembic_version"))
            assert found.scalars().all() == ["9999"]


def test_a_migration_that_fails_leaves_nothing_behind(database_url: str) -> None:
    engine = open_engine(database_url)
    with writing(engine) as connection:
        # The last table of the revision stands in its way.
        connection.execute(text("CREATE TABLE disclosure (mine INTEGER)"))

    with pytest.raises(DatabaseUnavailable, match="disclosure"):
        migrate(engine)

    with reading(engine) as connection:
        assert MigrationContext.configure(connection).get_current_revision() is None
        assert not engine.dialect.has_table(connection, "entry")
    engine.dispose()


def test_a_ledger_of_the_schema_before_keeps_every_row_and_every_guard(database_url: str) -> None:
    engine = open_engine(database_url)
    config, _ = schema._scripts()
    with writing(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
    recorder = LedgerRecorder(engine)
    fill(recorder, 20)
    before = (recorder.head(), recorder.entries(0, 20))

    assert migrate(engine) == NEWEST

    assert (recorder.head(), recorder.entries(0, 20)) == before
    for statement in ("UPDATE entry SET seq = seq", "DELETE FROM entry"):
        with pytest.raises(IntegrityError, match="append-only"), writing(engine) as connection:
            connection.execute(text(statement))
    fill(recorder, 1)
    assert recorder.head().size == 21
    engine.dispose()
