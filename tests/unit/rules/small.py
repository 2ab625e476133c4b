"""A log in memory for tests of the rules: no signatures, no storage, time only by hand.

`Small` is the `View` that the rules read. `act` derives one command and folds what follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from ledger.rules.commands import Command, Signer
from ledger.rules.compose import Context, Draft, Sealing, compose, uuid7
from ledger.rules.derive import derive, policy_in_force
from ledger.rules.entries import Entry, Place, read_entry, write_effect, write_own
from ledger.rules.evolve import evolve
from ledger.rules.kinds import kind_of, registered_key
from ledger.rules.model import LOG_STREAM, Fact
from ledger.rules.opening import vkey
from ledger.rules.state import Log, State, Stream
from ledger.rules.text import format_time, time_us
from ledger.signer import LocalSigner

ORIGIN = "yinzheng.test/small"
START_US = time_us("2026-11-22T09:00:00.000000Z", field="start")
HOUR_US = 3_600_000_000
FOUNDERS = {
    "operator": "root",
    "system": "system",
    "receipt": "receipt",
    "checkpoint": "checkpoint",
}
POLICY: Mapping[str, Any] = {
    "claim_cool_down_s": 3600,
    "currencies": [{"currency": "CNY", "exponent": 2}],
    "key_change_delay_s": 3600,
    "key_cool_down_s": 3600,
    "registration": "approved",
    "v": 1,
}
SIG = "A" * 86 + "=="
Place_ = tuple[str, str] | tuple[str, str, str]


def signer(name: str) -> LocalSigner:
    """The key of this name, the same in every run."""
    return LocalSigner.from_seed(sha256(f"small|{name}".encode()).digest())


def key(name: str) -> dict[str, str]:
    """Its public half, as a body holds it."""
    return signer(name).key()


def key_id(name: str) -> str:
    """Its id."""
    return signer(name).key_id


class Small:
    """One log, from entry 0 on unless told otherwise."""

    def __init__(self, *, opened: bool = True) -> None:
        self.at, self.count = START_US, 0
        self.entries: list[Entry] = []
        self.streams: dict[str, Stream] = {}
        self.keys: dict[str, str] = {}
        self.roots: dict[int, str] = {}
        if opened:
            self.do(self.opening())

    # View

    def stream(self, name: str) -> Stream | None:
        return self.streams.get(name)

    def command_at(self, index: int) -> str | None:
        while self.entries[index].command is None:
            index -= 1
        command = self.entries[index].command
        return command.digest if command else None

    def seen_root(self, size: int) -> str | None:
        return self.roots.get(size)

    def key_holder(self, key_id: str) -> str | None:
        return self.keys.get(key_id)

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        found = self.streams[LOG_STREAM].state
        assert isinstance(found, Log)
        return bool(set(self.keys.values()) - besides - set(found.founders))

    def knows_accounts(self) -> bool:
        return True

    # Commands

    def opening(self, **changes: Any) -> Draft:
        body: dict[str, Any] = {
            "parties": [
                {"key": key(party), "party": party, "role": role}
                for party, role in FOUNDERS.items()
            ],
            "policy": dict(POLICY),
            "receipt_delay_s": 60,
            "vkey": vkey(ORIGIN, signer("checkpoint").public),
        }
        places = [Signer(party, role, key_id(party)) for party, role in FOUNDERS.items()]
        return Draft("open-ledger/1", "operator", places, body | changes)

    def head(self, stream: str) -> str | None:
        found = self.streams.get(stream)
        return found.head.leaf if found else None

    def draft(self, kind: str, *places: Place_, **body: Any) -> Draft:
        """Draft a command that expects and seals what its kind asks for."""
        signers = [
            Signer(place[0], place[1], key_id(place[2] if len(place) > 2 else place[0]))
            for place in places
        ]
        by = signers[0].party
        draft = Draft(kind, by, signers, body)
        bare = compose(self.context(), self.next_id(), draft)
        expect = {name: self.head(name) for name in kind_of(kind).expects(bare)}
        seal = [Sealing(name, by, bytes(32), "a sword") for name in kind_of(kind).sealed]
        return Draft(kind, by, signers, body, expect, seal=seal)

    def context(self, *, log: str = ORIGIN, life_us: int = HOUR_US) -> Context:
        policy = policy_in_force(self)
        return Context(log, policy.digest if policy else None, self.at, self.at + life_us)

    def next_id(self) -> str:
        self.count += 1
        return uuid7(self.at, self.count.to_bytes(10))

    def command(
        self, draft: Draft, *, context: Context | None = None, identifier: str | None = None
    ) -> Command:
        return compose(context or self.context(), identifier or self.next_id(), draft)

    def derive(self, command: Command) -> list[Fact]:
        return derive(command, at=self.at, index=len(self.entries), log=ORIGIN, view=self)

    def do(self, draft: Draft, **how: Any) -> Command:
        """Derive and fold one command a second later."""
        self.at += 1_000_000
        command = self.command(draft, **how)
        self.append(command, self.derive(command))
        return command

    def act(self, kind: str, *places: Place_, **body: Any) -> Command:
        return self.do(self.draft(kind, *places, **body))

    def append(self, command: Command, facts: list[Fact]) -> None:
        for number, fact in enumerate(facts):
            place = self.place(fact.stream)
            if number == 0:
                raw = write_own(
                    place,
                    fact.type,
                    fact.data,
                    command=command.raw,
                    sigs=[SIG] * len(command.signers),
                    effects=len(facts) - 1,
                )
            else:
                own = self.entries[-number]
                raw = write_effect(place, fact.type, fact.data, cause=own.leaf, effect=number)
            entry = read_entry(raw)
            before = self.streams.get(fact.stream)
            self.streams[fact.stream] = evolve(before, entry, command=command.digest)
            self.entries.append(entry)
            registered = registered_key(entry)
            if registered:
                self.keys[registered[0]] = registered[1]

    def place(self, stream: str) -> Place:
        before = self.streams.get(stream)
        seq, prev = (before.head.seq + 1, before.head.leaf) if before else (0, None)
        return Place(ORIGIN, len(self.entries), stream, seq, prev, format_time(self.at))

    def state(self, stream: str) -> State:
        return self.streams[stream].state

    # What most tests need

    def register(self, *parties: str) -> None:
        for party in parties:
            places = [(party, "party"), ("operator", "registrar")]
            body = {"class": "member", "key": key(party), "party": party}
            self.act("register-party/1", *places, **body)

    def grant(self, party: str, role: str, second: str | None = None) -> None:
        places = [("operator", "root"), (party, "grantee")]
        if second is not None:
            places.append((second, "second"))
        self.act("grant-role/1", *places, party=party, role=role)

    def open_namespace(self, namespace: str, owner: str) -> None:
        places = [("operator", "root"), (owner, "owner")]
        self.act("open-namespace/1", *places, namespace=namespace)

    def register_item(self, item: str, owner: str) -> Command:
        body = {"class": "other", "item": item}
        return self.act("register-item/1", (owner, "owner"), **body)

    def transfer(self, item: str, owner: str, to: str) -> Command:
        places = [(owner, "owner"), (to, "recipient")]
        return self.act("transfer-item/1", *places, item=item, price=None)

    def offer(self, item: str, owner: str, to: str, *, life_us: int = HOUR_US) -> Command:
        # `do` moves the clock on by a second before it derives.
        until = format_time(self.at + 1_000_000 + life_us)
        body = {"item": item, "price": None, "to": to, "until": until}
        return self.act("offer-transfer/1", (owner, "owner"), **body)

    def sale(self, item: str, seller: str | None, buyer: str | None, **row: Any) -> Draft:
        body = {
            "from": seller,
            "item": item,
            "ordinal": 0,
            "price": None,
            "source": {"file": "f" * 64, "row": 1},
            "time": "2021-01-02T00:00:00.000000Z",
            "to": buyer,
            "tx": None,
        }
        return self.draft("import-sale/1", ("shop", "importer"), **(body | row))

    def market(self) -> Small:
        """Register a few parties; `shop` owns `cards` and holds `cards/1`, and imports."""
        self.register("shop", "ann", "bob")
        self.grant("shop", "importer", second="ann")
        self.grant("ann", "freezer")
        self.open_namespace("cards", "shop")
        self.register_item("cards/1", "shop")
        return self

    def officers(self) -> Small:
        """Register two officers."""
        self.register("otto", "olga", "eve")
        self.grant("otto", "officer", second="eve")
        self.grant("olga", "officer", second="eve")
        return self
