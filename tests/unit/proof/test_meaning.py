"""The invariants over plain documents: what each accepts, and what it says when it breaks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning import Meaning
from ledger.proof.meaning_escrow import Line
from ledger.rules.digests import key_id
from ledger.rules.entries import Entry
from ledger.rules.text import b64encode
from tests.unit.proof.story import ENTRIES, READ, told

ITEM = "item/cards/1"


def public(name: str) -> dict[str, str]:
    """A key whose bytes are its name: nothing here verifies a signature."""
    return {"alg": "ed25519", "public": b64encode(name.encode())}


def ident(name: str) -> str:
    return key_id("ed25519", name.encode())


def entry(
    type_: str,
    stream: str,
    data: dict[str, Any],
    *,
    kind: str = "any/1",
    signers: list[tuple[str, str]] | None = None,
    **body: Any,
) -> Entry:
    """An own entry; each signer is (party, role) or (party, role:key), its first key by default."""
    named = [(party, *role.split(":")) for party, role in signers or []]
    command = {
        "body": body,
        "kind": kind,
        "signers": [
            {"key": ident(key[0] if key else party), "party": party, "role": role}
            for party, role, *key in named
        ],
    }
    document = {"command": command, "data": data, "stream": stream}
    return cast("Entry", SimpleNamespace(type=type_, document=document))


def take(meaning: Meaning, *entries: Entry) -> None:
    for each in entries:
        meaning.take(each, each)


def broken(meaning: Meaning, *entries: Entry) -> tuple[str, str | None, Any, Any]:
    """Take entries; the last one breaks an invariant."""
    take(meaning, *entries[:-1])
    with pytest.raises(Tampered) as caught:
        take(meaning, entries[-1])
    error = told(caught.value)
    assert error["step"] == "meaning"
    return error["message"], error["field"], error["expected"], error["found"]


def effect(meaning: Meaning, cause: Entry, type_: str, stream: str, data: dict[str, Any]) -> None:
    meaning.take(
        cast("Entry", SimpleNamespace(type=type_, document={"data": data, "stream": stream})), cause
    )


# Entries that most histories begin with


def opening() -> Entry:
    founders = [
        {"key": public(name), "party": name, "role": role}
        for name, role in [("operator", "root"), ("system", "system")]
    ]
    signers = [("operator", "root"), ("system", "system")]
    return entry(
        "ledger-opened/1", "log", {}, kind="open-ledger/1", signers=signers, parties=founders
    )


def opened(meaning: Meaning) -> None:
    """Open the log, with its operator and system."""
    first = opening()
    take(meaning, first)
    for party, roles in {"operator": ["registrar", "root"], "system": ["system"]}.items():
        data = {"key": public(party), "party": party, "roles": roles}
        effect(meaning, first, "party-opened/1", f"party/{party}", data)


def registered(party: str, *, key: str | None = None) -> Entry:
    return entry(
        "party-registered/1",
        f"party/{party}",
        {},
        kind="register-party/1",
        signers=[(party, f"party:{key or party}"), ("operator", "registrar")],
        key=public(key or party),
        party=party,
    )


def namespace(owner: str, name: str = "cards") -> Entry:
    signers = [("operator", "root"), (owner, "owner")]
    return entry("namespace-opened/1", f"namespace/{name}", {"owner": owner}, signers=signers)


def item(owner: str, stream: str = ITEM) -> Entry:
    return entry("item-registered/1", stream, {"owner": owner}, signers=[(owner, "owner")])


def moved(owner: str, to: str, *signers: tuple[str, str]) -> Entry:
    given = list(signers) or [(owner, "owner"), (to, "recipient")]
    return entry("item-transferred/1", ITEM, {"from": owner, "to": to}, signers=given)


def offered(owner: str, to: str) -> Entry:
    data = {"from": owner}
    return entry("transfer-offered/1", ITEM, data, signers=[(owner, "owner")], to=to)


def ended(party: str) -> Entry:
    return entry("offer-ended/1", ITEM, {}, signers=[(party, "recipient")])


def frozen(by: str = "guard") -> Entry:
    return entry("item-frozen/1", ITEM, {}, signers=[(by, "freezer")])


def unfrozen(by: str = "guard") -> Entry:
    return entry("item-unfrozen/1", ITEM, {}, signers=[(by, "freezer")])


def granted(party: str, role: str) -> Entry:
    return entry(
        "role-granted/1",
        f"party/{party}",
        {},
        signers=[("operator", "root"), (party, "grantee")],
        party=party,
        role=role,
    )


def withdrawn(party: str, role: str) -> Entry:
    signers = [("operator", "root")]
    stream = f"party/{party}"
    return entry("role-withdrawn/1", stream, {}, signers=signers, party=party, role=role)


def presented(by: str = "shop", stream: str = ITEM) -> Entry:
    return entry("sale-presented/1", stream, {}, signers=[(by, "importer")])


@pytest.fixture
def market() -> Meaning:
    """The shop with its namespace and one item, bob, eve, and a guard who may freeze."""
    meaning = Meaning(complete=True)
    opened(meaning)
    take(meaning, *(registered(party) for party in ("shop", "bob", "eve", "guard")))
    take(meaning, granted("guard", "freezer"), granted("shop", "importer"))
    take(meaning, namespace("shop"), item("shop"))
    return meaning


# The golden log


def test_the_golden_log_keeps_every_invariant() -> None:
    meaning, own = Meaning(complete=True), dict[str, Entry]()
    for each in READ:
        own[each.leaf] = each
        meaning.take(each, own[each.cause] if each.cause else each)

    assert len(meaning.holders) == ENTRIES_THAT_BRING_KEYS
    assert meaning.claimed == {"imported/old/e"}
    assert meaning.namespaces == {"cards": "shop", "old": "shop"}
    assert {name: thing.owner for name, thing in meaning.items.items()} == {
        "item/cards/1": "anna",
        "item/cards/2": "bob",
        "item/old/relic": "anna",
    }
    assert len(meaning.revoked) == 2
    assert meaning.roles == {
        ("checkpoint", "checkpoint"),
        ("fred", "freezer"),
        ("olga", "officer"),
        ("operator", "registrar"),
        ("operator", "root"),
        ("otto", "officer"),
        ("receipt", "receipt"),
        ("shop", "importer"),
        ("system", "system"),
    }


ENTRIES_THAT_BRING_KEYS = sum(b'"public":' in raw and b'"command":' in raw for raw in ENTRIES) + 3


# Keys


def test_a_party_signs_with_its_own_key(market: Meaning) -> None:
    take(market, moved("shop", "bob"))

    assert market.items[ITEM].owner == "bob"


def test_a_key_of_another_party_is_not_its_party_s(market: Meaning) -> None:
    forged = moved("shop", "bob", ("shop", "owner:eve"), ("bob", "recipient"))
    message = "a signer's key is not its party's"

    assert broken(market, forged) == (message, "keys", "shop", ident("eve"))


def test_a_key_that_nobody_registered_is_not_its_party_s(market: Meaning) -> None:
    forged = moved("shop", "bob", ("shop", "owner"), ("bob", "recipient:none"))
    message = "a signer's key is not its party's"

    assert broken(market, forged) == (message, "keys", "bob", ident("none"))


def test_a_part_does_not_judge_a_key_that_it_does_not_hold() -> None:
    meaning = Meaning(complete=False)
    take(meaning, item("shop"), moved("shop", "bob"))

    assert meaning.items[ITEM].owner == "bob"


def test_a_part_judges_a_key_that_it_holds() -> None:
    meaning = Meaning(complete=False)
    meaning.roles.add(("operator", "registrar"))
    forged = moved("shop", "bob", ("shop", "owner:eve"), ("bob", "recipient"))
    message = "a signer's key is not its party's"

    assert broken(meaning, registered("eve"), item("shop"), forged)[:2] == (message, "keys")


def test_a_revoked_key_signs_no_more(market: Meaning) -> None:
    key = ident("bob")
    revoke = entry("key-revoked/1", "party/bob", {}, signers=[("bob", "party")], key=key)
    message = "a signer's key is revoked"

    assert broken(market, revoke, moved("shop", "bob")) == (message, "keys", "bob", key)


def test_keys_revoked_by_a_completed_change_sign_no_more(market: Meaning) -> None:
    data = {"added": None, "revoked": [ident("guard"), ident("bob")]}
    complete = entry("key-change-completed/1", "party/bob", data, signers=[("system", "system")])
    take(market, complete)

    assert market.revoked == {ident("guard"), ident("bob")}
    assert broken(market, moved("shop", "bob"))[0] == "a signer's key is revoked"


@pytest.mark.parametrize("kind", ["register-party/1", "add-key/1", "recover-party/1"])
def test_a_key_is_registered_once(market: Meaning, kind: str) -> None:
    again = entry(
        "any/1",
        "party/bob",
        {},
        kind=kind,
        signers=[("bob", "new:eve")],
        key=public("eve"),
        party="bob",
    )
    message = "a key was registered twice"

    assert broken(market, again) == (message, "keys", "eve", ident("eve"))


def test_entry_0_registers_every_key_in_it() -> None:
    meaning = Meaning(complete=True)
    opened(meaning)

    assert meaning.holders == {ident("operator"): "operator", ident("system"): "system"}
    message = "a key was registered twice"
    assert broken(meaning, opening())[:3] == (message, "keys", "operator")


def test_a_key_signs_the_entry_that_registers_it(market: Meaning) -> None:
    take(market, registered("new"))

    assert market.holders[ident("new")] == "new"


def test_a_kind_that_brings_no_key_registers_none(market: Meaning) -> None:
    known = dict(market.holders)
    forged = entry("any/1", "x", {}, kind="revoke-key/1", key=public("new"), party="bob")
    take(market, forged)

    assert market.holders == known


# Roles


@pytest.mark.parametrize("party", ["operator", "guard"])
def test_a_role_that_is_held_may_sign(market: Meaning, party: str) -> None:
    role = {"operator": "root", "guard": "freezer"}[party]
    take(market, entry("any/1", "x", {}, signers=[(party, role)]))


@pytest.mark.parametrize(
    "role",
    [
        "arbitrator",
        "checkpoint",
        "freezer",
        "importer",
        "officer",
        "receipt",
        "registrar",
        "root",
        "system",
    ],
)
def test_a_role_that_is_not_held_may_not_sign(market: Meaning, role: str) -> None:
    forged = entry("any/1", "x", {}, signers=[("eve", role)])
    message = "a signer does not hold its role"

    assert broken(market, forged) == (message, "roles", "eve", role)


def test_whoever_signs_behind_a_newcomer_is_judged_too(market: Meaning) -> None:
    forged = entry(
        "any/1",
        "party/new",
        {},
        kind="register-party/1",
        signers=[("new", "party:new"), ("eve", "registrar")],
        key=public("new"),
        party="new",
    )
    message = "a signer does not hold its role"

    assert broken(market, forged) == (message, "roles", "eve", "registrar")


@pytest.mark.parametrize("role", ["owner", "recipient", "party", "grantee", "second", "signer"])
def test_a_place_that_is_no_role_is_nobody_s(market: Meaning, role: str) -> None:
    take(market, entry("any/1", "x", {}, signers=[("eve", role)]))


def test_a_role_is_lost_when_it_is_withdrawn(market: Meaning) -> None:
    message = "a signer does not hold its role"

    assert broken(market, withdrawn("guard", "freezer"), frozen())[:2] == (message, "roles")


def test_a_withdrawal_takes_one_role_of_one_party(market: Meaning) -> None:
    take(market, granted("eve", "freezer"), granted("guard", "officer"))
    take(market, withdrawn("eve", "freezer"), withdrawn("guard", "officer"), frozen())

    assert market.items[ITEM].frozen


def test_a_role_may_be_withdrawn_that_nobody_holds(market: Meaning) -> None:
    take(market, withdrawn("eve", "freezer"))

    assert ("eve", "freezer") not in market.roles


# Namespaces and owners


def test_a_namespace_is_opened_once(market: Meaning) -> None:
    message = "a namespace was opened twice"

    assert broken(market, namespace("bob")) == (message, "imports", "shop", "cards")


def test_an_item_is_registered_once(market: Meaning) -> None:
    take(market, moved("shop", "bob"))
    message = "an item was registered twice"

    assert broken(market, item("shop")) == (message, "owner", "bob", "shop")


def test_an_item_is_registered_by_the_owner_of_its_namespace(market: Meaning) -> None:
    message = "the namespace is another party's"

    assert broken(market, item("bob", "item/cards/2")) == (message, "owner", "shop", "bob")
    assert "item/cards/2" not in market.items


def test_an_item_is_registered_in_a_namespace_that_is_open(market: Meaning) -> None:
    message = "the namespace is another party's"

    assert broken(market, item("bob", "item/none/2")) == (message, "owner", None, "bob")


def test_a_part_does_not_judge_a_namespace_that_it_does_not_hold() -> None:
    meaning = Meaning(complete=False)
    take(meaning, item("shop"))

    assert meaning.items[ITEM].owner == "shop"


def test_an_item_leaves_only_its_owner_s_hand(market: Meaning) -> None:
    message = "an item left another hand"

    assert broken(market, moved("bob", "eve")) == (message, "owner", "shop", "bob")


def test_the_new_owner_signs(market: Meaning) -> None:
    forged = moved("shop", "bob", ("shop", "owner"), ("eve", "recipient"))
    message = "the new owner did not sign"

    assert broken(market, forged) == (message, "owner", "bob", "['eve', 'shop']")


def test_the_old_owner_signs_or_has_offered(market: Meaning) -> None:
    forged = moved("shop", "bob", ("bob", "recipient"))
    message = "the old owner did not sign"

    assert broken(market, forged) == (message, "owner", "shop", "['bob']")


def test_an_item_moves_from_hand_to_hand(market: Meaning) -> None:
    take(market, moved("shop", "bob"), moved("bob", "eve"), moved("eve", "shop"))

    assert market.items[ITEM].owner == "shop"


# Offers


def test_an_offer_is_taken_by_whom_it_was_made_to(market: Meaning) -> None:
    take(market, offered("shop", "bob"), moved("shop", "bob", ("bob", "recipient")))

    assert (market.items[ITEM].owner, market.items[ITEM].offered_to) == ("bob", None)


def test_an_offer_is_not_taken_by_another(market: Meaning) -> None:
    forged = moved("shop", "eve", ("eve", "recipient"))
    message = "the old owner did not sign"

    assert broken(market, offered("shop", "bob"), forged)[0] == message


def test_only_the_owner_offers(market: Meaning) -> None:
    assert broken(market, offered("bob", "eve")) == (
        "another party offered",
        "owner",
        "shop",
        "bob",
    )


@pytest.mark.parametrize(
    "end",
    [[ended("bob")], [moved("shop", "eve"), moved("eve", "shop")], [frozen(), unfrozen()]],
    ids=["refused", "moved", "frozen"],
)
def test_an_offer_that_ended_is_not_taken(market: Meaning, end: list[Entry]) -> None:
    taking = moved("shop", "bob", ("bob", "recipient"))

    assert broken(market, offered("shop", "bob"), *end, taking)[0] == "the old owner did not sign"


def test_a_later_offer_replaces_an_earlier_one(market: Meaning) -> None:
    taking = moved("shop", "bob", ("bob", "recipient"))

    found = broken(market, offered("shop", "bob"), offered("shop", "eve"), taking)
    assert found[0] == "the old owner did not sign"


# Freezes


def test_a_frozen_item_does_not_move(market: Meaning) -> None:
    message = "a frozen item moved"

    assert broken(market, frozen(), moved("shop", "bob")) == (message, "frozen", "shop", "bob")


def test_a_frozen_item_is_not_offered(market: Meaning) -> None:
    message = "a frozen item was offered"

    assert broken(market, frozen(), offered("shop", "bob")) == (message, "frozen", "shop", None)


def test_an_item_is_frozen_once(market: Meaning) -> None:
    message = "an item was frozen twice"

    assert broken(market, frozen(), frozen()) == (message, "frozen", "shop", None)


def test_only_a_frozen_item_is_unfrozen(market: Meaning) -> None:
    message = "an item that was not frozen was unfrozen"

    assert broken(market, unfrozen()) == (message, "frozen", "shop", None)


def test_an_unfrozen_item_moves_and_is_offered_again(market: Meaning) -> None:
    take(market, frozen(), unfrozen(), offered("shop", "bob"), moved("shop", "bob"))

    assert (market.items[ITEM].owner, market.items[ITEM].frozen) == ("bob", False)


# Imports


def sold(meaning: Meaning, cause: Entry, owner: str, to: str, *, gap: bool = False) -> None:
    kind = "provenance-gap-recorded/1" if gap else "sale-imported/1"
    effect(meaning, cause, kind, cause.document["stream"], {"from": owner, "to": to})


NEW = "item/cards/new"


def imported(meaning: Meaning, to: str = "imported/cards/b") -> Entry:
    """Import an item that was never seen before."""
    first = presented(stream=NEW)
    take(meaning, first)
    effect(meaning, first, "item-first-seen/1", NEW, {"owner": "imported/cards/a"})
    sold(meaning, first, "imported/cards/a", to)
    return first


def test_an_imported_item_goes_from_its_seller_to_its_buyer(market: Meaning) -> None:
    again = imported(market)
    take(market, again)
    sold(market, again, "imported/cards/b", "unknown")
    sold(market, again, "unknown", "imported/cards/x", gap=True)

    thing = market.items[NEW]
    assert (thing.owner, thing.namespace, thing.signed_for) == ("imported/cards/x", "cards", False)


def test_an_item_that_an_import_brings_is_nobody_s_at_first(market: Meaning) -> None:
    take(market, presented(stream=NEW))

    assert market.items[NEW].owner == "unknown"


@pytest.mark.parametrize("gap", [False, True])
def test_an_import_takes_an_item_from_its_owner_alone(market: Meaning, *, gap: bool) -> None:
    cause = imported(market)

    with pytest.raises(Tampered) as caught:
        sold(market, cause, "imported/cards/a", "imported/cards/c", gap=gap)
    error = caught.value
    assert (error.message, error.field) == ("an item left another hand", "owner")
    assert (error.expected, error.found) == ("imported/cards/b", "imported/cards/a")


@pytest.mark.parametrize("gap", [False, True])
def test_an_import_moves_no_frozen_item(market: Meaning, *, gap: bool) -> None:
    cause = imported(market)
    take(market, entry("item-frozen/1", NEW, {}, signers=[("guard", "freezer")]))

    with pytest.raises(Tampered) as caught:
        sold(market, cause, "imported/cards/b", "imported/cards/c", gap=gap)
    assert (caught.value.message, caught.value.field) == ("a frozen item moved", "frozen")


def test_an_import_touches_no_registered_item(market: Meaning) -> None:
    message = "an import touched a signed item"

    assert broken(market, presented()) == (message, "imports", "shop", None)


@pytest.mark.parametrize("how", ["moved", "offered"])
def test_an_import_touches_no_item_that_somebody_signed_for(market: Meaning, how: str) -> None:
    imported(market, to="bob")
    signers = [("bob", "owner"), ("eve", "recipient")]
    signed = {
        "moved": entry("item-transferred/1", NEW, {"from": "bob", "to": "eve"}, signers=signers),
        "offered": entry("transfer-offered/1", NEW, {}, signers=signers[:1], to="eve"),
    }[how]
    message = "an import touched a signed item"

    assert broken(market, signed, presented(stream=NEW))[:2] == (message, "imports")


def test_an_import_touches_no_item_of_a_claimed_party(market: Meaning) -> None:
    imported(market)
    party = "imported/cards/b"
    claim = entry(
        "imported-party-claimed/1",
        party,
        {},
        kind="claim-imported-party/1",
        signers=[(party, "claimant:b")],
        key=public("b"),
        party=party,
    )
    message = "an import touched a signed item"

    assert broken(market, claim, presented(stream=NEW)) == (message, "imports", party, None)


def test_the_importer_owns_the_namespace(market: Meaning) -> None:
    take(market, granted("bob", "importer"))
    message = "the namespace is another party's"

    assert broken(market, presented("bob", NEW)) == (message, "owner", "shop", "bob")


# What is with an agent

CARD = "item/cards/7"


def card(owner: str, agent: str | None = None, stream: str = CARD) -> Entry:
    signers = [(owner, "owner")]
    data = {"owner": owner}
    body = {"agent": agent, "card": "c" * 64, "class": "gift", "product": "steam"}
    return entry("card-registered/1", stream, data, signers=signers, **body)


def placed(owner: str, product: str = "steam") -> Entry:
    body = {"agent": "bob", "class": "gift", "product": product}
    return entry("item-escrowed/1", CARD, {}, signers=[(owner, "owner")], **body)


def taken_back(owner: str) -> Entry:
    return entry("item-withdrawn/1", CARD, {}, signers=[(owner, "owner")])


def on_card(act: Entry) -> Entry:
    act.document["stream"] = CARD
    return act


def sold_on() -> Entry:
    return on_card(moved("shop", "bob", ("shop", "owner"), ("bob", "recipient")))


def offered_on() -> Entry:
    return on_card(offered("shop", "bob"))


def frozen_on() -> Entry:
    return on_card(frozen())


def test_what_was_placed_and_taken_back_moves_again(market: Meaning) -> None:
    take(market, card("shop", "bob"), taken_back("shop"), placed("shop"), taken_back("shop"))
    take(market, sold_on())

    assert (market.items[CARD].owner, market.items[CARD].agent) == ("bob", None)


def test_a_card_is_registered_once_by_the_owner_of_its_namespace(market: Meaning) -> None:
    found = broken(market, card("shop"), card("shop"))
    assert found == ("an item was registered twice", "owner", "shop", "shop")
    found = broken(market, card("bob", stream="item/cards/2"))
    assert found == ("the namespace is another party's", "owner", "shop", "bob")


@pytest.mark.parametrize("act", [sold_on(), offered_on()])
def test_what_is_with_an_agent_does_not_move_by_its_owners_hand(
    market: Meaning, act: Entry
) -> None:
    found = broken(market, card("shop", "bob"), act)

    assert found == ("an item moved that is with an agent", "escrow", "bob", "shop")


def test_an_item_is_with_one_agent_at_a_time(market: Meaning) -> None:
    found = broken(market, item("shop", CARD), placed("shop"), placed("shop"))

    assert found == ("an item moved that is with an agent", "escrow", "bob", "shop")


def test_an_item_stays_what_it_was_placed_as_first(market: Meaning) -> None:
    found = broken(
        market, item("shop", CARD), placed("shop"), taken_back("shop"), placed("shop", "xbox")
    )
    goods = ("gift", "steam"), ("gift", "xbox")
    assert found == ("an item was placed as another", "escrow", *map(str, goods))
    found = broken(market, card("shop", stream="item/cards/8"), on_eight(placed("shop", "xbox")))
    assert found == ("an item was placed as another", "escrow", *map(str, goods))


def on_eight(act: Entry) -> Entry:
    act.document["stream"] = "item/cards/8"
    return act


def test_a_command_stands_where_its_body_says(market: Meaning) -> None:
    elsewhere = entry("item-escrowed/1", CARD, {}, signers=[("shop", "owner")], item="cards/8")
    found = broken(market, elsewhere)

    assert found == (
        "a command stands on another stream than it names",
        "place",
        "cards/8",
        "cards/7",
    )


def test_only_its_owner_places_an_item_and_takes_it_back(market: Meaning) -> None:
    found = broken(market, item("shop", CARD), placed("bob"))
    assert found == ("another party placed an item", "escrow", "shop", "bob")
    found = broken(market, placed("shop"), taken_back("bob"))
    assert found == ("another party took an item back", "escrow", "shop", "bob")


def test_nothing_is_taken_back_from_nobody(market: Meaning) -> None:
    found = broken(market, item("shop", CARD), taken_back("shop"))

    assert found == ("an item was taken back from nobody", "escrow", None, "shop")


def test_a_frozen_item_is_not_placed(market: Meaning) -> None:
    found = broken(market, item("shop", CARD), frozen_on(), placed("shop"))

    assert found == ("a frozen item was placed with an agent", "frozen", "shop", None)


def test_placing_ends_an_offer_and_is_a_signature_for_the_item(market: Meaning) -> None:
    take(market, item("shop", CARD), offered_on(), placed("shop"))

    thing = market.items[CARD]
    assert (thing.offered_to, thing.agent, thing.signed_for) == (None, "bob", True)


@pytest.mark.parametrize("type_", ["balance-topped-up/1", "balance-paid-out/1"])
def test_a_cashier_serves_another_party(market: Meaning, type_: str) -> None:
    take(market, granted("bob", "cashier"))
    itself = entry(type_, "balance/bob", {}, signers=[("bob", "cashier")], party="bob")

    assert broken(market, itself) == ("a cashier served itself", "money", None, "bob")


# Revealed cards

SOLD_BY = "01930000-0000-7000-8000-000000000001"


def revealed(owner: str, order: str = SOLD_BY, line: int = 1) -> Entry:
    data, signers = {"order": order}, [(owner, "owner")]
    return entry("card-revealed/1", CARD, data, signers=signers, order=order, line=line)


def bought(market: Meaning) -> None:
    """As if an order had sold the card to bob."""
    take(market, card("shop"))
    thing = market.items[CARD]
    thing.owner, thing.sold_by = "bob", SOLD_BY
    lines = [Line(each, "shop", 900, 9, {}, held=900) for each in (CARD, "item/cards/8")]
    market.escrow.lines[f"order/{SOLD_BY}"] = lines


def test_the_owner_reveals_a_card_that_was_sold_and_its_offer_ends(market: Meaning) -> None:
    bought(market)
    take(market, on_card(offered("bob", "eve")), revealed("bob"))

    thing = market.items[CARD]
    assert (thing.revealed, thing.offered_to) == (True, None)


def test_a_card_is_revealed_once(market: Meaning) -> None:
    bought(market)
    found = broken(market, revealed("bob"), revealed("bob"))

    assert found == ("a card was revealed twice", "cards", None, CARD)


def test_a_card_is_revealed_by_its_own_line(market: Meaning) -> None:
    bought(market)
    found = broken(market, revealed("bob", line=2))
    assert found == ("a card was revealed by another line", "cards", "item/cards/8", CARD)


def test_a_card_is_revealed_unless_it_is_frozen(market: Meaning) -> None:
    bought(market)
    found = broken(market, frozen_on(), revealed("bob"))
    assert found == ("a frozen card was revealed", "cards", None, CARD)


@pytest.mark.parametrize(("held", "released"), [(1, 0), (0, 1)])
def test_a_card_is_revealed_while_not_all_of_its_price_went_back(
    market: Meaning, held: int, released: int
) -> None:
    bought(market)
    (line, _) = market.escrow.lines[f"order/{SOLD_BY}"]
    line.held = 0
    found = broken(market, revealed("bob"))
    assert found == ("a card was revealed whose price went back", "cards", None, CARD)

    line.held, line.released = held, released
    take(market, revealed("bob"))
    assert market.items[CARD].revealed


def test_nobody_but_its_owner_reveals_a_card(market: Meaning) -> None:
    bought(market)
    found = broken(market, revealed("eve"))

    assert found == ("another party revealed a card", "cards", "bob", "eve")


def test_a_card_is_revealed_for_the_order_that_sold_it(market: Meaning) -> None:
    bought(market)
    other = SOLD_BY[:-1] + "2"
    found = broken(market, revealed("bob", other))

    assert found == ("a card was revealed that was not sold", "cards", SOLD_BY, other)


def test_a_card_that_was_sold_is_not_placed_again_and_a_thing_is(market: Meaning) -> None:
    bought(market)
    found = broken(market, placed("bob"))
    assert found == ("a card was placed to be sold again", "cards", None, SOLD_BY)

    market.items[CARD].is_card = False
    take(market, placed("bob"))
    assert market.items[CARD].agent == "bob"
