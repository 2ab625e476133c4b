"""A batch being decided: the state before each command, and the entries sealed so far.

A draft is a copy of the tip that is thrown away when the commit fails; what it holds is adopted
only after the commit. It is the `View` that the rules read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.note import split_note
from ledger.record.errors import HeadMoved
from ledger.record.facts import (
    Batch,
    CommandKey,
    Disclosure,
    HeadRow,
    KeyRow,
    ParcelRow,
    SealedEntry,
)
from ledger.record.recorder import LedgerRecorder
from ledger.record.stored import key_row_of, read_stored, row_of
from ledger.rules.commands import Command
from ledger.rules.derive import founders
from ledger.rules.entries import Entry, Place, Sealing, sealed_effect, sealed_own
from ledger.rules.evolve import evolve
from ledger.rules.items import item_stream
from ledger.rules.kinds import KINDS
from ledger.rules.model import Fact
from ledger.rules.state import Stream
from ledger.rules.text import format_time, party_stream

STREAMS_KEPT = 50_000
_CAUGHT_UP_MAX = 900


class Tip:
    """What the writer knows of the last commit: head, time, and recently used streams."""

    def __init__(self, recorder: LedgerRecorder) -> None:
        self._recorder = recorder
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        # Streams that do not exist: most commands ask for one, and looking costs a read each.
        self._absent: set[str] = set()
        self._stale = True
        self.head = HeadRow(0, None, 0)
        self.at = 0
        self._refresh()

    def forget(self) -> None:
        """Forget everything: after any error, or another writer's commit, the only way on.

        The head is read again when it is asked for next, since the database may be away now.
        """
        self._stale = True
        self._streams.clear()
        self._absent.clear()

    def catch_up(self) -> None:
        """Forget no more than what other writers changed, where their entries follow upon ours.

        Raises:
            DatabaseUnavailable: The head cannot be read.

        """
        head = self._recorder.head()
        if self._stale or head == self.head:
            return
        known, added = self.head.size, head.size - self.head.size
        if known == 0 or not 0 <= added <= _CAUGHT_UP_MAX or head.epoch != self.head.epoch:
            self.forget()
            return
        mine, *others = self._recorder.entries(known - 1, head.size)
        if mine.leaf != self.head.leaf or not others:
            self.forget()
            return
        for entry in others:
            self._streams.pop(entry.stream, None)
            self._absent.discard(entry.stream)
        self.head, self.at = head, read_stored(others[-1]).at

    def draft(self) -> Draft:
        """Begin a batch on the head of the log.

        Raises:
            DatabaseUnavailable: The head had to be read again and cannot be.

        """
        self._refresh()
        return Draft(self, self._recorder, self.head, self.at)

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream as last committed, or None."""
        self._refresh()
        if name in self._absent:
            return None
        found = self._streams.get(name)
        if found is None:
            # Not by eventsourcing's repository: its events bring no hash to hold the bytes against.
            found = _fold(self._recorder.entries_of_streams([name])).get(name)
        if found is not None:
            self._keep(name, found)
            return found
        self._miss(name)
        return None

    def read_ahead(self, names: Collection[str]) -> None:
        """Read those of the streams that are not at hand, all at once."""
        missing = self.missing(names)
        if missing:
            self.learn(missing, self._recorder.entries_of_streams(missing))

    def missing(self, names: Collection[str]) -> list[str]:
        """Return those of the streams that are not at hand."""
        self._refresh()
        return [name for name in names if name not in self._streams and name not in self._absent]

    def learn(self, missing: Collection[str], rows: Iterable[SealedEntry]) -> None:
        """Take in what was read of streams that were not at hand; without rows they are absent."""
        found = _fold(rows)
        for name in missing:
            if name in found:
                self._keep(name, found[name])
            else:
                self._miss(name)

    def adopt(self, draft: Draft) -> None:
        """Take over what a draft decided, after its commit."""
        self._absent.difference_update(draft.changed)
        for name, stream in draft.changed.items():
            self._keep(name, stream)
        last = draft.entries[-1]
        self.head = HeadRow(draft.size, bytes.fromhex(last.leaf), self.head.epoch)
        self.at = last.at

    def _refresh(self) -> None:
        if self._stale:
            head = self._recorder.head()
            last = self._recorder.entry_at(head.size - 1) if head.size else None
            self.head, self.at = head, read_stored(last).at if last else 0
            self._stale = False

    def _miss(self, name: str) -> None:
        if len(self._absent) >= STREAMS_KEPT:
            self._absent.clear()
        self._absent.add(name)

    def _keep(self, name: str, stream: Stream) -> None:
        self._streams[name] = stream
        self._streams.move_to_end(name)
        if len(self._streams) > STREAMS_KEPT:
            self._streams.popitem(last=False)


