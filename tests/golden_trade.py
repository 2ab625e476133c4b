"""The story of the second golden log: the kinds and event types of trade.

The first one (`tests.golden_story`) keeps its bytes; what is built later is told here. Who changes
a line here changes the files below tests/golden/trade/.
"""

from __future__ import annotations

from pathlib import Path

from ledger.log.export import export_log
from ledger.log.reader import LogReader
from tests.databases import sqlite_file_url
from tests.golden_story import HOUR_US, publisher_of
from tests.terms import publish_terms, terms
from tests.worlds import World

SEED = "golden-trade"
DAY_US = 24 * HOUR_US


def write_golden_trade(folder: Path, log: Path) -> None:
    """Play the story in the empty `folder` and export the log into the folder `log`."""
    with World.create(sqlite_file_url(folder), SEED) as world:
        play(world)
        publisher_of(world).publish()
        export_log(LogReader(world.recorder), log)


def play(world: World) -> None:
    """Play the whole story, without a checkpoint."""
    _terms(world)


def _terms(world: World) -> None:
    """The first trade policy, and the one that waits for its day."""
    publish_terms(world, terms())
    later = terms(id="small-2", notice_days=14)
    publish_terms(world, later, world.clock.now() + 8 * DAY_US)
