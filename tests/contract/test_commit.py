"""Errors around COMMIT: an unknown outcome is called that, and is resolved by a look-up.

Crash points C5 (before COMMIT), C6 (sent, no answer) and C7 (committed, not acknowledged).
"""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text

from ledger.record.database import writing
from ledger.record.errors import DatabaseUnavailable, OutcomeUnknown
from ledger.record.recorder import LedgerRecorder
from tests.contract.making import EMPTY, fill, make_batch, make_entry, write
from tests.databases import open_recorder


class LostConnection(Exception):
    pass


def lose_the_answer(
    recorder: LedgerRecorder, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    dialect = recorder.engine.dialect
    really_commit = dialect.do_commit

    def commit(connection: Any) -> None:
        if committed:
            really_commit(connection)
        raise LostConnection

    monkeypatch.setattr(dialect, "do_commit", commit)


@pytest.mark.parametrize("committed", [True, False])
def test_a_lost_answer_is_unknown_until_the_command_is_looked_up(
    recorder: LedgerRecorder, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    batch = make_batch(EMPTY, make_entry(0))

    with monkeypatch.context() as patch:
        lose_the_answer(recorder, patch, committed=committed)
        with pytest.raises(OutcomeUnknown) as unknown:
            write(recorder, batch)

    assert isinstance(unknown.value.__cause__, LostConnection)
    found = recorder.find_command("party/ann", "id-0")
    assert found == (batch.commands[0] if committed else None)
    assert recorder.head().size == (1 if committed else 0)


def test_after_an_unknown_outcome_the_next_batch_is_written(
    recorder: LedgerRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        lose_the_answer(recorder, patch, committed=False)
        with pytest.raises(OutcomeUnknown):
            fill(recorder, 1)

    fill(recorder, 2)

    assert recorder.head().size == 2


def test_any_notice_during_commit_makes_the_outcome_unknown(postgres_url: str) -> None:
    """A cancelled wait for a synchronous replica is told by a warning, and COMMIT succeeds."""
    with open_recorder(postgres_url) as recorder:
        with writing(recorder.engine) as connection:
            connection.exec_driver_sql(
                "CREATE FUNCTION warn() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                "RAISE WARNING 'canceling wait for synchronous replication'; RETURN NULL; END $$;"
                "CREATE CONSTRAINT TRIGGER warn AFTER INSERT ON entry "
                "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION warn()"
            )

        with pytest.raises(OutcomeUnknown, match="canceling wait for synchronous replication"):
            fill(recorder, 1)

        assert recorder.find_command("party/ann", "id-0") is not None


def test_a_notice_before_commit_is_no_reason_to_doubt(postgres_url: str) -> None:
    with open_recorder(postgres_url) as recorder, writing(recorder.engine) as connection:
        connection.exec_driver_sql("DO $$ BEGIN RAISE WARNING 'early'; END $$")


def kill_the_backend_while_writing(recorder: LedgerRecorder) -> None:
    with writing(recorder.engine) as mine:
        mine.execute(text("UPDATE head SET epoch = 5"))
        backend = mine.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
        with recorder.engine.connect() as other:
            other.exec_driver_sql(f"SELECT pg_terminate_backend({backend})")
        mine.exec_driver_sql("SELECT 1")


def test_a_backend_killed_before_commit_leaves_nothing(postgres_url: str) -> None:
    with open_recorder(postgres_url) as recorder:
        with pytest.raises(DatabaseUnavailable):
            kill_the_backend_while_writing(recorder)

        assert recorder.head() == EMPTY


def fail_while_writing(recorder: LedgerRecorder) -> None:
    with writing(recorder.engine) as connection:
        connection.execute(text("UPDATE head SET epoch = 5"))
        raise KeyError


def test_an_error_of_the_caller_rolls_back_and_stays_itself(recorder: LedgerRecorder) -> None:
    with pytest.raises(KeyError):
        fail_while_writing(recorder)

    assert recorder.head() == EMPTY