@dataclass(slots=True)
class Draft:
    """The tip plus the commands of this batch that were accepted so far."""

    tip: Tip
    recorder: LedgerRecorder
    head: HeadRow
    at: int
    entries: list[Entry] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    changed: dict[str, Stream] = field(default_factory=dict)
    commands: dict[tuple[str, str], CommandKey] = field(default_factory=dict)
    keys: dict[str, KeyRow] = field(default_factory=dict)
    disclosures: list[Disclosure] = field(default_factory=list)
    parcels: list[ParcelRow] = field(default_factory=list)
    _read: dict[str, Stream | None] = field(default_factory=dict)
    _recorded: dict[tuple[str, str], CommandKey] = field(default_factory=dict)
    _looked_up: set[tuple[str, str]] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Size of the log with this draft."""
        return self.head.size + len(self.entries)

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream, or None."""
        found = self.changed.get(name)
        if found is not None:
            return found
        try:
            return self._read[name]
        except KeyError:
            found = self._read[name] = self.tip.stream(name)
            return found

    def command_at(self, index: int) -> str | None:
        """Return the digest of the command that wrote the entry at `index`."""
        if index >= self.head.size:
            return self.digests[index - self.head.size]
        found = self.recorder.entry_at(index)
        return found.command.hex() if found else None

    def seen_root(self, size: int) -> str | None:
        """Return the root that was published for `size`, or None."""
        published = self.recorder.checkpoint_at(size)
        if published is None:
            return None
        return parse_checkpoint(split_note(published.note)[0]).root.hex()

    def key_holder(self, key_id: str) -> str | None:
        """Return the party that registered this key."""
        found = self.keys.get(key_id) or self.recorder.find_key(bytes.fromhex(key_id))
        return found.party if found else None

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        """Say whether a party exists that entry 0 does not name and that is not in `besides`."""
        known = besides.union(founders(self))
        if any(row.party not in known for row in self.keys.values()):
            return True
        return self.recorder.other_party_exists(known)

    def knows_accounts(self) -> bool:
        """Return true: a writer has the whole log."""
        return True

    def find_command(self, by: str, identifier: str) -> CommandKey | None:
        """Return the command recorded, in this batch or before, under a party and id."""
        name = (by, identifier)
        found = self.commands.get(name) or self._recorded.get(name)
        if found is None and name not in self._looked_up:
            found = self.recorder.find_command(by, identifier)
        return found

    def look_up(self, commands: Sequence[Command]) -> None:
        """Read what these commands will ask for, in one transaction and not in one each.

        Raises:
            HeadMoved: Another writer recorded one of them after this draft's head was read.

        """
        self._looked_up = {(command.by, command.id) for command in commands}
        asked: set[str] = set()
        for command in commands:
            _ask_for(command, asked)
        missing = self.tip.missing(asked)
        recorded, rows = self.recorder.look_up(self._looked_up, missing)
        if any(found.index >= self.head.size for found in recorded):
            raise HeadMoved(expected=self.head, found=self.recorder.head())
        self._recorded = {(found.by, found.id): found for found in recorded}
        self.tip.learn(missing, rows)

    def seal(self, command: Command, sigs: Sequence[str], facts: Sequence[Fact], at: int) -> Entry:
        """Append a command's entries to the draft.

        Args:
            command: The command, verified.
            sigs: Its signatures, base64, in the order of `signers`.
            facts: What derive made of it.
            at: Time of the entries, microseconds since the epoch.

        Returns:
            The entry that carries the command.

        """
        first = self._sealing(facts[0], log=command.log, at=at)
        own = sealed_own(first, command, at=at, sigs=sigs, effects=len(facts) - 1)
        self._append(own, command.digest)
        key = CommandKey(command.by, command.id, bytes.fromhex(command.digest), own.index)
        self.commands[(command.by, command.id)] = key
        for number, fact in enumerate(facts[1:], start=1):
            sealing = self._sealing(fact, log=command.log, at=at)
            self._append(
                sealed_effect(sealing, at=at, cause=own.leaf, effect=number), command.digest
            )
        return own

    def batch(self) -> Batch:
        """Return everything that the append transaction writes."""
        return Batch(
            size=self.head.size,
            leaf=self.head.leaf,
            epoch=self.head.epoch,
            entries=tuple(
                row_of(entry, digest)
                for entry, digest in zip(self.entries, self.digests, strict=True)
            ),
            commands=tuple(self.commands.values()),
            disclosures=tuple(self.disclosures),
            keys=tuple(self.keys.values()),
            parcels=tuple(self.parcels),
        )

    def _sealing(self, fact: Fact, *, log: str, at: int) -> Sealing:
        before = self.stream(fact.stream)
        seq, prev = (0, None) if before is None else (before.head.seq + 1, before.head.leaf)
        place = Place(log, self.size, fact.stream, seq, prev, format_time(at))
        return Sealing(place, fact.type, fact.data)

    def _append(self, entry: Entry, digest: str) -> None:
        self.changed[entry.stream] = evolve(self.stream(entry.stream), entry, command=digest)
        self.entries.append(entry)
        self.at = entry.at
        self.digests.append(digest)
        registered = key_row_of(entry)
        if registered is not None:
            self.keys[registered.id.hex()] = registered


def _ask_for(command: Command, asked: set[str]) -> None:
    """Add the streams that deciding a command will surely, or most probably, ask for."""
    for entry in command.document["expect"]:
        asked.add(entry["stream"])
    for signer in command.signers:
        asked.add(party_stream(signer.party))
    item = command.body.get("item")
    if isinstance(item, str):
        asked.add(item_stream(item))
    kind = KINDS.get(command.kind)
    # Only of a body that was accepted already: nothing else has surely the fields that are read.
    if kind is not None and command.matched:
        asked.update(kind.reads(command))


def _fold(rows: Iterable[SealedEntry]) -> dict[str, Stream]:
    """Fold stored entries, each stream's in order, into the streams that they belong to."""
    found: dict[str, Stream] = {}
    for row in rows:
        found[row.stream] = evolve(found.get(row.stream), read_stored(row), command=None)
    return found
