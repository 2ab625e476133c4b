"""What a log must mean, checked after the read by other code than the rules that decided it.

The rules (`ledger.rules`) are shared between writer and verifier, so a mistake in them would pass
both. These invariants are written apart, over the plain documents:
  keys        every signer's key was registered to its party, once, and is not revoked
  roles       whoever signs in a role that is granted holds it
  owner       an item has one owner; it leaves only its owner's hand, to somebody who signed
  frozen      a frozen item does not move
  escrow      what its owner placed with an agent does not move by the owner's hand
  imports     an import touches only items that nobody signed for, in the importer's namespace
  policy      trade policies follow each other with notice (`ledger.proof.meaning_terms`)
  money       movements of money are as `ledger.proof.meaning_money` says
  shops       merchants and listings are as `ledger.proof.meaning_shops` says
  orders      orders and their payments are as `ledger.proof.meaning_orders` says
With a partial log, what its streams do not show is not judged.

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ledger.proof.errors import Tampered
from ledger.proof.meaning_money import MoneyMeaning
from ledger.proof.meaning_orders import OrdersMeaning
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import key_id
from ledger.rules.entries import Entry
from ledger.rules.text import b64decode

_STEP = "meaning"
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
class _Thing:
    """One item as the invariants see it."""

    owner: str
    namespace: str
    frozen: bool = False
    signed_for: bool = False
    offered_to: str | None = None
    agent: str | None = None


@dataclass(slots=True)
class Meaning:
    """Takes entries that replayed, in order, and checks what they mean together."""

    complete: bool
    holders: dict[str, str] = field(default_factory=dict)
    revoked: set[str] = field(default_factory=set)
    claimed: set[str] = field(default_factory=set)
    roles: set[tuple[str, str]] = field(default_factory=set)
    namespaces: dict[str, str] = field(default_factory=dict)
    items: dict[str, _Thing] = field(default_factory=dict)
    terms: TermsMeaning = field(default_factory=TermsMeaning)
    shops: ShopsMeaning = field(default_factory=ShopsMeaning)
    money: MoneyMeaning = field(init=False)
    orders: OrdersMeaning = field(init=False)

    def __post_init__(self) -> None:
        """Begin with no money anywhere, and nothing ordered."""
        self.money = MoneyMeaning(self.complete)
        self.orders = OrdersMeaning(self.complete, self.shops, self.terms)

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
            self._end()
            self._check_signers(command)
            self._learn_keys(command)
        judge = _JUDGES.get(entry.type)
        if judge is not None:
            judge(self, entry.document, command)

    def finish(self) -> None:
        """Check that nothing is outstanding after the last entry. Raises `Tampered`."""
        self._end()

    def _end(self) -> None:
        self.money.end()
        self.orders.end()

    def _check_signers(self, command: dict[str, Any]) -> None:
        if command["kind"] == "open-ledger/1":
            return
        offered = _brought(command)
        for signer in command["signers"]:
            key, party = signer["key"], signer["party"]
            if key in offered:
                continue
            if self.holders.get(key, None if self.complete else party) != party:
                raise _broken("keys", "a signer's key is not its party's", party, key)
            if key in self.revoked:
                raise _broken("keys", "a signer's key is revoked", party, key)
            role = signer["role"]
            if role in _GRANTED and (party, role) not in self.roles:
                raise _broken("roles", "a signer does not hold its role", party, role)

    def _learn_keys(self, command: dict[str, Any]) -> None:
        for key, party in _brought(command).items():
            if party.startswith("imported/"):
                self.claimed.add(party)
            if key in self.holders:
                raise _broken("keys", "a key was registered twice", self.holders[key], key)
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
            raise _broken("imports", "a namespace was opened twice", self.namespaces[name], name)
        self.namespaces[name] = document["data"]["owner"]

    def _item_registered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        name, owner = document["stream"], document["data"]["owner"]
        if name in self.items:
            raise _broken("owner", "an item was registered twice", self.items[name].owner, owner)
        thing = _Thing(owner, _namespace_of(name), signed_for=True)
        self._check_owns_namespace(thing, _signer(command, "owner"))
        thing.agent = command["body"].get("agent")
        self.items[name] = thing

    def _escrowed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, owner = self.items[document["stream"]], _signer(command, "owner")
        if thing.owner != owner:
            raise _broken("escrow", "another party placed an item", thing.owner, owner)
        if thing.frozen:
            raise _broken("frozen", "a frozen item was placed with an agent", thing.owner, None)
        _check_at_hand(thing)
        thing.agent, thing.offered_to, thing.signed_for = command["body"]["agent"], None, True

    def _taken_back(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, owner = self.items[document["stream"]], _signer(command, "owner")
        if thing.owner != owner:
            raise _broken("escrow", "another party took an item back", thing.owner, owner)
        self.orders.check_free(document["stream"])
        if thing.agent is None:
            raise _broken("escrow", "an item was taken back from nobody", None, thing.owner)
        thing.agent = None

    def _check_owns_namespace(self, thing: _Thing, party: str) -> None:
        default = None if self.complete else party
        owner = self.namespaces.get(thing.namespace, default)
        if owner != party:
            raise _broken("owner", "the namespace is another party's", owner, party)

    def _transferred(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing, data = self.items[document["stream"]], document["data"]
        signers = {signer["party"] for signer in command["signers"]}
        self.orders.check_free(document["stream"])
        _check_hand(thing, data)
        _check_at_hand(thing)
        if data["to"] not in signers:
            raise _broken("owner", "the new owner did not sign", data["to"], sorted(signers))
        if data["from"] not in signers and thing.offered_to != data["to"]:
            raise _broken("owner", "the old owner did not sign", data["from"], sorted(signers))
        thing.owner, thing.offered_to, thing.signed_for = data["to"], None, True

    def _offered(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        self.orders.check_free(document["stream"])
        if thing.owner != _signer(command, "owner"):
            raise _broken("owner", "another party offered", thing.owner, _signer(command, "owner"))
        if thing.frozen:
            raise _broken("frozen", "a frozen item was offered", thing.owner, None)
        _check_at_hand(thing)
        thing.offered_to, thing.signed_for = command["body"]["to"], True

    def _offer_ended(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.items[document["stream"]].offered_to = None

    def _frozen(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        if thing.frozen:
            raise _broken("frozen", "an item was frozen twice", thing.owner, None)
        thing.frozen, thing.offered_to = True, None

    def _unfrozen(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        if not thing.frozen:
            raise _broken("frozen", "an item that was not frozen was unfrozen", thing.owner, None)
        thing.frozen = False

    def _presented(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        fresh = _Thing("unknown", _namespace_of(document["stream"]))
        thing = self.items.setdefault(document["stream"], fresh)
        self._check_owns_namespace(thing, _signer(command, "importer"))
        if thing.signed_for or thing.owner in self.claimed:
            raise _broken("imports", "an import touched a signed item", thing.owner, None)

    def _first_seen(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.items[document["stream"]].owner = document["data"]["owner"]

    def _imported(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        thing = self.items[document["stream"]]
        _check_hand(thing, document["data"])
        thing.owner = document["data"]["to"]

    def _terms(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.terms.take(document, command)

    def _merchant(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.qualify(command, self.namespaces)

    def _unqualified(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.revoke(command)

    def _listing(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.publish(document, command)

    def _listing_ended(self, _document: dict[str, Any], command: dict[str, Any]) -> None:
        self.shops.end(command)

    def _moved(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.check_accounts(document)
        self.money.take(document)

    def _placed(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.orders.place(document, command, self._owner)

    def _owner(self, item: str) -> str | None:
        """Say whose an item is that an agent may sell now."""
        thing = self.items.get(item)
        return thing.owner if thing and thing.agent is not None and not thing.frozen else None

    def _reserved(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.reserve(document)
        self.items[document["stream"]].offered_to = None

    def _freed(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.free(document)

    def _order_expired(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.orders.expire(document)

    def _paid(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        self.orders.pay(document, command)
        self._moved(document, command)

    def _balance(self, document: dict[str, Any], _command: dict[str, Any]) -> None:
        self.money.say(document)


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
    "trade-policy-published/1": Meaning._terms,
    "merchant-qualified/1": Meaning._merchant,
    "qualification-revoked/1": Meaning._unqualified,
    "listing-published/1": Meaning._listing,
    "listing-ended/1": Meaning._listing_ended,
    "balance-topped-up/1": Meaning._moved,
    "balance-paid-out/1": Meaning._moved,
    "balance-changed/1": Meaning._balance,
    "order-placed/1": Meaning._placed,
    "item-reserved/1": Meaning._reserved,
    "item-freed/1": Meaning._freed,
    "order-expired/1": Meaning._order_expired,
    "payment-confirmed/1": Meaning._paid,
}


def _brought(command: dict[str, Any]) -> dict[str, str]:
    """List the keys that a command registers: key id to party."""
    if command["kind"] not in _BRINGS_KEY:
        return {}
    body = command["body"]
    founders = body.get("parties", [body])
    return {_id(founder["key"]): founder["party"] for founder in founders}


def _id(key: dict[str, str]) -> str:
    return key_id(key["alg"], b64decode(key["public"], field="key.public"))


def _signer(command: dict[str, Any], role: str) -> str:
    """Name the party that signs in `role`; the rules demand that one does."""
    return str(next(each["party"] for each in command["signers"] if each["role"] == role))


def _namespace_of(stream: str) -> str:
    return stream.split("/")[1]


def _check_hand(thing: _Thing, data: dict[str, Any]) -> None:
    if thing.frozen:
        raise _broken("frozen", "a frozen item moved", thing.owner, data["to"])
    if data["from"] != thing.owner:
        raise _broken("owner", "an item left another hand", thing.owner, data["from"])


def _check_at_hand(thing: _Thing) -> None:
    if thing.agent is not None:
        raise _broken("escrow", "an item moved that is with an agent", thing.agent, thing.owner)


def _broken(invariant: str, message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        _STEP,
        message,
        field=invariant,
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )
