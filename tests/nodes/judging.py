"""What must hold in a database that several nodes wrote to, whatever broke meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ledger.application import Accepted
from ledger.log.database import reading
from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource
from ledger.proof.hashing import leaf_hash
from ledger.record.database import open_engine_read_only
from ledger.record.recorder import LedgerRecorder
from ledger.rules.entries import read_entry


def check_log(url: str, vkey: str, receipts: Mapping[str, Accepted]) -> int:
    """Check that a log is whole and holds every acknowledged command exactly once.

    Args:
        url: The database; everything in it is published.
        vkey: The log's verifier key.
        receipts: What was acknowledged: command digest to outcome.

    Returns:
        The size of the log.

    """
    engine = open_engine_read_only(url)
    if engine.dialect.name == "postgresql":
        # SQLite reads one state anyway.
        engine = engine.execution_options(isolation_level="REPEATABLE READ")
    try:
        size = _check_entries(LedgerRecorder(engine), receipts)
        with reading(engine) as connection:

            def query(sql: str) -> Iterator[tuple[Any, ...]]:
                yield from (tuple(row) for row in connection.exec_driver_sql(sql))

            report = audit(DatabaseSource(query), vkey)
    finally:
        engine.dispose()
    assert (report.verdict, report.size, report.derived) == ("valid", size, "yes"), report
    return size


def _check_entries(recorder: LedgerRecorder, receipts: Mapping[str, Accepted]) -> int:
    head = recorder.head()
    rows = recorder.entries(0, head.size)
    assert [row.index for row in rows] == list(range(head.size)), "the indices have a gap"
    entries = [read_entry(row.entry) for row in rows]
    recorded = Counter(each.command.digest for each in entries if each.command is not None)
    assert set(recorded.values()) == {1}, "a command was recorded twice"
    for digest, accepted in receipts.items():
        assert accepted.index < head.size, f"entry {accepted.index} was acknowledged and is gone"
        command = entries[accepted.index].command
        assert command is not None
        assert (command.digest, leaf_hash(rows[accepted.index].entry)) == (digest, accepted.leaf)
    return head.size
