"""A small ledger for tests: opened with entry 0, its parties and items made by signed commands.

Everything goes through `Ledger.submit`, as in life. Keys, ids and salts come from the seed and the
time from a clock that only the test moves, so that the same calls give the same bytes (but for
`p256` signatures, which are never twice the same).

    with World.create(url, "seed") as world:
        world.register("shop")
        world.register("bob")
        world.open_namespace("cards", "shop")
        world.register_item("cards/1")
        world.transfer("cards/1", to="bob")
        world.publish()

Each of these calls raises the refusal when the ledger refuses. What they compose can be had alone:
`compose` gives a command, `sign` a submission, `send` the bare outcomes of one batch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from ledger.application import Accepted, Ledger, Outcome
from ledger.clock import FixedClock
from ledger.log.extending import KeyTreeSigner
from ledger.log.mark import Mark
from ledger.log.prover import Prover
from ledger.log.publisher import Publisher
from ledger.log.reader import LogReader
from ledger.log.receipts import Issuer
from ledger.record.recorder import LedgerRecorder
from ledger.record.vault import Vault
from ledger.registry import Registry
from ledger.rules.commands import Command, Signer
from ledger.rules.compose import Context, Draft, Sealing, compose, uuid7
from ledger.rules.derive import policy_in_force
from ledger.rules.opening import vkey
from ledger.rules.state import Item, Namespace, Party
from ledger.rules.text import b64encode, format_time, party_stream, time_us
from ledger.signer import LocalSigner
from ledger.signer import Signer as AnyKey
from ledger.submission import SealedValue, Submission
from tests.databases import open_recorder

ORIGIN = "yinzheng.test/world"
START_US = time_us("2026-11-22T09:00:00.000000Z", field="start")
SECOND_US = 1_000_000
FOUNDERS = (
    ("operator", "root"),
    ("system", "system"),
    ("receipt", "receipt"),
    ("checkpoint", "checkpoint"),
)
POLICY: Mapping[str, Any] = {
    "claim_cool_down_s": 3600,
    "currencies": [{"currency": "CNY", "exponent": 2}, {"currency": "ETH", "exponent": 18}],
    "key_change_delay_s": 3600,
    "key_cool_down_s": 3600,
    "registration": "approved",
    "v": 1,
}
Price = Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class NamedDraft(Draft):
    """A draft whose command bears an id that follows from something else."""

    id: str = ""


class World:
    """One ledger with every key in hand."""

    def __init__(
        self,
        recorder: LedgerRecorder,
        vault_dir: Path,
        *,
        seed: str,
        origin: str = ORIGIN,
        process: str = "first",
    ) -> None:
        """Use a migrated database, whether or not it holds entry 0; see `World.create`."""
        self.seed, self.origin, self.process = seed, origin, process
        self.recorder = recorder
        self.clock = FixedClock(START_US)
        self._thrown = 0
        self._ring: dict[str, LocalSigner] = {}
        for name, _ in FOUNDERS:
            self.key(name)
        self.vault = Vault(vault_dir, origin=origin, random=self.dice)
        self.ledger = self.open_ledger()
        self.reader = LogReader(recorder)
        self.prover = Prover(self.reader)
        self.mark = Mark(vault_dir / f"{process}.mark")
        self.mark.begin()
        self.publisher = Publisher(recorder, self.tree_signer(), origin, self.vkey)

    def open_ledger(self, *, registry: Registry | None = None, takes_turns: bool = False) -> Ledger:
        """Open another ledger on the same database, with nothing in memory."""
        return Ledger(
            self.recorder,
            clock=self.clock,
            issue=Issuer(self.key("receipt"), origin=self.origin),
            vault=self.vault,
            origin=self.origin,
            registry=registry,
            takes_turns=takes_turns,
        )

    @classmethod
    @contextmanager
    def create(
        cls,
        url: str,
        seed: str,
        *,
        policy: Mapping[str, Any] = POLICY,
        origin: str = ORIGIN,
    ) -> Iterator[World]:
        """Migrate an empty database and open the ledger in it with entry 0."""
        with cls.join(url, seed, origin=origin) as world:
            world.submit(world.opening(policy))
            yield world

    @classmethod
    @contextmanager
    def join(
        cls, url: str, seed: str, *, process: str = "first", origin: str = ORIGIN
    ) -> Iterator[World]:
        """Open a database as it is: still empty, or as another process beside the first.

        Another process needs another name, or it would throw the same ids.
        """
        with ExitStack() as stack:
            recorder = stack.enter_context(open_recorder(url))
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="yz-vault-"))
            yield cls(recorder, Path(folder), seed=seed, process=process, origin=origin)

    # Keys, dice, time

    def dice(self, size: int) -> bytes:
        """Throw the next `size` bytes, at most 32; the same in every run."""
        self._thrown += 1
        return sha256(f"{self.seed}|{self.process}|{self._thrown}".encode()).digest()[:size]

    def key(self, name: str, *, alg: str = "ed25519") -> LocalSigner:
        """The signer of this name; a party's first key is named like the party."""
        if name not in self._ring:
            secret = sha256(f"{self.seed}|key|{name}".encode()).digest()
            self._ring[name] = (
                LocalSigner.from_seed(secret)
                if alg == "ed25519"
                # One bit less is always below the order of the curve.
                else LocalSigner.p256_from_scalar(int.from_bytes(secret, "big") >> 1)
            )
        return self._ring[name]

    def take_keys(self, other: World) -> None:
        """Hold the keys that another process of this world made, of whatever algorithm."""
        self._ring = other._ring

    def signs(self, party: str, role: str, *, key: str | None = None) -> Signer:
        """A place to sign, for `Draft.signers`."""
        return Signer(party, role, self.key(key or party).key_id)

    def tree_signer(self, mark: Mark | None = None, *, key: AnyKey | None = None) -> KeyTreeSigner:
        """Signs the trees of this log: with the world's own mark, unless another is given."""
        return KeyTreeSigner(
            key or self.key("checkpoint"),
            origin=self.origin,
            vkey=self.vkey,
            mark=mark or self.mark,
        )

    @property
    def vkey(self) -> str:
        """The checkpoint key, as a verifier is given it."""
        return vkey(self.origin, self.key("checkpoint").public)

    # State

    def head(self, stream: str) -> str | None:
        """Leaf of the last entry of a stream, or None."""
        found = self.ledger.stream(stream)
        return None if found is None else found.head.leaf

    def item(self, item: str) -> Item:
        """State of an item `NS/ID` that exists."""
        found = self.ledger.stream(f"item/{item}")
        assert found is not None, item
        assert isinstance(found.state, Item), item
        return found.state

    def party(self, party: str) -> Party:
        """State of a party that exists."""
        found = self.ledger.stream(party_stream(party))
        assert found is not None, party
        assert isinstance(found.state, Party), party
        return found.state

    def owner_of(self, namespace: str) -> str:
        """Who opened a namespace."""
        found = self.ledger.stream(f"namespace/{namespace}")
        assert found is not None, namespace
        assert isinstance(found.state, Namespace), namespace
        return found.state.owner

    def size(self) -> int:
        """Size of the log."""
        return self.recorder.head().size

    # From a draft to an outcome

    def context(self, *, not_after: int | None = None) -> Context:
        """What a composer knows now."""
        policy = policy_in_force(self.ledger)  # type: ignore[arg-type] # it asks for streams only
        return Context(self.origin, policy.digest if policy else None, self.clock.now(), not_after)

    def compose(self, draft: Draft, *, context: Context | None = None) -> Command:
        """Write a draft as a command with an id of its own, or the one that it names."""
        where = context or self.context()
        named = draft.id if isinstance(draft, NamedDraft) else uuid7(where.at, self.dice(10))
        return compose(where, named, draft)

    def sign(
        self, command: Command, *signers: LocalSigner, seal: tuple[Sealing, ...] = ()
    ) -> Submission:
        """Sign a command: by `signers` in order, or by the keys that it names."""
        if not signers:
            ring = {signer.key_id: signer for signer in self._ring.values()}
            signers = tuple(ring[signer.key] for signer in command.signers)
        opened = [each.disclosure() for each in sorted(seal, key=lambda sealing: sealing.name)]
        return Submission(
            command.raw,
            tuple(b64encode(signer.sign(command.message)) for signer in signers),
            tuple(SealedValue(**disclosure) for disclosure in opened),
        )

    def submission(self, draft: Draft, *signers: LocalSigner) -> Submission:
        """Compose and sign a draft without sending it."""
        return self.sign(self.compose(draft), *signers, seal=tuple(draft.seal))

    def send(self, *submissions: Submission) -> list[Outcome]:
        """Submit one batch, a second after the last one; refusals are returned."""
        self.clock.advance(SECOND_US)
        return self.ledger.submit(submissions)

    def submit(self, draft: Draft, *signers: LocalSigner) -> Accepted:
        """Compose, sign and submit one command; a refusal is raised."""
        (outcome,) = self.send(self.submission(draft, *signers))
        if not isinstance(outcome, Accepted):
            raise outcome
        return outcome

    def publish(self) -> bytes | None:
        """Sign and publish a checkpoint over all entries; None when nothing is new."""
        return self.publisher.publish()

    # Drafts of the common commands, and what submits them

    def opening(self, policy: Mapping[str, Any] = POLICY) -> Draft:
        """Draft entry 0."""
        parties = [
            {"key": self.key(name).key(), "party": name, "role": role} for name, role in FOUNDERS
        ]
        body = {
            "parties": parties,
            "policy": dict(policy),
            "receipt_delay_s": 60,
            "vkey": self.vkey,
        }
        places = [self.signs(name, role) for name, role in FOUNDERS]
        return Draft("open-ledger/1", "operator", places, body)

    def register(self, party: str, *, alg: str = "ed25519", kind: str = "member") -> Accepted:
        """Register a party with its first key, approved by the operator."""
        body = {"class": kind, "key": self.key(party, alg=alg).key(), "party": party}
        places = [self.signs(party, "party"), self.signs("operator", "registrar")]
        return self.submit(Draft("register-party/1", party, places, body))

    def add_key(self, party: str, name: str, *, alg: str = "ed25519") -> Accepted:
        """Give a party another key, `name`; it cools down first."""
        body = {"key": self.key(name, alg=alg).key(), "party": party}
        places = [self.signs(party, "party"), self.signs(party, "new", key=name)]
        stream = party_stream(party)
        expect = {stream: self.head(stream)}
        return self.submit(Draft("add-key/1", party, places, body, expect))

    def revoke_key(self, party: str, name: str, *, by: str | None = None) -> Accepted:
        """Revoke the key `name`: at once by itself, or after a delay by another key, `by`."""
        body = {"key": self.key(name).key_id, "party": party}
        stream = party_stream(party)
        expect = {stream: self.head(stream)}
        places = [self.signs(party, "party", key=by or name)]
        return self.submit(Draft("revoke-key/1", party, places, body, expect))

    def grant(self, party: str, role: str, *, second: str | None = None) -> Accepted:
        """Grant a role; one that moves property needs `second` as soon as there is somebody."""
        places = [self.signs("operator", "root"), self.signs(party, "grantee")]
        if second is not None:
            places.append(self.signs(second, "second"))
        body = {"party": party, "role": role}
        return self.submit(Draft("grant-role/1", "operator", places, body))

    def open_namespace(self, namespace: str, owner: str) -> Accepted:
        """Give a party a namespace."""
        stream = f"namespace/{namespace}"
        places = [self.signs("operator", "root"), self.signs(owner, "owner")]
        expect = {stream: self.head(stream)}
        body = {"namespace": namespace}
        return self.submit(Draft("open-namespace/1", "operator", places, body, expect))

    def publish_policy(self, **changes: Any) -> Accepted:
        """Put a new ledger policy in force: the present one with these changes."""
        policy = policy_in_force(self.ledger)  # type: ignore[arg-type] # it asks for streams only
        assert policy is not None
        body = {"policy": {**policy.document, **changes}, "replaces": policy.digest}
        return self.submit(
            Draft("publish-policy/1", "operator", [self.signs("operator", "root")], body)
        )

    def item_draft(
        self, item: str, *, kind: str = "virtual-equipment", name: str = "sword"
    ) -> Draft:
        """Draft the registration of an item by the owner of its namespace, its name sealed."""
        owner = self.owner_of(item.partition("/")[0])
        seal = [Sealing("name", owner, self.dice(32), name)]
        body = {"class": kind, "item": item}
        places = [self.signs(owner, "owner")]
        return Draft("register-item/1", owner, places, body, seal=seal)

    def register_item(
        self, item: str, *, kind: str = "virtual-equipment", name: str = "sword"
    ) -> Accepted:
        """Register an item by the owner of its namespace, its name sealed."""
        return self.submit(self.item_draft(item, kind=kind, name=name))

    def transfer_draft(self, item: str, *, to: str, price: Price = None) -> Draft:
        """Draft a transfer from the present owner."""
        owner = self.item(item).owner
        places = [self.signs(owner, "owner"), self.signs(to, "recipient")]
        return self._item_draft("transfer-item/1", item, places, price=price)

    def transfer(self, item: str, *, to: str, price: Price = None) -> Accepted:
        """Transfer an item from its present owner, signed by both."""
        return self.submit(self.transfer_draft(item, to=to, price=price))

    def offer(
        self, item: str, *, to: str, price: Price = None, life_us: int = 3600 * SECOND_US
    ) -> Accepted:
        """Offer an item; the offer ends after `life_us`."""
        until = format_time(self.clock.now() + life_us)
        places = [self.signs(self.item(item).owner, "owner")]
        return self.submit(
            self._item_draft("offer-transfer/1", item, places, price=price, to=to, until=until)
        )

    def accept(self, item: str) -> Accepted:
        """Accept the offer that stands."""
        return self._answer("accept-transfer/1", item, "recipient")

    def refuse(self, item: str) -> Accepted:
        """Refuse the offer that stands."""
        return self._answer("refuse-offer/1", item, "recipient")

    def withdraw(self, item: str) -> Accepted:
        """Withdraw the offer that stands."""
        return self._answer("withdraw-offer/1", item, "owner")

    def freeze(self, item: str, *, by: str, ground: str = "in-dispute") -> Accepted:
        """Freeze an item by a party that holds `freezer`, the reason sealed."""
        return self.submit(self._freezer_draft("freeze-item/1", item, by, ground))

    def unfreeze(self, item: str, *, by: str, ground: str = "dispute-ended") -> Accepted:
        """Unfreeze an item by a party that holds `freezer`, the reason sealed."""
        return self.submit(self._freezer_draft("unfreeze-item/1", item, by, ground))

    def import_draft(
        self, item: str, *, seller: str | None, buyer: str | None, **row: Any
    ) -> Draft:
        """Draft the import of a sale by the owner of the namespace.

        `row` overrides any of: price, time, tx, ordinal, source.
        """
        body = {
            "from": seller,
            "item": item,
            "ordinal": 0,
            "price": None,
            "source": {"file": sha256(b"sales.csv").hexdigest(), "row": 1},
            "time": "2021-01-01T00:00:00.000000Z",
            "to": buyer,
            "tx": None,
            **row,
        }
        importer = self.owner_of(item.partition("/")[0])
        stream = f"item/{item}"
        expect = {stream: self.head(stream)}
        places = [self.signs(importer, "importer")]
        return Draft("import-sale/1", importer, places, body, expect)

    def import_sale(
        self, item: str, *, seller: str | None, buyer: str | None, **row: Any
    ) -> Accepted:
        """Import a sale; its importer owns the namespace and holds `importer`."""
        return self.submit(self.import_draft(item, seller=seller, buyer=buyer, **row))

    def _answer(self, kind: str, item: str, role: str) -> Accepted:
        state = self.item(item)
        assert state.offer is not None, item
        party = state.offer.to if role == "recipient" else state.owner
        places = [self.signs(party, role)]
        return self.submit(self._item_draft(kind, item, places, offer=state.offer.digest))

    def _item_draft(self, kind: str, item: str, places: list[Signer], **body: Any) -> Draft:
        stream = f"item/{item}"
        expect = {stream: self.head(stream)}
        prices = {name: dict(body[name]) for name in ("price",) if body.get(name)}
        return Draft(kind, places[0].party, places, {"item": item, **body, **prices}, expect)

    def _freezer_draft(self, kind: str, item: str, by: str, ground: str) -> Draft:
        seal = [Sealing("reason", by, self.dice(32), "see the case")]
        body = {"ground": ground, "item": item}
        return Draft(kind, by, [self.signs(by, "freezer")], body, seal=seal)
