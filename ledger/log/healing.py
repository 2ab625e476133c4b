"""Healing: bringing back from a mirror the entries that an older copy of the database lacks.

An entry is written again only after all of this held:
  1. the mirror's checkpoint is signed by the log, and its tree begins with this database's tree
  2. the leaves that follow lead to the signed root, and the entry has its leaf
  3. the rules derive it from everything before, and its members' signatures hold
The rows are those that the writer wrote: entries, command keys, registered keys, tiles and
checkpoints. What never left the database does not come back: a sealed value's box is written empty,
which says that it is lost. Each batch ends where a checkpoint was published, or at the end of a
command, so a kill leaves a shorter log that is still behind its mark, and the next run goes on.
Decision: docs/adr/0019. Specification: docs/spec.md section 13.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.crashpoints import CrashPoint, reach
from ledger.log.edge import Edge
from ledger.log.errors import EntryMissing, MirrorRefused, MirrorUnusable, RootDiffers
from ledger.log.mirror import Mirror, check_leaf
from ledger.log.reader import LogReader
from ledger.log.stored_state import checked_entry
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.known import Known
from ledger.proof.note import split_note
from ledger.proof.pool import SignaturePool
from ledger.proof.replay import Replay
from ledger.proof.tree import CompactRange
from ledger.record.facts import Batch, CommandKey, Disclosure, KeyRow, SealedEntry
from ledger.record.recorder import LedgerRecorder
from ledger.record.stored import key_row_of, row_of
from ledger.rules.entries import Entry

ENTRIES_AT_ONCE: Final = 1_000
LOST: Final = b""
"""The box of a sealed value that did not come back."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Healed:
    """What a healing brought back: entries `[start, stop)`, and the root that they lead to."""

    start: int
    stop: int
    root: bytes
    checkpoints: int
    edge: tuple[bytes, ...]


@dataclass(slots=True)
class _Pending:
    """Entries that were checked and are not written yet; whole commands."""

    entries: list[SealedEntry] = field(default_factory=list)
    commands: list[CommandKey] = field(default_factory=list)
    disclosures: list[Disclosure] = field(default_factory=list)
    keys: list[KeyRow] = field(default_factory=list)


