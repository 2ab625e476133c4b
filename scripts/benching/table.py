"""The table: every line, its target, and how many cores it may use."""

from __future__ import annotations

from typing import Final

from benching import (
    appending,
    auditing,
    comparing,
    duplicates,
    growing,
    importing,
    latency,
    projecting,
    publishing,
    trading,
)
from benching.turns import Line

LINES: Final = (
    Line("append-1core-single", 0.58, appending.single, cores=1),
    Line("append-1core-cosigned", 0.70, appending.cosigned, cores=1),
    Line("append-2core-cosigned", 1.0, appending.cosigned_by_writer, cores=2, turns_a_round=1),
    Line("append-postgres-cosigned", 0.55, appending.postgres_cosigned, cores=1),
    Line("import", 0.50, importing.sales, cores=2, turns_a_round=1),
    Line("append-vs-eventsourcing-sqlite", 1.5, comparing.with_save_on_sqlite, cores=1),
    Line("append-vs-eventsourcing-postgres", 4.0, comparing.with_save_on_postgres, cores=1),
    Line("append-vs-peers", 1.0, comparing.with_merkle_log, cores=1),
    Line("publish", 0.80, publishing.publish, cores=1),
    Line("latency", 50.0, latency.at_half_capacity, at_most=True, turns_a_round=1),
    Line("projection-sqlite", 10.0, projecting.on_sqlite, cores=1, turns_a_round=1),
    Line("projection-postgres", 15.0, projecting.on_postgres, cores=1, turns_a_round=1),
    Line("audit-structure", 0.12, auditing.structure, cores=1, turns_a_round=3),
    Line("audit-full", 0.70, auditing.full, cores=1, turns_a_round=1),
    Line("growth-append", 1.5, growing.appends, at_most=True, cores=1, turns_a_round=1),
    Line("growth-proof", 1.5, growing.proofs, at_most=True, cores=1),
    Line("growth-provenance", 1.5, growing.provenance, at_most=True, cores=1),
    Line("orders", 0.5, trading.orders, cores=1),
    Line("duplicate-key", 1.3, duplicates.checks, at_most=True, cores=1),
)
