"""A batch being decided: the state before each command, and the entries sealed so far.

A draft is a copy of the tip that is thrown away when the commit fails; what it holds is adopted
only after the commit. It is the `View` that the rules read.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Sequence
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
from ledger.rules.entries import Place, sealed_effect, sealed_own
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
        self.head = HeadRow(draft.size, draft.rows[-1].leaf, self.head.epoch)
        self.at = draft.at

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


GetStream = Callable[[str], Stream | None]


class _Known(dict[str, Stream | None]):
    """Streams by name: as this batch changed them, else as they were read before it."""

    def __init__(self, read: GetStream) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, name: str) -> Stream | None:
        found = self[name] = self._read(name)
        return found


@dataclass(slots=True)
class Draft:
    """The tip plus the commands of this batch that were accepted so far."""

    tip: Tip
    recorder: LedgerRecorder
    head: HeadRow
    at: int
    rows: list[SealedEntry] = field(default_factory=list)
    changed: dict[str, Stream] = field(default_factory=dict)
    commands: dict[tuple[str, str], CommandKey] = field(default_factory=dict)
    keys: dict[str, KeyRow] = field(default_factory=dict)
    disclosures: list[Disclosure] = field(default_factory=list)
    parcels: list[ParcelRow] = field(default_factory=list)
    stream: GetStream = field(init=False)
    """Return head and state of a stream, or None."""
    _known: _Known = field(init=False)
    _recorded: dict[tuple[str, str], CommandKey] = field(default_factory=dict)
    _looked_up: set[tuple[str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Know of each stream what the tip knows, until this batch changes it."""
        self._known = _Known(self.tip.stream)
        # Asked for a dozen times a command: the look-up of a dictionary, with nothing around it.
        self.stream = self._known.__getitem__

    @property
    def size(self) -> int:
        """Size of the log with this draft."""
        return self.head.size + len(self.rows)

    def command_at(self, index: int) -> str | None:
        """Return the digest of the command that wrote the entry at `index`."""
        if index >= self.head.size:
            return self.rows[index - self.head.size].command.hex()
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

    def seal(
        self, command: Command, sigs: Sequence[str], facts: Sequence[Fact], at: int
    ) -> SealedEntry:
        """Append a command's entries to the draft.

        Args:
            command: The command, verified.
            sigs: Its signatures, base64, in the order of `signers`.
            facts: What derive made of it.
            at: Time of the entries, microseconds since the epoch.

        Returns:
            The row of the entry that carries the command.

        """
        digest, written = bytes.fromhex(command.digest), format_time(at)
        first, effects, cause = self.size, len(facts) - 1, ""
        for number, (stream, type_, data) in enumerate(facts):
            before = self.stream(stream)
            seq, prev = (0, None) if before is None else (before.head.seq + 1, before.head.leaf)
            place = Place(command.log, first + number, stream, seq, prev, written)
            if number == 0:
                entry = sealed_own(place, type_, data, command, at=at, sigs=sigs, effects=effects)
                cause = entry.leaf
            else:
                entry = sealed_effect(place, type_, data, at=at, cause=cause, effect=number)
            after = evolve(before, entry, command=command.digest)
            self.changed[stream] = self._known[stream] = after
            self.rows.append(row_of(entry, digest))
            registered = key_row_of(entry)
            if registered is not None:
                self.keys[registered.id.hex()] = registered
        self.at = at
        own = self.rows[-len(facts)]
        name = command.by, command.id
        self.commands[name] = CommandKey(*name, digest, own.index)
        return own

    def batch(self) -> Batch:
        """Return everything that the append transaction writes."""
        return Batch(
            size=self.head.size,
            leaf=self.head.leaf,
            epoch=self.head.epoch,
            entries=tuple(self.rows),
            commands=tuple(self.commands.values()),
            disclosures=tuple(self.disclosures),
            keys=tuple(self.keys.values()),
            parcels=tuple(self.parcels),
        )


def _ask_for(command: Command, asked: set[str]) -> None:
    """Add the streams that deciding a command will surely, or most probably, ask for."""
    asked.update([entry["stream"] for entry in command.document["expect"]])
    asked.update([party_stream(signer.party) for signer in command.signers])
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