class Healing:
    """One healing of one database from one mirror."""

    def __init__(
        self, recorder: LedgerRecorder, mirror: Mirror, *, origin: str, processes: int = 1
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            recorder: The database, open for writing; judged by the gate to be a prefix.
            mirror: The copy of the log that reaches further.
            origin: Name of the log.
            processes: How many processes check signatures.

        """
        self._recorder, self._mirror, self._processes = recorder, mirror, processes
        self._replay = Replay(Known(), log=origin, complete=True)
        self._edge = Edge()
        self._notes: list[tuple[int, bytes]] = []
        self._stored = 0

    def run(self, progress: Progress | None = None) -> Healed:
        """Bring back what lacks.

        Args:
            progress: Called with (entries seen, entries in all) now and then.

        Returns:
            What was brought back; nothing when the mirror does not reach further.

        Raises:
            MirrorUnusable: The mirror does not lead to its signed root; what was brought back
                before stays and is right.
            MirrorRefused: Its signed tree holds an entry that the rules refuse.
            VerificationError: An entry of this database does not hold.
            RootDiffers: A checkpoint of the mirror is of another tree.
            StorageError: This database contradicts itself.
            DatabaseUnavailable: Run it again: it goes on where it stopped.

        Spec: docs/spec.md section 13.7.

        """
        told = progress or (lambda _done, _all: None)
        signed = self._mirror.checkpoint()
        start = self._recorder.head().size
        self._take_own(start, max(signed.size, start), told)
        leaves = self._leaves(start, signed.size, signed.root)
        latest = self._recorder.latest_checkpoint()
        self._notes = self._checkpoints(latest.size if latest else 0)
        self._publish(start)
        with SignaturePool(self._processes) as pool:
            for stop in self._take_theirs(start, leaves, pool):
                told(stop, signed.size)
        tree = self._replay.view.tree
        edge = CompactRange.read(len(tree), tree.node).hashes
        return Healed(start, len(tree), tree.root(), self._stored, edge)

    def _take_own(self, size: int, total: int, progress: Progress) -> None:
        """Replay what is here: everything that follows is derived from it."""
        latest = self._recorder.latest_checkpoint()
        published = latest.size if latest else 0
        self._edge = Edge.read(published, LogReader(self._recorder).hashes)
        while len(self._replay.view.tree) < size:
            index = len(self._replay.view.tree)
            rows = self._recorder.entries(index, min(index + ENTRIES_AT_ONCE, size))
            if not rows:
                raise EntryMissing(index)
            for row in rows:
                checked_entry(row)
                self._replay.take(row.entry, index=len(self._replay.view.tree))
                if row.index >= published:
                    self._edge.append(row.leaf)
            progress(len(self._replay.view.tree), total)
            # Signed by the log already: the publisher checked these signatures before.
            self._replay.signed.clear()
        self._replay.finish(size)

    def _leaves(self, start: int, size: int, root: bytes) -> list[bytes]:
        """Return the leaves that follow, once they lead from this tree to the signed root."""
        tree = self._replay.view.tree
        if size <= start:
            return []
        leaves = self._mirror.leaves(start)
        grown = CompactRange.read(start, tree.node)
        for leaf in leaves:
            grown.append(leaf)
        if (grown.size, grown.root()) != (size, root):
            reason = "its level-0 tiles do not lead from this database to the signed root"
            raise MirrorUnusable(self._mirror.place, reason)
        return leaves

    def _checkpoints(self, after: int) -> list[tuple[int, bytes]]:
        """List the checkpoints to store again, in order; the mirror's latest is the last."""
        signed = self._mirror.checkpoint().size
        notes = {size: note for size, note in self._mirror.checkpoints() if after < size <= signed}
        if signed > after:
            notes[signed] = self._mirror.note()
        return sorted(notes.items())

    def _take_theirs(
        self, start: int, leaves: Sequence[bytes], pool: SignaturePool
    ) -> Iterator[int]:
        """Check and write what follows, batch by batch; yield the size after each."""
        pending, cause, due = _Pending(), None, 0
        for index, raw in self._mirror.entries(start):
            check_leaf(self._mirror.place, index, raw, leaves[index - start])
            entry = self._replayed(raw, index)
            if entry.command is not None:
                cause, due = entry, entry.effects
            else:
                due -= 1
            assert cause is not None  # noqa: S101 - an effect without its cause does not replay
            _add(pending, entry, cause)
            ends = due == 0 and len(pending.entries) >= ENTRIES_AT_ONCE
            if ends or (self._notes and self._notes[0][0] == index + 1):
                yield self._write(pending, pool)
                pending = _Pending()
        if pending.entries:
            yield self._write(pending, pool)

    def _replayed(self, raw: bytes, index: int) -> Entry:
        try:
            return self._replay.take(raw, index=index)
        except VerificationError as error:
            raise MirrorRefused(self._mirror.place, index, str(error)) from error

    def _write(self, pending: _Pending, pool: SignaturePool) -> int:
        """Write whole commands in one transaction, then the checkpoints that they reach."""
        size = pending.entries[-1].index + 1
        try:
            self._replay.finish(size)
            pool.check(self._replay.signed)
        except VerificationError as error:
            index = size if error.index is None else error.index
            raise MirrorRefused(self._mirror.place, index, str(error)) from error
        self._replay.signed.clear()
        reach(CrashPoint.RECOVERY_READ)
        head = self._recorder.head()
        batch = Batch(
            head.size,
            head.leaf,
            head.epoch,
            tuple(pending.entries),
            tuple(pending.commands),
            tuple(pending.disclosures),
            tuple(pending.keys),
        )
        self._recorder.append(batch)
        reach(CrashPoint.RECOVERY_INSERTED)
        for row in pending.entries:
            self._edge.append(row.leaf)
        self._publish(size)
        return size

    def _publish(self, size: int) -> None:
        """Store the tiles of this tree and the mirror's checkpoints up to a size again."""
        tree = self._replay.view.tree
        while self._notes and self._notes[0][0] <= size:
            reached, note = self._notes.pop(0)
            signed = parse_checkpoint(split_note(note)[0]).root
            if tree.root(reached) != signed:
                raise RootDiffers(reached, signed=signed, computed=tree.root(reached))
            self._recorder.put_tiles(self._edge.full)
            self._edge.full.clear()
            latest = self._recorder.latest_checkpoint()
            self._recorder.put_checkpoint(reached, note, latest.size if latest else None)
            self._stored += 1


def _add(pending: _Pending, entry: Entry, cause: Entry) -> None:
    """Make the rows of one entry, as the writer made them."""
    command = cause.command
    assert command is not None  # noqa: S101 - a cause carries its command
    row = row_of(entry, bytes.fromhex(command.digest))
    pending.entries.append(row)
    if entry is cause:
        pending.commands.append(CommandKey(command.by, command.id, row.command, entry.index))
        sealed: list[dict[str, Any]] = command.document["sealed"]
        pending.disclosures += [
            Disclosure(entry.index, each["name"], each["subject"], LOST) for each in sealed
        ]
    registered = key_row_of(entry)
    if registered is not None:
        pending.keys.append(registered)
