"""The recorders that must behave alike: on SQLite, on PostgreSQL, and on the simulated database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.record.recorder import LedgerRecorder
from tests.databases import open_recorder
from tests.determinism.simdb import SimDatabase
from tests.determinism.simrecorder import Link, SimRecorder


@pytest.fixture(params=["sqlite", "postgresql", "simulated"])
def adapter(request: pytest.FixtureRequest) -> Iterator[LedgerRecorder]:
    """An empty record of each kind, for what can be asked of it without SQL."""
    if request.param == "simulated":
        yield SimRecorder(Link(SimDatabase()))
        return
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    with open_recorder(request.getfixturevalue(name)) as opened:
        yield opened
