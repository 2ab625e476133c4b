"""Whatever publishers do, the signer never signs two roots for one size, nor a smaller tree."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from ledger.log.errors import LogError
from ledger.log.extending import KeyTreeSigner
from ledger.log.mark import Mark
from ledger.proof.checkpoint import open_checkpoint
from ledger.proof.tree import MemoryTree
from ledger.proof.vkey import VerifierKey
from tests.figures import record
from tests.unit.log.test_extending import KEY, ORIGIN, VKEY
from tests.unit.proof.oracle import slow_leaf, slow_root

Entries = tuple[bytes, ...]


class SignerMachine(RuleBasedStateMachine):
    """Two publishers with databases of their own, which are cut, forked and restored at will.

    The oracle is the list of the trees that were signed, each with all its entries.
    """

    histories = 0
    trees = 0

    @initialize()
    def begin(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="yz-signer-")
        self.path = Path(self._folder.name) / "mark"
        Mark(self.path).begin()
        self.databases: list[Entries] = [(), ()]
        self.saved: list[Entries] = [()]
        self.signed: list[tuple[int, bytes, Entries]] = []
        self.next = 0

    def teardown(self) -> None:
        SignerMachine.histories += 1
        SignerMachine.trees += len({size for size, _, _ in self.signed})
        self._folder.cleanup()

    def signer(self) -> KeyTreeSigner:
        """A process of its own each time: nothing but the mark is remembered."""
        return KeyTreeSigner(KEY, origin=ORIGIN, vkey=VKEY, mark=Mark(self.path))

    @rule(which=st.integers(0, 1), count=st.integers(1, 9), again=st.booleans())
    def append(self, which: int, count: int, *, again: bool) -> None:
        """Append entries that are new, or the same as those of the other database."""
        for _ in range(count):
            other = self.databases[1 - which]
            size = len(self.databases[which])
            if again and size < len(other):
                entry = other[size]
            else:
                self.next += 1
                entry = sha256(b"%d" % self.next).digest()
            self.databases[which] += (entry,)

    @rule(which=st.integers(0, 1))
    def copy(self, which: int) -> None:
        self.databases[1 - which] = self.databases[which]

    @rule(which=st.integers(0, 1))
    def save(self, which: int) -> None:
        self.saved.append(self.databases[which])

    @rule(which=st.integers(0, 1), number=st.integers(0, 1 << 16))
    def restore(self, which: int, number: int) -> None:
        self.databases[which] = self.saved[number % len(self.saved)]

    @rule(which=st.integers(0, 1), cut=st.integers(1, 20))
    def roll_back(self, which: int, cut: int) -> None:
        self.databases[which] = self.databases[which][:-cut]

    @rule()
    def lose_the_edge(self) -> None:
        """As a mark of an earlier version: only size and root are left."""
        first = self.path.read_text().splitlines()[0]
        self.path.write_text(f"{first}\n")

    @rule(which=st.integers(0, 1), size=st.none() | st.integers(0, 60))
    def publish(self, which: int, size: int | None) -> None:
        entries = self.databases[which][:size]
        with suppress(LogError), self.signer().extend() as extension:
            extension.add(entries[extension.size :])
            self.took(extension.sign(len(entries), root(entries)), entries)

    @rule(size=st.integers(0, 60))
    def race(self, size: int) -> None:
        """Both begin; what the first one gets may be another tree than what the second wants."""
        first, second = self.databases[0], self.databases[1][:size]
        with self.signer().extend() as slow, self.signer().extend() as fast:
            for extension, entries in ((fast, first), (slow, second)):
                with suppress(LogError):
                    extension.add(entries[extension.size :])
                    self.took(extension.sign(len(entries), root(entries)), entries)

    @rule(which=st.integers(0, 1), lie=st.binary(min_size=32, max_size=32))
    def lie_about_the_root(self, which: int, lie: bytes) -> None:
        entries = self.databases[which]
        before = self.path.read_bytes()
        with suppress(LogError), self.signer().extend() as extension:
            extension.add(entries[extension.size :])
            extension.sign(len(entries), lie)
            raise AssertionError
        assert self.path.read_bytes() == before

    def took(self, note: bytes, entries: Entries) -> None:
        checkpoint, _ = open_checkpoint(note, log=VerifierKey.parse(VKEY))
        leaves = [slow_leaf(entry) for entry in entries]
        assert (checkpoint.size, checkpoint.root) == (len(entries), slow_root(leaves))
        self.signed.append((checkpoint.size, checkpoint.root, entries))

    @invariant()
    def every_tree_extends_the_one_signed_before(self) -> None:
        for before, after in zip(self.signed, self.signed[1:], strict=False):
            assert before[0] <= after[0]
            assert after[2][: before[0]] == before[2]

    @invariant()
    def no_size_has_two_roots(self) -> None:
        trees = {(size, found) for size, found, _ in self.signed}
        assert len(trees) == len({size for size, _ in trees})

    @invariant()
    def the_mark_covers_all_that_was_signed(self) -> None:
        marked = Mark(self.path).read()
        assert marked is not None
        if self.signed:
            assert self.signed[-1][:2] == (marked.size, marked.root)

    @invariant()
    def the_next_extension_is_signed(self) -> None:
        """No wish, however foolish, may lock the signer."""
        honest = (*(self.signed[-1][2] if self.signed else ()), b"next")
        with self.signer().extend() as extension:
            extension.add(honest[extension.size :])
            assert extension.size == len(honest)


def root(entries: Entries) -> bytes:
    return MemoryTree(slow_leaf(entry) for entry in entries).root()


def test_no_size_has_two_roots_whatever_publishers_do() -> None:
    steps = settings(stateful_step_count=30)

    run_state_machine_as_test(SignerMachine, settings=steps)

    record("signer: histories of two publishers", SignerMachine.histories, unit="histories")
    record("signer: trees signed in them", SignerMachine.trees, unit="trees")
    assert SignerMachine.trees > 20
