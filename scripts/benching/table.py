"""The table: every line, its target, and how many cores it may use."""

from __future__ import annotations

from typing import Final

from benching import appending, auditing, publishing
from benching.turns import Line

LINES: Final = (
    Line("append-1core-single", 0.58, appending.single, cores=1),
    Line("append-1core-cosigned", 0.70, appending.cosigned, cores=1),
    Line("append-2core-cosigned", 1.0, appending.cosigned, cores=2),
    Line("append-postgres-cosigned", 0.55, appending.postgres_cosigned, cores=1),
    Line("publish", 0.80, publishing.publish, cores=1),
    Line("audit-full", 0.70, auditing.full, cores=1, turns_a_round=1),
)
