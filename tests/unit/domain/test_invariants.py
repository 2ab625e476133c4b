"""The invariants before a write: reached by facts that the rules would never derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.domain.invariants import InvariantBroken, check_before_write
from ledger.rules.commands import Command
from ledger.rules.model import Fact
from tests.unit.rules.ordering import ITEMS, ORDER, placed
from tests.unit.rules.small import Small

ITEM = "item/cards/1"
IMPORTED = "item/cards/9"


def market() -> Small:
    """`cards/1` is shop's; `cards/9` was imported and is imported/cards/b's."""
    small = Small().market()
    small.do(small.sale("cards/9", "a", "b"))
    return small


def signed_by(small: Small, *parties: str) -> Command:
    """Any command with these signers: the invariants ask for nothing else of it."""
    places = [(party, "owner") for party in parties]
    return small.command(small.draft("transfer-item/1", *places, item="cards/1", price=None))


def moved(owner: str, to: str, *, stream: str = ITEM) -> Fact:
    return Fact(stream, "item-transferred/1", {"from": owner, "to": to})


def imported(owner: str, to: str, *, stream: str = IMPORTED) -> Fact:
    return Fact(stream, "sale-imported/1", {"from": owner, "to": to})


def frozen(small: Small, item: str) -> None:
    small.act("freeze-item/1", ("ann", "freezer"), item=item, ground="in-dispute")


def offered(small: Small) -> None:
    small.offer("cards/1", "shop", "bob")


def nothing(_small: Small) -> None:
    pass


B = "imported/cards/b"
BROKEN: dict[str, tuple[Callable[[Small], None], tuple[str, ...], list[Fact], str, Any]] = {
    "from who does not hold it": (
        *(nothing, ("ann", "bob"), [moved("ann", "bob")], "an item would leave another hand"),
        {"owner": "shop", "from": "ann", "to": "bob"},
    ),
    "an item that does not exist": (
        *(nothing, ("ann", "bob"), [moved("ann", "bob", stream="item/cards/7")]),
        *("an item would leave another hand", {"owner": "unknown", "from": "ann", "to": "bob"}),
    ),
    "twice from the same hand": (
        *(nothing, ("shop", "bob"), [moved("shop", "bob"), moved("shop", "bob")]),
        *("an item would leave another hand", {"owner": "bob", "from": "shop", "to": "bob"}),
    ),
    "while it is frozen": (
        *(lambda small: frozen(small, "cards/1"), ("shop", "bob"), [moved("shop", "bob")]),
        *("a frozen item would move", {"owner": "shop"}),
    ),
    "by import while it is frozen": (
        *(lambda small: frozen(small, "cards/9"), ("shop",), [imported(B, "unknown")]),
        *("a frozen item would move", {"owner": B}),
    ),
    "by import what was signed for": (
        *(nothing, ("shop",), [imported("shop", B, stream=ITEM)]),
        *("an import would move a signed item", {"owner": "shop"}),
    ),
    "by a gap what was signed for": (
        *(nothing, ("shop",)),
        [Fact(ITEM, "provenance-gap-recorded/1", {"from": "shop", "reason": "x", "to": B})],
        *("an import would move a signed item", {"owner": "shop"}),
    ),
    "without the owner's signature": (
        *(nothing, ("ann", "bob"), [moved("shop", "bob")]),
        *("an item would move without its owner", {"owner": "shop"}),
    ),
    "without the recipient's signature": (
        *(nothing, ("shop", "ann"), [moved("shop", "bob")]),
        *("an item would go to who did not sign", {"to": "bob"}),
    ),
    "to another one than it was offered to": (
        *(offered, ("bob", "ann"), [moved("shop", "ann")]),
        *("an item would move without its owner", {"owner": "shop"}),
    ),
    "on an offer that its recipient did not sign": (
        *(offered, ("ann",), [moved("shop", "bob")]),
        *("an item would go to who did not sign", {"to": "bob"}),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_move_that_must_never_be_is_stopped_before_the_write(name: str) -> None:
    prepare, signers, facts, message, evidence = BROKEN[name]
    small = market()
    prepare(small)

    with pytest.raises(InvariantBroken) as broken:
        check_before_write(signed_by(small, *signers), facts, small)

    assert (type(broken.value), broken.value.code) == (InvariantBroken, "invariant-broken")
    assert (broken.value.message, broken.value.evidence) == (message, evidence)


GAP = Fact(IMPORTED, "provenance-gap-recorded/1", {"from": B, "reason": "x", "to": "unknown"})
HOLD: dict[str, tuple[Callable[[Small], None], tuple[str, ...], list[Fact]]] = {
    "signed by both": (nothing, ("shop", "bob"), [moved("shop", "bob")]),
    "accepted by whom it was offered to": (offered, ("bob",), [moved("shop", "bob")]),
    "passed on in one command": (
        *(nothing, ("shop", "bob", "ann"), [moved("shop", "bob"), moved("bob", "ann")]),
    ),
    "imported": (nothing, ("shop",), [imported(B, "unknown")]),
    "imported after a gap": (nothing, ("shop",), [GAP, imported("unknown", B)]),
    "imported at first sight": (
        *(nothing, ("shop",)),
        [
            Fact("item/cards/7", "sale-presented/1", {"identity": "0" * 64}),
            Fact("item/cards/7", "item-first-seen/1", {"owner": B}),
            imported(B, "unknown", stream="item/cards/7"),
        ],
    ),
    "registered": (
        *(nothing, ("shop",), [Fact("item/cards/7", "item-registered/1", {"owner": "shop"})]),
    ),
    "no item at all": (nothing, ("shop",), [Fact("party/shop", "key-revoked/1", {})]),
    "nothing": (nothing, ("shop",), []),
}


@pytest.mark.parametrize("name", HOLD)
def test_a_move_that_may_be_passes(name: str) -> None:
    prepare, signers, facts = HOLD[name]
    small = market()
    prepare(small)

    check_before_write(signed_by(small, *signers), facts, small)


def test_what_the_rules_derive_always_passes() -> None:
    """Whatever this guard refuses is a mistake of ours, so it must never refuse in earnest."""
    small = market()
    sales = (("cards/9", "b", "c"), ("cards/9", "d", None), ("cards/8", None, "a"))
    for item, seller, buyer in sales:
        draft = small.sale(item, seller, buyer, ordinal=1)
        command = small.command(draft)
        check_before_write(command, small.derive(command), small)
        small.do(draft)


def test_money_that_comes_from_nowhere_is_not_written() -> None:
    small = market()
    command = signed_by(small, "shop", "bob")
    postings = [
        {"account": "balance/shop", "amount": "5", "currency": "CNY"},
        {"account": "external/alipay", "amount": "-4", "currency": "CNY"},
        {"account": "external/alipay", "amount": "-1", "currency": "ETH"},
    ]
    facts = [Fact("balance/shop", "balance-topped-up/1", {"after": [], "postings": postings})]

    with pytest.raises(InvariantBroken) as refusal:
        check_before_write(command, facts, small)
    assert str(refusal.value) == "money would come from nowhere"
    assert refusal.value.evidence == {"currency": "CNY", "sum": 1}
    postings[1]["amount"], postings[2]["currency"] = "-4", "CNY"
    check_before_write(command, facts, small)


def test_an_item_is_reserved_once_and_only_where_an_agent_has_it() -> None:
    small = placed()
    command = next(each.command for each in reversed(small.entries) if each.command)
    for item, order in ((ITEMS[0], ORDER), ("cards/9", None)):
        if order is None:
            small.register_item(item, "shop")
        facts = [Fact(f"item/{item}", "item-reserved/1", {"order": "another"})]
        with pytest.raises(InvariantBroken) as refusal:
            check_before_write(command, facts, small)
        assert str(refusal.value) == "an item would be reserved twice"
        assert refusal.value.evidence == {"order": order}
    facts = [Fact(f"item/{ITEMS[1]}", "item-reserved/1", {"order": "another"})]
    check_before_write(command, facts, small)


@pytest.mark.parametrize("stream", [f"order/{ORDER[:-1]}0", "balance/bob"])
def test_the_escrow_of_an_order_moves_on_its_own_stream(stream: str) -> None:
    small = placed()
    command = next(each.command for each in reversed(small.entries) if each.command)
    account = f"escrow/{ORDER}/1"
    postings = [
        {"account": "balance/bob", "amount": "-5", "currency": "CNY"},
        {"account": account, "amount": "5", "currency": "CNY"},
    ]

    with pytest.raises(InvariantBroken) as refusal:
        check_before_write(command, [Fact(stream, "any/1", {"postings": postings})], small)
    assert str(refusal.value) == "another order's escrow would move"
    assert refusal.value.evidence == {"order": stream.partition("/")[2], "account": account}
    own = Fact(f"order/{ORDER}", "any/1", {"postings": postings})
    check_before_write(command, [own], small)
