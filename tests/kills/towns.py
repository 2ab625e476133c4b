"""A town: one ledger, its customers and its watcher; and what must hold after every crash."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field

from api.auditing import folder_of_ledger
from api.config import SQLITE_FILE
from api.house import House
from api.receipts import check_entry
from ledger.proof.audit import audit
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.hashing import leaf_hash
from ledger.proof.tree import MemoryTree
from ledger.proof.vkey import VerifierKey
from ledger.record.reader import ROWS_MAX
from ledger.rules.commands import read_command
from ledger.rules.entries import read_entry
from tests.kills.customers import Customer, Watcher, trade
from tests.kills.servers import Nursery
from tests.kills.sites import Site

CUSTOMERS = 3
Sizes = Sequence[Sequence[int]]
"""For each customer the number of commands in each of its requests."""


@dataclass
class Town:
    """Kills servers of one ledger and checks what they leave."""

    site: Site
    nursery: Nursery
    watcher: Watcher = field(default_factory=Watcher)
    customers: list[Customer] = field(default_factory=list)
    kills: int = 0
    durable: dict[str, int] = field(default_factory=dict)
    """Commands that were durable when their server died and had no receipt: digest to index."""
    _checked: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.customers = [Customer(self.site, number) for number in range(CUSTOMERS)]

    def tally(self) -> dict[str, int]:
        """Count what happened so far."""
        return {
            "kills": self.kills,
            "acknowledged": sum(len(customer.receipts) for customer in self.customers),
            "durable without an answer, resolved by sending again": len(self.durable),
        }

    def crash(self, crash_at: str, sizes: Sizes) -> None:
        """Run a server until it kills itself at a point; customers keep sending until then."""
        server = self.nursery.start(self.site.folder, crash_at=crash_at)
        if server.url is not None:
            trade(server.url, self.customers, self.watcher, sizes, until_death=True)
        server.wait_for_kill()
        self.kills += 1
        with self.site.house() as house:
            self.check_kept(house)
            self._remember_durable(house)

    def recover(self) -> None:
        """Run a server that is left alone, send again what has no receipt, stop it, check all."""
        server = self.nursery.start(self.site.folder)
        assert server.url is not None, server.code
        nothing: list[list[int]] = [[] for _ in self.customers]
        trade(server.url, self.customers, self.watcher, nothing, until_death=False)
        server.stop()
        with self.site.house() as house:
            leaves = self.check_kept(house)
            assert house.reader.published_size() == len(leaves)
            self._check_commands(house)
            _check_views(house, len(leaves))
        self._check_audit(len(leaves))

    def check_kept(self, house: House) -> list[bytes]:
        """Check that nothing is gone that anybody was told; return the leaves of the log."""
        head = house.recorder.head()
        assert head.size <= ROWS_MAX, "the town has grown too large for this check"
        rows = house.recorder.entries(0, head.size)
        leaves = [leaf_hash(row.entry) for row in rows]
        assert [row.index for row in rows] == list(range(head.size))
        assert head.leaf == leaves[-1]
        for customer in self.customers:
            for digest, receipt in customer.receipts.items():
                index, sent = receipt["index"], customer.sent[digest]
                assert index < head.size, f"entry {index} was acknowledged and is gone"
                assert leaves[index].hex() == receipt["leaf"]
                if digest not in self._checked:
                    check_entry(receipt, rows[index].entry, command=sent.command, sigs=sent.sigs)
                    self._checked.add(digest)
        self._check_roots(house, leaves)
        return leaves

    def _check_roots(self, house: House, leaves: list[bytes]) -> None:
        """Check that each size has one root, wherever it was signed, stored or shown."""
        stored = [house.reader.checkpoint_at(size) for size in house.reader.checkpoint_sizes()]
        assert self.watcher.notes <= set(stored), "a checkpoint was shown and is not stored"
        tree, key = MemoryTree(leaves), VerifierKey.parse(self.site.vkey)
        for note in stored:
            assert note is not None
            checkpoint, _ = open_checkpoint(note, log=key)
            assert checkpoint.root == tree.root(checkpoint.size)
        mark = self.site.mark()
        assert mark is not None
        assert mark.root == tree.root(mark.size), "the mark is of another tree"

    def _remember_durable(self, house: House) -> None:
        for customer in self.customers:
            for prepared in (each for request in customer.waiting for each in request):
                command = read_command(prepared.command)
                found = house.recorder.find_command(command.by, command.id)
                if found is not None:
                    self.durable[prepared.digest] = found.index

    def _check_commands(self, house: House) -> None:
        """Check that every command that was ever sent has a receipt, and one entry of its own."""
        receipts = {
            digest: receipt["index"]
            for customer in self.customers
            for digest, receipt in customer.receipts.items()
        }
        sent = {digest for customer in self.customers for digest in customer.sent}
        entries = (read_entry(row.entry) for row in house.recorder.entries(0, house.reader.size()))
        recorded = Counter(each.command.digest for each in entries if each.command is not None)
        assert receipts.keys() == sent
        assert {receipts[digest] for digest in self.durable} == set(self.durable.values())
        assert set(recorded.values()) == {1}
        assert len(recorded) == self.site.setup + len(sent)
        assert sent <= recorded.keys()

    def _check_audit(self, size: int) -> None:
        if (self.site.folder / SQLITE_FILE).exists():
            with closing(sqlite3.connect(self.site.folder / SQLITE_FILE)) as database:
                assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        with folder_of_ledger(self.site.folder) as source:
            report = audit(source, self.site.vkey)
        assert (report.verdict, report.derived, report.size) == ("valid", "yes", size), report


def _check_views(house: House, size: int) -> None:
    """Check that the views show all of the log, and are what a replay of it gives."""
    assert set(house.runner.positions().values()) == {size}
    shown = house.runner.digest()
    house.runner.rebuild()
    assert house.runner.digest() == shown
