"""The golden log in memory, and ways to continue it with entries that are sealed but asked no rule.

The keys are those of the story (`tests.golden_story`), made of its seed again; no database is
needed. `Log` gives the log's files, and each part of them can be exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.proof.checkpoint import Checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.note import sign_note
from ledger.proof.sources import TileSource
from ledger.proof.tiles import bundles_of, decode_bundle, encode_bundle, encode_tile, tiles_of
from ledger.proof.tree import MemoryTree
from ledger.rules.commands import Command, Signer
from ledger.rules.compose import Context, Draft, Sealing, compose, uuid7
from ledger.rules.digests import policy_digest, sale_identity
from ledger.rules.entries import Entry, Place, read_entry, write_effect, write_own
from ledger.rules.text import b64encode, format_time
from ledger.signer import LocalSigner
from tests.golden_story import SEED

GOLDEN = Path(__file__).parents[2] / "golden"
VKEY = (GOLDEN / "log" / "vkey").read_text(encoding="ascii").strip()
ORIGIN = VKEY.partition("+")[0]
SIZE = 57
ENTRIES = decode_bundle(
    (GOLDEN / "log" / "tile" / "entries" / "000.p" / "57").read_bytes(), width=SIZE
)
READ = [read_entry(raw) for raw in ENTRIES]
LEAVES = [leaf_hash(raw) for raw in ENTRIES]
NOTES = {size: (GOLDEN / "log" / "checkpoints" / str(size)).read_bytes() for size in (31, 57)}
PROOF = (GOLDEN / "relic.tlog-proof").read_bytes()
AT = READ[-1].at + 1_000_000
_FIRST = READ[0].command
assert _FIRST is not None
_LAST = READ[55].command
assert _LAST is not None
POLICY_0, POLICY = policy_digest(_FIRST.body["policy"]), policy_digest(_LAST.body["policy"])


def key(name: str) -> LocalSigner:
    """The story's signer of this name."""
    secret = sha256(f"{SEED}|key|{name}".encode()).digest()
    if name == "bob":
        return LocalSigner.p256_from_scalar(int.from_bytes(secret, "big") >> 1)
    return LocalSigner.from_seed(secret)


def places(*signers: tuple[str, str] | tuple[str, str, str]) -> list[Signer]:
    """Places to sign, of (party, role) or (party, role, name of the key)."""
    return [
        Signer(each[0], each[1], key(each[-1] if each[2:] else each[0]).key_id) for each in signers
    ]


def sealed(name: str, subject: str) -> list[Sealing]:
    return [Sealing(name, subject, bytes(32), "x")]


def sign(command: Command, *names: str) -> tuple[str, ...]:
    return tuple(b64encode(key(name).sign(command.message)) for name in names)


