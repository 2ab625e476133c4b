"""The primary dies while its standby hears nothing of it, and the standby takes its place.

What an asynchronous standby, or `synchronous_commit = local`, loses here shows that the same fault
would be noticed where nothing may be lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from random import Random

import pytest

from ledger.log.errors import RootDiffers
from ledger.log.publisher import Publisher
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.vkey import VerifierKey
from ledger.record.database import open_engine
from ledger.record.errors import (
    CheckpointConflict,
    DatabaseUnavailable,
    OutcomeUnknown,
    UnsafeDatabase,
)
from tests import figures
from tests.nodes.cluster import Cluster, Postgres, cluster
from tests.nodes.judging import check_log
from tests.nodes.writing import Node, furnish, in_background
from tests.waiting import wait_until
from tests.worlds import World

SEED = "failover"
CANCELLED = "canceling wait for synchronous replication due to user request"
ROUNDS = 10
BEFORE, UNHEARD = 30, 20
HANGS_S = 0.5


@dataclass
class Site:
    """A ledger on the primary, what it acknowledged, and every checkpoint it showed."""

    cluster: Cluster
    world: World
    node: Node
    shown: list[bytes] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)

    def publish_until(self, done: threading.Event) -> None:
        """Publish whatever is new until told to stop; a checkpoint that is returned is shown."""
        while not done.is_set():
            with suppress(DatabaseUnavailable, OutcomeUnknown, CheckpointConflict):
                note = self.world.publish()
                if note is not None:
                    self.shown.append(note)

    def lose_primary(self, *, hangs: bool, publishes: bool = True) -> None:
        """Write and publish, stop sending to the standby, write on, and kill the primary.

        Without `publishes` it is an append that hangs, and not a publisher that waits before it.
        """
        done, shown = threading.Event(), threading.Event()
        publishing = in_background(lambda: self.publish_until(shown), self.failures)
        threads = [in_background(lambda: self.node.write_until(done), self.failures), publishing]
        self._wait_for_receipts(BEFORE)
        wait_until(lambda: len(self.shown) > 1, what="checkpoints")
        if not publishes:
            # Nothing is under way when the walsender stops: what hangs after is not over there.
            for event in (shown, done):
                event.set()
            for thread in threads:
                thread.join(60)
        self.cluster.primary.stop_walsender()
        if not publishes:
            threads = [in_background(self.node.step, self.failures)]
        if hangs:
            wait_until(lambda: bool(self.cluster.waiting()), what="a commit that waits")
            time.sleep(HANGS_S)
        else:
            self._wait_for_receipts(len(self.node.receipts) + UNHEARD)
        self.cluster.primary.kill()
        done.set()
        shown.set()
        for thread in threads:
            thread.join(60)
        assert self.failures == []

    def _wait_for_receipts(self, count: int) -> None:
        wait_until(lambda: len(self.node.receipts) >= count or bool(self.failures), what="receipts")

    @contextmanager
    def promoted(self) -> Iterator[World]:
        """Open the ledger on the standby, which is promoted, with the signer of before."""
        self.cluster.standby.promote()
        with self.at(self.cluster.standby, "second") as world:
            yield world

    @contextmanager
    def at(self, server: Postgres, process: str) -> Iterator[World]:
        """Open the ledger on one of the servers; the signer and its mark are those of before."""
        with World.join(server.url("ledger"), SEED, process=process) as world:
            world.key("shop")
            world.clock.advance(self.world.clock.now() - world.clock.now())
            signer = world.tree_signer(self.world.mark)
            world.publisher = Publisher(world.recorder, signer, world.origin, world.vkey)
            yield world

    def lost(self, world: World) -> int:
        """Count the acknowledged commands that a node does not have."""
        rows = world.recorder.entries(0, world.size())
        leaves = {row.index: row.leaf for row in rows}
        return sum(leaves.get(one.index) != one.leaf for one in self.node.receipts.values())

    def ahead(self, world: World) -> int:
        """Count the checkpoints that were shown and are not a node's own."""
        return sum(
            world.recorder.checkpoint_at(self.size_of(note)) is None
            or world.reader.root(self.size_of(note)) != self.root_of(note)
            for note in self.shown
        )

    def size_of(self, note: bytes) -> int:
        return open_checkpoint(note, log=VerifierKey.parse(self.world.vkey))[0].size

    def root_of(self, note: bytes) -> bytes:
        return open_checkpoint(note, log=VerifierKey.parse(self.world.vkey))[0].root


@pytest.fixture
def site() -> Iterator[Site]:
    with opened_site() as opened:
        yield opened


@contextmanager
def opened_site() -> Iterator[Site]:
    with cluster() as servers, World.create(servers.primary.url("ledger"), SEED) as world:
        furnish(world)
        world.publish()
        random = Random(SEED)  # noqa: S311 - the same batches in every run
        yield Site(servers, world, Node(world, "first", random))


