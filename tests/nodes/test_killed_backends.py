"""PostgreSQL terminates the connections of the nodes, at any moment and in the midst of COMMIT."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from random import Random

import psycopg
import pytest
from sqlalchemy import make_url

from ledger.crashpoints import CrashPoint, arm
from tests import figures
from tests.nodes.judging import check_log
from tests.nodes.writing import Node, furnish, in_background
from tests.worlds import World

NODES = ("north", "south")
PAUSE_MAX_S = 0.06
BEFORE_COMMIT_SHARE = 0.05


@contextmanager
def nodes_of(url: str) -> Iterator[list[Node]]:
    """Two nodes on one database, as two processes would be."""
    with ExitStack() as stack:
        first = stack.enter_context(World.create(url, "killed"))
        furnish(first)
        second = stack.enter_context(World.join(url, "killed", process="second"))
        second.key("shop")
        yield [
            Node(world, name, Random(name))  # noqa: S311 - the same batches in every run
            for world, name in zip((first, second), NODES, strict=True)
        ]


class Killer:
    """Terminates backends: of whoever is there, of whoever commits, and just before a COMMIT."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(
            make_url(url).set(drivername="postgresql").render_as_string(hide_password=False),
            autocommit=True,
        )
        self._lock = threading.Lock()
        self._random = Random(1)  # noqa: S311 - the same pauses in every run
        self.killed: Counter[str] = Counter()

    def close(self) -> None:
        self._connection.close()

    def strike(self) -> None:
        """Terminate one backend that commits; without one, pause, and terminate any."""
        if not self._terminate("in COMMIT", "state = 'active' AND query = 'COMMIT'"):
            time.sleep(self._random.uniform(0, PAUSE_MAX_S))
            self._terminate("at any moment", "true")

    def reached(self, point: CrashPoint) -> None:
        """Terminate, now and then, a backend whose COMMIT is the next thing to be sent."""
        if point is CrashPoint.BEFORE_COMMIT and self._random.random() < BEFORE_COMMIT_SHARE:
            self._terminate("before COMMIT", "state = 'idle in transaction'")

    def _terminate(self, moment: str, which: str) -> bool:
        with self._lock:
            found = self._connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database() "
                f"AND {which} ORDER BY random() LIMIT 1"
            ).fetchone()
            killed = found is not None and bool(found[0])
            self.killed[moment] += killed
        return killed


def kill_while_they_write(url: str, kills: int) -> None:
    done = threading.Event()
    failures: list[BaseException] = []
    with nodes_of(url) as nodes, closing(Killer(url)) as killer:
        begun = nodes[0].world.size()
        arm(killer.reached)
        try:
            threads = [in_background(partial(node.write_until, done), failures) for node in nodes]
            while killer.killed.total() < kills and not failures:
                # On a busy machine too, something is acknowledged between two kills.
                if sum(len(node.receipts) for node in nodes) > killer.killed.total():
                    killer.strike()
                else:
                    time.sleep(0.001)
        finally:
            arm(None)
            done.set()
        for thread in threads:
            thread.join(60)
        assert failures == []
        for node in nodes:
            node.finish()
        while nodes[0].world.publish() is not None:
            pass
        receipts = {digest: one for node in nodes for digest, one in node.receipts.items()}
        assert len(receipts) == sum(len(node.receipts) for node in nodes)
        size = check_log(url, nodes[0].world.vkey, receipts)
    assert size == begun + len(receipts), "something was recorded that nobody knows of"
    assert killer.killed.total() >= kills
    assert min(killer.killed.values()) > 0
    tell(nodes, killer.killed)


def tell(nodes: list[Node], killed: Counter[str]) -> None:
    """Record what a test achieved."""
    for moment, count in killed.items():
        figures.record(f"PostgreSQL backends terminated {moment}", count, unit="backends")
    counts = {
        "acknowledged": sum(len(node.receipts) for node in nodes),
        "durable without an answer, resolved by sending again": sum(
            node.resolved for node in nodes
        ),
        "acknowledged and lost": 0,
    }
    for name, count in counts.items():
        figures.record(f"terminated backends: {name}", count, unit="commands")
    unknown = sum(node.unknown for node in nodes)
    figures.record("terminated backends: outcome unknown", unknown, unit="batches")


def test_a_hundred_terminated_backends_lose_nothing(postgres_url: str) -> None:
    kill_while_they_write(postgres_url, 100)


@pytest.mark.full
def test_two_thousand_terminated_backends_lose_nothing(postgres_url: str) -> None:
    kill_while_they_write(postgres_url, 2_000)