class Story:
    """Entries so far, and the next ones."""

    def __init__(self, entries: Sequence[bytes] = ENTRIES, *, at: int = AT) -> None:
        self.entries, self.at = list(entries), at
        self.heads: dict[str, Entry] = {e.stream: e for e in map(read_entry, entries)}
        self._commands = 0

    def leaf(self, stream: str) -> str | None:
        head = self.heads.get(stream)
        return None if head is None else head.leaf

    def compose(self, draft: Draft, **context: Any) -> Command:
        self._commands += 1
        where = replace(Context(ORIGIN, POLICY, self.at), **context)
        return compose(where, uuid7(self.at, self._commands.to_bytes(10, "big")), draft)

    def place(self, stream: str) -> Place:
        head = self.heads.get(stream)
        seq, prev = (0, None) if head is None else (head.seq + 1, head.leaf)
        return Place(ORIGIN, len(self.entries), stream, seq, prev, format_time(self.at))

    def own(
        self,
        command: Command,
        sigs: Sequence[str],
        fact: tuple[str, str, dict[str, Any]],
        *,
        effects: int = 0,
    ) -> Entry:
        stream, type_, data = fact
        where = self.place(stream)
        made = write_own(where, type_, data, command=command.raw, sigs=list(sigs), effects=effects)
        return self.add(made)

    def effect(self, cause: Entry, number: int, fact: tuple[str, str, dict[str, Any]]) -> Entry:
        stream, type_, data = fact
        where = self.place(stream)
        return self.add(write_effect(where, type_, data, cause=cause.leaf, effect=number))

    def add(self, raw: bytes) -> Entry:
        entry = read_entry(raw)
        self.entries.append(raw)
        self.heads[entry.stream] = entry
        return entry

    def register(self, party: str, *, sigs: Sequence[str] | None = None, **context: Any) -> Entry:
        """An honest registration, which anybody may send since entry 55."""
        body = {"class": "member", "key": key(party).key(), "party": party}
        draft = Draft("register-party/1", party, places((party, "party")), body)
        command = self.compose(draft, **context)
        fact = (f"party/{party}", "party-registered/1", {})
        return self.own(command, sign(command, party) if sigs is None else sigs, fact)

    def transfer(self, **changes: Any) -> Command:
        """An honest transfer of the relic from anna to carl, or nearly so."""
        stream = "item/old/relic"
        draft = Draft(
            "transfer-item/1",
            "anna",
            places(("anna", "owner", "anna-phone"), ("carl", "recipient")),
            {"item": "old/relic", "price": None},
            {stream: self.leaf(stream)},
        )
        return self.compose(replace(draft, **changes))

    def transferred(self, **changes: Any) -> Entry:
        command = self.transfer(**changes)
        return self.own(command, sign(command, "anna-phone", "carl"), MOVED)

    def importing(self) -> list[Entry]:
        """An honest import: a row presented, first seen and sold."""
        stream = "item/old/new"
        body = {
            "from": "a",
            "item": "old/new",
            "ordinal": 0,
            "price": None,
            "source": {"file": "0" * 64, "row": 1},
            "time": "2021-01-01T00:00:00.000000Z",
            "to": "b",
            "tx": None,
        }
        shop = places(("shop", "importer"))
        command = self.compose(Draft("import-sale/1", "shop", shop, body, {stream: None}))
        row = {"from": "a", "item": "new", "price": None, "time": body["time"], "to": "b"}
        identity = sale_identity("old", row, tx=None, ordinal=0)
        presented = (stream, "sale-presented/1", {"identity": identity})
        own = self.own(command, sign(command, "shop"), presented, effects=2)
        a, b = "imported/old/a", "imported/old/b"
        seen = self.effect(own, 1, (stream, "item-first-seen/1", {"owner": a}))
        sold = self.effect(own, 2, (stream, "sale-imported/1", {"from": a, "to": b}))
        return [own, seen, sold]


MOVED = ("item/old/relic", "item-transferred/1", {"from": "anna", "to": "carl"})


def note(entries: Sequence[bytes], *, size: int | None = None, root: bytes | None = None) -> bytes:
    """A checkpoint over entries, signed by the log."""
    tree = MemoryTree([leaf_hash(raw) for raw in entries])
    made = Checkpoint(ORIGIN, len(tree) if size is None else size, root or tree.root())
    signer = key("checkpoint")
    return sign_note(made.text, name=ORIGIN, public=signer.public, sign=signer.sign)


def files(entries: Sequence[bytes] = ENTRIES) -> dict[str, bytes]:
    """The files of a published log, by path."""
    tree = MemoryTree([leaf_hash(raw) for raw in entries])
    made = {"checkpoint": note(entries)}
    for bundle in bundles_of(len(entries)):
        start = bundle.number * 256
        made[bundle.path] = encode_bundle(entries[start : start + bundle.width])
    for tile in tiles_of(len(entries)):
        level, start = 8 * (tile.level or 0), tile.number * 256
        hashes = [tree.node(level, start + place) for place in range(tile.width)]
        made[tile.path] = encode_tile(hashes)
    return made


def source(entries: Sequence[bytes] = ENTRIES, **changed: bytes | None) -> TileSource:
    """A log in memory; `changed` replaces files, `None` takes one away. `/` is written `__`."""
    made: dict[str, bytes | None] = {**files(entries)}
    made |= {name.replace("__", "/"): data for name, data in changed.items()}
    return TileSource(made.get)


def told(error: VerificationError) -> dict[str, Any]:
    """Everything that an error says, with its class."""
    return {"is": type(error).__name__, "message": error.message, **error.fault()}
