"""What must hold after every step, judged from JSON and hashlib alone.

The judge sees each commit, each signature, each checkpoint shown and each answer, and compares it
with what it has seen before. It knows nothing of the code under test.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ledger.record.facts import SealedEntry
from tests.simulation.oracle import canonical, tagged, us


class Violation(BaseException):
    """Something that must never happen did; `rule` names what was broken.

    No `Exception`: the product answers those, and this one nobody may swallow.
    """

    def __init__(self, rule: str, evidence: str) -> None:
        super().__init__(f"{rule}: {evidence}")
        self.rule = rule


def hold(condition: object, rule: str, evidence: object) -> None:
    """Raise `Violation` unless the condition holds."""
    if not condition:
        raise Violation(rule, str(evidence))


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass
class Recorded:
    """A command in the log."""

    index: int
    at: int


@dataclass(frozen=True)
class Moment:
    """A state of the log: its size, and which primary had it."""

    size: int
    failovers: int


@dataclass
class Judge:
    """Everything that was seen, and the rules over it."""

    checks: Counter[str] = field(default_factory=Counter)
    leaves: list[bytes] = field(default_factory=list)
    roots: list[bytes] = field(default_factory=lambda: [hashlib.sha256(b"").digest()])
    peaks: list[tuple[int, bytes]] = field(default_factory=list)
    at: int = 0
    recorded: dict[str, Recorded] = field(default_factory=dict)
    streams: dict[str, tuple[int, str]] = field(default_factory=dict)  # count, last leaf
    # For each stream: (size of the log from which on, digest of the command that wrote its head).
    heads: dict[str, list[tuple[int, str | None]]] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    offers: dict[str, tuple[str, str]] = field(default_factory=dict)
    cause: str | None = None
    acknowledged: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    signed: dict[int, bytes] = field(default_factory=dict)
    shown: int = 0
    # From here on nothing may be signed: a disaster, and the smallest size that it forbids.
    forbidden_from: int | None = None
    rolled_back: bool = False
    built_on_damage: bool = False
    # How often a standby took over: sizes from before say nothing afterwards.
    failovers: int = 0

    def now(self) -> Moment:
        """The present state of the log, to judge answers by later."""
        return Moment(len(self.leaves), self.failovers)

    def began(self, moment: Moment) -> int:
        """The size of the log at a moment; 0 if what was there then may be gone."""
        return moment.size if moment.failovers == self.failovers else 0

    # Commits

    def committed(self, rows: list[SealedEntry]) -> None:
        """Take the rows of one commit, in the order in which they became durable."""
        hold(not self.rolled_back, "written to an old copy", len(self.leaves))
        for row in rows:
            self.checks["entry"] += 1
            hold(row.index == len(self.leaves), "gapless", f"{row.index} after {len(self.leaves)}")
            leaf = hashlib.sha256(b"\0" + row.entry).digest()
            hold(leaf == row.leaf, "leaf", row.index)
            self.leaves.append(leaf)
            self._grow(leaf)
            self._entry(row, json.loads(row.entry), leaf.hex())

    def _grow(self, leaf: bytes) -> None:
        height, found = 0, leaf
        while self.peaks and self.peaks[-1][0] == height:
            found = node(self.peaks.pop()[1], found)
            height += 1
        self.peaks.append((height, found))
        root = self.peaks[-1][1]
        for _, peak in self.peaks[-2::-1]:
            root = node(peak, root)
        self.roots.append(root)

    def _entry(self, row: SealedEntry, entry: dict[str, Any], leaf: str) -> None:
        place = (entry["index"], entry["stream"], entry["seq"], entry["type"])
        hold(place == (row.index, row.stream, row.seq, row.type), "columns", place)
        count, last = self.streams.get(row.stream, (0, None))
        hold(row.seq == count, "stream order", f"{row.stream} {row.seq} after {count}")
        if entry["prev"] != last:
            # What a damaged row told a writer can only be found by who reads the bytes again.
            hold(self.forbidden_from is not None, "stream link", f"{row.stream} {row.seq}")
            self.built_on_damage = True
        self.streams[row.stream] = (count + 1, leaf)
        at = us(entry["at"])
        hold(at >= self.at, "time", f"{at} after {self.at}")
        self.at = at
        if "command" in entry:
            self._command(row, entry, entry["command"], at)
        hold(row.command.hex() == self.cause, "cause", row.index)
        self.heads.setdefault(row.stream, [(0, None)]).append((row.index + 1, self.cause))

    def _command(self, row: SealedEntry, entry: dict[str, Any], command: Any, at: int) -> None:
        digest = self.cause = tagged("command", canonical(command))
        hold(digest not in self.recorded, "exactly once", f"{digest} at {row.index} again")
        self.recorded[digest] = Recorded(row.index, at)
        hold(at <= us(command["not_after"]), "expiry", row.index)
        for expected in command["expect"]:
            if "after" in expected:
                found = self.heads.get(expected["stream"], [(0, None)])[-1][1]
                hold(found == expected["after"], "expectation", row.index)
        if row.stream.startswith("item/"):
            self._item(row, entry, command, digest)

    def _item(self, row: SealedEntry, entry: dict[str, Any], command: Any, digest: str) -> None:
        data, body = entry["data"], command["body"]
        signers = {one["role"]: one["party"] for one in command["signers"]}
        if row.type == "item-registered/1":
            hold(row.stream not in self.owners, "one owner", row.index)
            self.owners[row.stream] = signers["owner"]
        elif row.type == "transfer-offered/1":
            hold(self.owners[row.stream] == signers["owner"], "ownership", row.index)
            self.offers[row.stream] = (digest, body["to"])
        elif row.type == "offer-ended/1":
            hold(self.offers.pop(row.stream)[0] == body["offer"], "offer", row.index)
        elif row.type == "item-transferred/1":
            giver = signers.get("owner", self.owners[row.stream])
            if "owner" not in signers:
                hold(self.offers[row.stream] == (body["offer"], data["to"]), "offer", row.index)
            self.offers.pop(row.stream, None)
            hold(giver == self.owners[row.stream] == data["from"], "ownership", row.index)
            hold(signers["recipient"] == data["to"], "recipient", row.index)
            self.owners[row.stream] = data["to"]

    # Answers

    def accepted(self, digest: str, outcome: Any, moment: Moment) -> None:
        """Judge a receipt at the moment when it is given out."""
        self.checks["receipt"] += 1
        found = self.recorded.get(digest)
        hold(found is not None, "acknowledged before durable", digest)
        assert found is not None
        hold(found.index == outcome.index, "receipt index", f"{outcome.index} for {found.index}")
        leaf = self.leaves[found.index]
        hold(outcome.leaf == leaf == outcome.receipt.leaf, "receipt leaf", found.index)
        new = found.index >= self.began(moment)
        hold(outcome.again or new, "said to be new", found.index)
        statement = outcome.receipt.statement
        place, count = found.index - statement["from"], statement["count"]
        hold(0 <= place < count, "receipt range", found.index)
        root = path_root(leaf, place, count, outcome.receipt.path)
        hold(root.hex() == statement["root"], "receipt path", found.index)
        self.acknowledged[digest] = (found.index, leaf)

    def refused(self, ware: Any, refusal: Exception, *, moment: Moment, clock: int) -> None:
        """Judge a refusal: it must have been right at some time since `moment`.

        Args:
            ware: The command.
            refusal: The answer.
            moment: When the command came.
            clock: The latest time that the node's clock showed since then.

        """
        self.checks["refusal"] += 1
        found, began = self.recorded.get(ware.digest), self.began(moment)
        hold(
            found is None or found.index >= began,
            "refused though recorded",
            f"{ware.digest} {refusal!r}",
        )
        code = getattr(refusal, "code", "")
        if self.forbidden_from is None and moment.failovers == self.failovers:
            hold(self._rightly(code, ware, began, clock), "refused wrongly", repr(refusal))

    def _rightly(self, code: str, ware: Any, began: int, clock: int) -> bool:
        command = ware.command
        if code == "stale-expectation":
            return any(
                self._other_head(one["stream"], one["after"], began)
                for one in command.document["expect"]
            )
        if code == "expired":
            return max(clock, self.at) > command.not_after
        if code == "already-appended":
            target = canonical(command.body["command"])
            return tagged("command", target) in self.recorded
        if code == "command-cancelled":
            party = f"party/{command.signers[0].party}"
            return len(self.heads[party]) > 1
        return code in {"key-not-stored", "item-exists"}

    def _other_head(self, stream: str, expected: str, began: int) -> bool:
        """Say whether the stream had another head than expected at some size since `began`."""
        heads = self.heads.get(stream, [(0, None)])
        for place, (_, digest) in enumerate(heads):
            until = heads[place + 1][0] if place + 1 < len(heads) else len(self.leaves) + 1
            if until > began and digest != expected:
                return True
        return False

    # Signatures and checkpoints

    def signature(self, size: int, root: bytes, mark: bytes | None) -> None:
        """Judge a signature as it is made; `mark` is what a power cut would leave of the mark."""
        self.checks["signature"] += 1
        forbidden = self.forbidden_from
        hold(forbidden is None or size < forbidden, "signed after a disaster", size)
        hold(size < len(self.roots), "signed what is not there", size)
        hold(self.signed.setdefault(size, root) == root, "two roots for one size", size)
        hold(root == self.roots[size], "signed another tree", size)
        marked, _, named = (mark or b"-1 \n").partition(b"\n")[0].decode().partition(" ")
        hold(int(marked) >= size, "signed before the mark", f"{size}, mark {mark!r}")
        hold(int(marked) > size or named == root.hex(), "another mark", size)

    def show(self, note: bytes) -> None:
        """Judge a checkpoint that a publisher gave out."""
        self.checks["checkpoint"] += 1
        size, root = read_note(note)
        hold(self.signed.get(size) == root, "shown but not signed", size)
        hold(root == self.roots[size], "shown another tree", size)
        self.shown = max(self.shown, size)

    def stored(self, checkpoints: list[tuple[int | None, int, bytes]]) -> None:
        """Judge the stored checkpoints: each follows the one before it, and is of this log."""
        self.checks["line"] += 1
        last: int | None = None
        for previous, size, note in checkpoints:
            hold(previous == last, "one line of checkpoints", f"{size} after {previous}")
            hold(read_note(note) == (size, self.roots[size]), "stored checkpoint", size)
            last = size
        hold(self.rolled_back or (last or 0) >= self.shown, "shown but not kept", self.shown)

    def durable(self, entries: list[SealedEntry], commands: dict[str, int]) -> None:
        """Judge at the end: whatever was acknowledged is where its receipt says."""
        for digest, (index, leaf) in self.acknowledged.items():
            self.checks["durable"] += 1
            hold(commands.get(digest) == index, "acknowledged and lost", f"{digest} at {index}")
            hold(entries[index].leaf == leaf, "acknowledged and changed", index)

    def roll_back(self, entries: list[SealedEntry]) -> None:
        """Follow a database that became an old copy of itself: nothing may be signed any more."""
        fresh = Judge(checks=self.checks, signed=self.signed, shown=self.shown)
        fresh.committed(entries)
        self.__dict__.update(fresh.__dict__)
        self.rolled_back, self.forbidden_from = True, 0

    def fail_over(self, entries: list[SealedEntry]) -> int:
        """Follow a database to its standby, which lacks nothing that anybody was promised."""
        self.checks["failover"] += 1
        size, lost = len(entries), len(self.leaves) - len(entries)
        for digest, (index, _) in self.acknowledged.items():
            hold(index < size, "acknowledged and not replicated", f"{digest} at {index} of {size}")
        hold(max(self.signed) <= size, "signed and not replicated", f"{max(self.signed)} of {size}")
        fresh = Judge(
            checks=self.checks,
            signed=self.signed,
            shown=self.shown,
            acknowledged=self.acknowledged,
            failovers=self.failovers + 1,
        )
        fresh.committed(entries)
        self.__dict__.update(fresh.__dict__)
        return lost


def path_root(leaf: bytes, index: int, size: int, path: tuple[bytes, ...]) -> bytes:
    """Fold an inclusion path; RFC 9162, section 2.1.3.2."""
    at, last, root = index, size - 1, leaf
    for sibling in path:
        if at % 2 or at == last:
            root = node(sibling, root)
            while at % 2 == 0 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node(root, sibling)
        at, last = at >> 1, last >> 1
    return root


def read_note(note: bytes) -> tuple[int, bytes]:
    """Read size and root of a checkpoint."""
    _, size, root = note.decode().split("\n")[:3]
    return int(size), base64.b64decode(root, validate=True)
