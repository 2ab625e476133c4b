"""One market day on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ledger.log.reader import LogReader
from projections.runner import Runner
from tests.unit.projections.markets import market_day
from tests.worlds import World


@pytest.fixture
def world(database_url: str) -> Iterator[World]:
    with World.create(database_url, "views") as opened:
        market_day(opened)
        yield opened


@pytest.fixture
def reader(world: World) -> LogReader:
    return LogReader(world.recorder)


@pytest.fixture
def shown(reader: LogReader) -> LogReader:
    """The market day, with its views caught up."""
    Runner(reader).catch_up()
    return reader