def fail_over(site: Site) -> None:
    """One round: nothing that was acknowledged or shown is lost, and the log goes on."""
    site.cluster.require_standby()
    site.lose_primary(hangs=True)
    with site.promoted() as world:
        assert (site.lost(world), site.ahead(world)) == (0, 0)
        site.node.world = world
        site.node.finish()
        while world.publish() is not None:
            pass
        check_log(site.cluster.standby.url("ledger"), world.vkey, site.node.receipts)
    figures.record("failover: rounds", 1, unit="failovers")
    figures.record("failover: acknowledged", len(site.node.receipts), unit="commands")
    figures.record("failover: acknowledged and lost", 0, unit="commands")
    figures.record("failover: checkpoints shown", len(site.shown), unit="checkpoints")
    figures.record("failover: checkpoints ahead of the promoted node", 0, unit="checkpoints")


def test_a_synchronous_standby_has_whatever_was_acknowledged_or_shown(site: Site) -> None:
    fail_over(site)


@pytest.mark.full
def test_ten_failovers_lose_nothing() -> None:
    for _ in range(ROUNDS):
        with opened_site() as site:
            fail_over(site)


def test_an_asynchronous_standby_loses_what_was_acknowledged(site: Site) -> None:
    site.lose_primary(hangs=False)

    with site.promoted() as world:
        assert site.lost(world) >= UNHEARD


def test_commits_that_are_acknowledged_locally_are_lost(site: Site) -> None:
    site.cluster.require_standby()
    site.cluster.primary.configure(synchronous_commit="local")

    with pytest.raises(UnsafeDatabase) as refused:
        open_engine(site.cluster.primary.url("ledger"))
    # This ledger was opened before, and nobody asks again while it is open.
    site.lose_primary(hangs=False)

    assert refused.value.setting == "synchronous_commit"
    assert refused.value.found == "local, though synchronous_standby_names is set"

    with site.promoted() as world:
        assert site.lost(world) >= UNHEARD


def test_a_commit_that_is_cancelled_while_it_waits_is_not_acknowledged(site: Site) -> None:
    site.cluster.require_standby()
    site.node.step()
    known = dict(site.node.receipts)

    cancel_one_commit(site)

    assert (site.node.unknown, site.node.notices) == (1, [CANCELLED])
    assert site.node.receipts == known
    # PostgreSQL kept it: the same bytes again find it, and wait for the standby too.
    writing = in_background(site.node.step, site.failures)
    wait_until(lambda: bool(site.cluster.waiting()), what="an answer that waits")
    assert site.node.receipts == known
    site.cluster.primary.continue_walsender()
    writing.join(60)
    assert site.failures == []
    assert site.node.resolved == len(site.node.receipts) - len(known) > 0
    site.world.publish()
    check_log(site.cluster.primary.url("ledger"), site.world.vkey, site.node.receipts)


def test_what_was_cancelled_is_not_signed_before_the_standby_has_it(site: Site) -> None:
    """It can be read on the primary, but the promoted node will not have it."""
    site.cluster.require_standby()
    site.node.step()
    site.world.publish()
    cancel_one_commit(site)
    signed = site.world.mark.read()
    done = threading.Event()
    publishing = in_background(lambda: site.publish_until(done), site.failures)
    wait_until(lambda: bool(site.cluster.waiting()), what="a publisher that waits")
    site.cluster.primary.kill()
    done.set()
    publishing.join(60)

    assert site.failures == []
    assert signed is not None
    assert site.world.mark.read() == signed
    with site.promoted() as world:
        assert world.size() == signed.size
        assert (site.lost(world), site.ahead(world)) == (0, 0)
        site.node.world = world
        site.node.finish()
        assert site.node.resolved == 0
        assert world.publish() is not None
        check_log(site.cluster.standby.url("ledger"), world.vkey, site.node.receipts)


def test_an_old_primary_that_comes_back_acknowledges_and_signs_nothing(site: Site) -> None:
    site.cluster.require_standby()
    site.lose_primary(hangs=True, publishes=False)
    known = dict(site.node.receipts)
    with site.promoted() as world:
        begun = world.size()
        site.node.world = world
        world.submit(world.item_draft("cards/after"))
        world.publish()
    marked = site.world.mark.read()
    assert marked is not None
    assert marked.size == begun + 1
    site.cluster.primary.start()

    with site.at(site.cluster.primary, "third") as old:
        # After its restart it shows what it never acknowledged, as if nothing had happened.
        assert old.size() > begun
        with pytest.raises(RootDiffers) as refused:
            old.publish()
        site.node.world = old
        writing = in_background(site.node.step, site.failures)
        wait_until(lambda: bool(site.cluster.waiting()), what="a commit that waits")
        site.cluster.primary.kill()
        writing.join(60)

    assert refused.value.size == marked.size
    assert site.world.mark.read() == marked
    assert site.failures == []
    assert site.node.receipts == known


def cancel_one_commit(site: Site) -> None:
    """Send a batch that the standby does not hear of, and cancel the COMMIT that waits for it."""
    site.cluster.primary.stop_walsender()
    writing = in_background(site.node.step, site.failures)
    wait_until(lambda: bool(site.cluster.waiting()), what="a commit that waits")
    (pid,) = site.cluster.waiting()
    site.cluster.primary.ask(f"SELECT pg_cancel_backend({pid})")
    writing.join(60)
    assert site.failures == []
