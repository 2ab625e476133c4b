"""The recipe "Failover" of docs/operating.md, as it is written there, under customers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.customers import trade
from tests.kills.servers import Nursery
from tests.kills.sites import make_site
from tests.kills.towns import Town
from tests.nodes.cluster import Cluster, cluster
from tests.nodes.writing import in_background
from tests.waiting import wait_until

SIZES = ([1, 3], [2, 1], [1, 1])
BEFORE = AFTER = 20


@pytest.fixture
def nursery(tmp_path: Path) -> Iterator[Nursery]:
    state = tmp_path / "state"
    state.mkdir()
    nursery = Nursery(state)
    yield nursery
    nursery.close()


def both(servers: Cluster) -> str:
    """One URL for both servers: whichever is the primary is used."""
    hosts = [f"host={one.folder}:{one.port}" for one in (servers.primary, servers.standby)]
    return f"postgresql://postgres@/ledger?{'&'.join(hosts)}&target_session_attrs=primary"


def test_a_server_goes_on_with_the_promoted_standby_by_itself(
    nursery: Nursery, tmp_path: Path
) -> None:
    with cluster() as servers:
        servers.require_standby()
        town = Town(
            make_site(tmp_path / "ledger", nursery.state, database_url=both(servers)), nursery
        )
        server = nursery.start(town.site.folder)
        assert server.url is not None
        url, failures = server.url, list[BaseException]()
        trading = in_background(
            lambda: trade(url, town.customers, town.watcher, SIZES, until_death=True), failures
        )
        wait_for_receipts(town, BEFORE)
        servers.primary.stop_walsender()
        wait_until(lambda: bool(servers.waiting()), what="a commit that waits")
        servers.primary.kill()
        known = acknowledged(town)

        servers.standby.promote()

        wait_for_receipts(town, known + AFTER)
        server.stop()
        trading.join(60)
        assert failures == []
        servers.primary.rebuild(servers.standby)
        Cluster(servers.standby, servers.primary).require_standby()
        town.recover()


def acknowledged(town: Town) -> int:
    return town.tally()["acknowledged"]


def wait_for_receipts(town: Town, count: int) -> None:
    wait_until(lambda: acknowledged(town) >= count, what=f"{count} receipts")
