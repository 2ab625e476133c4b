"""`yinzheng serve` is killed with SIGKILL at every named point, again and again, and started again.

Every customer sends again what has no receipt, byte for byte. Then every receipt is in the log
exactly once, nothing is half there, no size has two roots, and the views are what a replay gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from api.config import SQLITE_FILE
from ledger.crashpoints import CrashPoint
from tests import figures
from tests.databases import fresh_postgres_database
from tests.kills.servers import Nursery
from tests.kills.sites import make_site
from tests.kills.towns import CUSTOMERS, Sizes, Town

POINTS = [
    CrashPoint.QUEUED,
    CrashPoint.VERIFIED,
    CrashPoint.DECIDED,
    CrashPoint.INSERTED,
    CrashPoint.BEFORE_COMMIT,
    CrashPoint.COMMIT_SENT,
    CrashPoint.COMMITTED,
    CrashPoint.ACKNOWLEDGED,
    CrashPoint.TILES_STORED,
    CrashPoint.SIGNED,
    CrashPoint.PUBLISHED,
    CrashPoint.PROJECTED,
]
# Views and checkpoints are committed too, and first of all after a crash.
EVERY_COMMIT = {CrashPoint.BEFORE_COMMIT, CrashPoint.COMMIT_SENT}
# Reached once a round of the keeper, so about once a second.
SELDOM = {
    CrashPoint.TILES_STORED,
    CrashPoint.SIGNED,
    CrashPoint.PUBLISHED,
    CrashPoint.PROJECTED,
}
SIZES: Sizes = ([1, 3, 1, 1], [1, 1, 1, 8], [2, 1, 5, 1])
KILLS = 30
KILLS_BETWEEN_AUDITS = 5
DATABASES = ["sqlite", "postgresql"]


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    nursery = Nursery(tmp_path_factory.mktemp("state"))
    yield nursery
    nursery.close()


@pytest.fixture(scope="module", params=DATABASES)
def town(
    request: pytest.FixtureRequest, nursery: Nursery, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Town]:
    """One ledger for all points: each crash also meets what the ones before it left."""
    with opened_town(request, nursery, tmp_path_factory.mktemp("town")) as town:
        yield town


@pytest.fixture(params=DATABASES)
def own_town(request: pytest.FixtureRequest, nursery: Nursery, tmp_path: Path) -> Iterator[Town]:
    with opened_town(request, nursery, tmp_path) as town:
        yield town


@contextmanager
def opened_town(request: pytest.FixtureRequest, nursery: Nursery, folder: Path) -> Iterator[Town]:
    if request.param == "sqlite":
        yield Town(make_site(folder / "ledger", nursery.state, database_url=None), nursery)
        return
    server: str = request.getfixturevalue("postgres_server_url")
    with fresh_postgres_database(server) as url:
        yield Town(make_site(folder / "ledger", nursery.state, database_url=url), nursery)


@pytest.mark.parametrize("point", POINTS)
def test_a_server_killed_twice_at_a_point_loses_nothing(town: Town, point: CrashPoint) -> None:
    before = town.tally()
    first, second = (1, 2) if point in EVERY_COMMIT else (1 if point in SELDOM else 3, 1)

    town.crash(f"{point}:{first}", SIZES)
    town.crash(f"{point}:{second}", SIZES)
    town.recover()

    tell({name: count - before[name] for name, count in town.tally().items()})


@pytest.mark.full
@pytest.mark.parametrize("point", POINTS)
def test_a_server_killed_thirty_times_at_a_point_loses_nothing(
    own_town: Town, point: CrashPoint, request: pytest.FixtureRequest
) -> None:
    random = Random(request.node.name)  # noqa: S311 - the same shapes in every run
    for kill in range(1, KILLS + 1):
        times = random.choice([1, 1, 2] if point in SELDOM else [1, 2, 3, 4, 5, 7, 9])
        own_town.crash(f"{point}:{times}", some_sizes(random))
        if kill % KILLS_BETWEEN_AUDITS == 0:
            own_town.recover()

    assert own_town.kills == KILLS
    tell(own_town.tally())


def test_a_town_notices_when_something_acknowledged_is_gone(
    nursery: Nursery, tmp_path: Path
) -> None:
    """What the checks above are worth: an older copy of the database, put back, fails them."""
    site = make_site(tmp_path / "ledger", nursery.state, database_url=None)
    town = Town(site, nursery)
    older = (site.folder / SQLITE_FILE).read_bytes()
    town.crash(f"{CrashPoint.DECIDED}:3", SIZES)
    (site.folder / f"{SQLITE_FILE}-wal").unlink(missing_ok=True)
    (site.folder / SQLITE_FILE).write_bytes(older)

    with site.house() as house, pytest.raises(AssertionError, match="acknowledged and is gone"):
        town.check_kept(house)


def some_sizes(random: Random) -> Sizes:
    """A few requests for each customer, most of one command, some of many."""
    shapes = [1, 1, 1, 1, 2, 3, 5, 20]
    return [[random.choice(shapes) for _ in range(random.randint(1, 6))] for _ in range(CUSTOMERS)]


def tell(tally: dict[str, int]) -> None:
    """Record what a test achieved."""
    for name, count in tally.items():
        figures.record(f"kill -9: {name}", count, unit="commands" if name != "kills" else "kills")
    # Whatever is lost fails a check long before this line.
    figures.record("kill -9: acknowledged and lost", 0, unit="commands")
