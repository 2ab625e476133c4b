"""What a log must mean, checked after the read by other code than the rules that decided it.

The rules (`ledger.rules`) are shared between writer and verifier, so a mistake in them would pass
both. These invariants are written apart, over the plain documents:
  place       an entry that carries a command stands on the stream that its body names
  keys        every signer's key was registered to its party, once, and is not revoked
  roles       whoever signs in a role that is granted holds it
  owner       an item has one owner; it leaves only its owner's hand, to somebody who signed
  frozen      a frozen item does not move
  escrow      what its owner placed with an agent does not move by the owner's hand
  imports     an import touches only items that nobody signed for, in the importer's namespace
What it must mean of trade is in `ledger.proof.meaning_trade`. With a partial log, what its streams
do not show is not judged.

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ledger.proof.meaning_trade import TRADE_JUDGES, Thing, TradeMeaning, broken, check_hand
from ledger.rules.digests import key_id
from ledger.rules.entries import Entry
from ledger.rules.text import b64decode

_GRANTED = frozenset(
    {
        "arbitrator",
        "cashier",
        "checkpoint",
        "freezer",
        "importer",
        "officer",
        "receipt",
        "registrar",
        "reviewer",
        "root",
        "system",
    }
)
_BRINGS_KEY = frozenset(
    {
        "add-key/1",
        "claim-imported-party/1",
        "open-ledger/1",
        "recover-party/1",
        "register-party/1",
    }
)


@dataclass(slots=True)
class Meaning(TradeMeaning):
    """Takes entries that replayed, in order, and checks what they mean together."""

    holders: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    roles: set[tuple[str, str]] = field(default_factory=set)

    def take(self, entry: Entry, cause: Entry) -> None:
        """Check one entry and remember what it changed.

        Args:
            entry: The entry.
            cause: The entry that carries its command; itself, unless it is an effect.

        Raises:
            Tampered: An invariant breaks; `field` names it.

        """
        command = cause.document["command"]
        if entry is cause:
            self.end()
            _check_place(entry.document["stream"], command["body"])
            self._check_signers(command)
            self._learn_keys(command)
        judge = _JUDGES.get(entry.type)
        if judge is not None:
            judge(self, entry.document, command)

    def finish(self) -> None:
        """Check that nothing is outstanding after the last entry. Raises `Tampered`."""
        self.end()

    def _check_signers(self, command: dict[str, Any]) -> None:
        if command["kind"] == "open-ledger/1":
            return
        offered = _brought(command)
        for signer in command["signers"]:
            key, party = signer["key"], signer["party"]
            if key in offered:
                continue
            if self.holders.get(key, None if self.complete else party) != party:
                raise broken("keys", "a signer's key is not its party's", party, key)
            if key in self.revoked:
                raise broken("keys", "a signer's key is revoked", party, key)
            role = signer["role"]
            if role in _GRANTED and (party, role) not in self.roles:
                raise broken("roles", "a signer does not hold its role", party, role)

    def _learn_keys(self, command: dict[str, Any]) -> None:
        for key, party in _brought(command).items():
            if party.startswith("imported/"):
                self.claimed.add(party)
            if key in self.holders:
                raise broken("keys", "a key was registered twice", self.holders[key], key)
            self.holders[key] = party

    def _party_opened(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        data = document["data"]
        self.roles.update((data["party"], role) for role in data["roles"])

    def _key_revoked(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.revoked.add(command["body"]["key"])

    def _key_completed(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.revoked.update(document["data"]["revoked"])

    def _granted(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.roles.add((command["body"]["party"], command["body"]["role"]))

    def _withdrawn(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.roles.discard((command["body"]["party"], command["body"]["role"]))

    def _namespace(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        name = document["stream"].removeprefix("namespace/")
        if name in self.namespaces:
            raise broken("imports", "a namespace was opened twice", self.namespaces[name], name)
        self.namespaces[name] = document["data"]["owner"]

    def _item_registered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        name, owner = document["stream"], document["data"]["owner"]
        if name in self.items:
            raise broken("owner", "an item was registered twice", self.items[name].owner, owner)
        thing = Thing(owner, _namespace_of(name), signed_for=True)
        self._check_owns_namespace(thing, _signer(command, "owner"))
        thing.agent, thing.is_card = command["body"].get("agent"), "card" in command["body"]
        if thing.is_card:
            thing.goods = _goods(command)
        self.items[name] = thing

    def _escrowed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, owner = self.items[document["stream"]], _signer(command, "owner")
        if thing.owner != owner:
            raise broken("escrow", "another party placed an item", thing.owner, owner)
        if thing.frozen:
            raise broken("frozen", "a frozen item was placed with an agent", thing.owner, None)
        _check_at_hand(thing)
        if thing.is_card and thing.sold_by is not None:
            raise broken("cards", "a card was placed to be sold again", None, thing.sold_by)
        thing.goods = thing.goods or _goods(command)
        if thing.goods != _goods(command):
            raise broken("escrow", "an item was placed as another", thing.goods, _goods(command))
        thing.agent, thing.offered_to, thing.signed_for = command["body"]["agent"], None, True

    def _taken_back(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, owner = self.items[document["stream"]], _signer(command, "owner")
        if thing.owner != owner:
            raise broken("escrow", "another party took an item back", thing.owner, owner)
        self.orders.check_free(document["stream"])
        if thing.agent is None:
            raise broken("escrow", "an item was taken back from nobody", None, thing.owner)
        thing.agent = None

    def _check_owns_namespace(self, thing: Thing, party: str) -> None:
        default = None if self.complete else party
        owner = self.namespaces.get(thing.namespace, default)
        if owner != party:
            raise broken("owner", "the namespace is another party's", owner, party)

    def _transferred(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, data = self.items[document["stream"]], document["data"]
        signers = {signer["party"] for signer in command["signers"]}
        self.orders.check_free(document["stream"])
        check_hand(thing, data)
        _check_at_hand(thing)
        if data["to"] not in signers:
            raise broken("owner", "the new owner did not sign", data["to"], sorted(signers))
        if data["from"] not in signers and thing.offered_to != data["to"]:
            raise broken("owner", "the old owner did not sign", data["from"], sorted(signers))
        thing.owner, thing.offered_to, thing.signed_for = data["to"], None, True

    def _offered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        self.orders.check_free(document["stream"])
        if thing.owner != _signer(command, "owner"):
            raise broken("owner", "another party offered", thing.owner, _signer(command, "owner"))
        if thing.frozen:
            raise broken("frozen", "a frozen item was offered", thing.owner, None)
        _check_at_hand(thing)
        thing.offered_to, thing.signed_for = command["body"]["to"], True

    def _offer_ended(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.items[document["stream"]].offered_to = None

    def _frozen(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        if thing.frozen:
            raise broken("frozen", "an item was frozen twice", thing.owner, None)
        thing.frozen, thing.offered_to = True, None

    def _unfrozen(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        if not thing.frozen:
            raise broken("frozen", "an item that was not frozen was unfrozen", thing.owner, None)
        thing.frozen = False

    def _presented(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        fresh = Thing("unknown", _namespace_of(document["stream"]))
        thing = self.items.setdefault(document["stream"], fresh)
        self._check_owns_namespace(thing, _signer(command, "importer"))
        if thing.signed_for or thing.owner in self.claimed:
            raise broken("imports", "an import touched a signed item", thing.owner, None)

    def _first_seen(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.items[document["stream"]].owner = document["data"]["owner"]

    def _imported(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        check_hand(thing, document["data"])
        thing.owner = document["data"]["to"]


_Judge = Callable[[Meaning, dict[str, Any], dict[str, Any]], None]
_JUDGES: dict[str, _Judge] = {
    "party-opened/1": Meaning._party_opened,
    "key-revoked/1": Meaning._key_revoked,
    "key-change-completed/1": Meaning._key_completed,
    "role-granted/1": Meaning._granted,
    "role-withdrawn/1": Meaning._withdrawn,
    "namespace-opened/1": Meaning._namespace,
    "item-registered/1": Meaning._item_registered,
    "card-registered/1": Meaning._item_registered,
    "item-escrowed/1": Meaning._escrowed,
    "item-withdrawn/1": Meaning._taken_back,
    "item-transferred/1": Meaning._transferred,
    "transfer-offered/1": Meaning._offered,
    "offer-ended/1": Meaning._offer_ended,
    "item-frozen/1": Meaning._frozen,
    "item-unfrozen/1": Meaning._unfrozen,
    "sale-presented/1": Meaning._presented,
    "item-first-seen/1": Meaning._first_seen,
    "provenance-gap-recorded/1": Meaning._imported,
    "sale-imported/1": Meaning._imported,
    **TRADE_JUDGES,
}


def _brought(command: dict[str, Any]) -> dict[str, str]:
    """List the keys that a command registers: key id to party."""
    if command["kind"] not in _BRINGS_KEY:
        return {}
    body = command["body"]
    founders = body.get("parties", [body])
    return {_id(founder["key"]): founder["party"] for founder in founders}


def _check_place(stream: str, body: dict[str, Any]) -> None:
    """Check that a stream `item/NS/ID` is that of the body's `item`, and so of every family."""
    family, _, name = stream.partition("/")
    named = body.get(family)
    if isinstance(named, str) and named != name:
        raise broken("place", "a command stands on another stream than it names", named, name)


def _goods(command: dict[str, Any]) -> tuple[str, str]:
    """Read as what an item may be sold: its class and product."""
    return command["body"]["class"], command["body"]["product"]


def _id(key: dict[str, str]) -> str:
    return key_id(key["alg"], b64decode(key["public"], field="key.public"))


def _signer(command: dict[str, Any], role: str) -> str:
    """Name the party that signs in `role`; the rules demand that one does."""
    return str(next(each["party"] for each in command["signers"] if each["role"] == role))


def _namespace_of(stream: str) -> str:
    return stream.split("/")[1]


def _check_at_hand(thing: Thing) -> None:
    if thing.agent is not None:
        raise broken("escrow", "an item moved that is with an agent", thing.agent, thing.owner)
