"""Cards and escrow: what is registered by commitments, who may sell it, who may take it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.compose import Draft
from ledger.rules.digests import terms_digest
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.state import Item
from ledger.rules.trade_state import Escrow, Goods
from tests.goods import CARD_CLASS, card_body, commitment, placing_body
from tests.terms import terms
from tests.unit.rules.small import Small
from tests.unit.rules.test_terms import DAY_US, publish

CARD, SWORD = "cards/9", "cards/sword"
TERMS = terms_digest(terms())
OTHER = "0" * 64
PLACED = Escrow("ann", TERMS)


def stocked() -> Small:
    """A log with a trade policy, in which `shop` owns `cards`, and `ann` is anybody."""
    small = Small()
    publish(small, terms())
    small.register("shop", "ann", "bob")
    small.open_namespace("cards", "shop")
    return small


def registering(small: Small, *, by: str = "shop", item: str = CARD, **changes: Any) -> Draft:
    return small.draft("register-card/1", (by, "owner"), **card_body(item, **changes))


def placing(small: Small, *, by: str = "shop", item: str = SWORD, **changes: Any) -> Draft:
    body = placing_body(item, **{"terms": TERMS, **changes})
    return small.draft("place-in-escrow/1", (by, "owner"), **body)


def withdrawing(small: Small, *, by: str = "shop", item: str = CARD) -> Draft:
    return small.draft("withdraw-from-escrow/1", (by, "owner"), item=item)


def placed() -> Small:
    """The same with a card that is with `ann`."""
    small = stocked()
    small.do(registering(small, agent="ann", terms=TERMS))
    return small


def armed() -> Small:
    """The same with a sword, which is no card."""
    small = stocked()
    small.act("register-item/1", ("shop", "owner"), item=SWORD, **{"class": "virtual-equipment"})
    return small


def reserved(small: Small, name: str) -> None:
    """As if an order were made for the item."""
    stream = small.streams[f"item/{name}"]
    item = stream.state
    assert isinstance(item, Item)
    assert item.goods is not None
    state = item._replace(goods=item.goods._replace(order="some order"))
    small.streams[f"item/{name}"] = stream._replace(state=state)


def item(small: Small, name: str = CARD) -> Item:
    found = small.state(f"item/{name}")
    assert isinstance(found, Item)
    return found


def refused(small: Small, draft: Draft, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


def test_a_card_is_registered_by_its_commitments_alone() -> None:
    small = stocked()
    small.do(registering(small))

    card, code = commitment("card", CARD), commitment("code", CARD)
    assert item(small) == Item("shop", goods=Goods(CARD_CLASS, "gift-cards", card, code))
    assert small.entries[-1].data == {"owner": "shop"}


def test_one_signature_registers_a_card_and_places_it_with_an_agent() -> None:
    goods = item(placed()).goods

    assert goods is not None
    assert (goods.escrow, goods.order) == (PLACED, None)


def test_an_agent_and_the_terms_it_sells_under_come_together() -> None:
    small = stocked()
    for changes in ({"agent": "ann"}, {"terms": TERMS}):
        with pytest.raises(Malformed) as caught:
            small.derive(small.command(registering(small, **changes)))
        assert str(caught.value) == "command.body.terms: is null exactly where agent is"


def test_an_agent_is_a_party_of_the_log() -> None:
    small = stocked()
    refused(
        small, registering(small, agent="nobody", terms=TERMS), errors.UnknownParty, party="nobody"
    )


def test_an_item_is_placed_under_terms_that_the_log_has_kept() -> None:
    small = stocked()
    draft = registering(small, agent="ann", terms=OTHER)
    refused(small, draft, errors.PolicyNotInForce, named=OTHER, in_force=TERMS)

    later = small.at + 8 * DAY_US
    publish(small, terms(id="b"), later)
    small.at = later
    small.do(registering(small, agent="ann", terms=TERMS))
    assert item(small).goods is not None


def test_without_any_trade_policy_nothing_is_placed() -> None:
    small = Small()
    small.register("shop", "ann")
    small.open_namespace("cards", "shop")
    small.do(registering(small))

    draft = registering(small, item="cards/8", agent="ann", terms=TERMS)
    refused(small, draft, errors.PolicyNotInForce, named=TERMS, in_force=None)


def test_a_card_is_placed_in_a_class_that_the_terms_sell_as_cards() -> None:
    small = stocked()
    unknown = registering(small, agent="ann", terms=TERMS, **{"class": "voucher"})
    refused(small, unknown, trade_errors.ClassWithoutTerms, item_class="voucher")
    sword = registering(small, agent="ann", terms=TERMS, **{"class": "virtual-equipment"})
    refused(
        small,
        sword,
        trade_errors.GoodsDiffer,
        item=CARD,
        item_class="virtual-equipment",
        product="gift-cards",
    )


def test_only_the_owner_of_the_namespace_registers_a_card_and_only_once() -> None:
    small = placed()
    refused(
        small,
        registering(small, by="ann", item="cards/8"),
        errors.NotNamespaceOwner,
        namespace="cards",
        owner="shop",
    )
    refused(small, registering(small, item="no/8"), errors.UnknownNamespace, namespace="no")
    refused(small, registering(small), errors.ItemExists, item=CARD)


def test_a_thing_is_placed_as_what_its_owner_calls_it() -> None:
    small = armed()
    small.do(placing(small))

    goods = Goods("virtual-equipment", "swords", None, None, PLACED)
    assert item(small, SWORD) == Item("shop", goods=goods)


def test_placing_an_item_ends_the_offer_that_stands() -> None:
    small = armed()
    small.offer(SWORD, "shop", "bob")
    small.do(placing(small))

    assert item(small, SWORD).offer is None


def test_a_thing_is_not_placed_as_a_card() -> None:
    small = armed()
    refused(
        small,
        placing(small, **{"class": CARD_CLASS}),
        trade_errors.GoodsDiffer,
        item=SWORD,
        item_class=CARD_CLASS,
        product="swords",
    )


@pytest.mark.parametrize("field", ["class", "product"])
def test_goods_stay_what_they_were_registered_as(field: str) -> None:
    small = placed()
    small.do(withdrawing(small))
    body = {"class": CARD_CLASS, "product": "gift-cards", field: "virtual-equipment"}
    refused(
        small,
        placing(small, item=CARD, **body),
        trade_errors.GoodsDiffer,
        item=CARD,
        item_class=CARD_CLASS,
        product="gift-cards",
    )


def test_a_card_that_was_taken_back_is_placed_again() -> None:
    small = placed()
    small.do(withdrawing(small))
    small.do(placing(small, item=CARD, **{"class": CARD_CLASS, "product": "gift-cards"}))

    goods = item(small).goods
    assert goods is not None
    assert (goods.card, goods.escrow) == (commitment("card", CARD), PLACED)


def test_an_item_that_is_with_an_agent_does_not_move_by_its_owners_hand() -> None:
    small = placed()
    places = ("shop", "owner"), ("bob", "recipient")
    transfer = small.draft("transfer-item/1", *places, item=CARD, price=None)
    refused(small, transfer, trade_errors.ItemEscrowed, item=CARD, agent="ann")
    again = placing(small, item=CARD, **{"class": CARD_CLASS, "product": "gift-cards"})
    refused(small, again, trade_errors.ItemEscrowed, item=CARD, agent="ann")

    small.do(withdrawing(small))
    small.transfer(CARD, "shop", "bob")
    assert item(small).owner == "bob"
    assert item(small).goods == Goods(
        CARD_CLASS, "gift-cards", commitment("card", CARD), commitment("code", CARD)
    )


def test_an_item_that_an_order_is_made_for_stays() -> None:
    small = placed()
    reserved(small, CARD)
    places = ("shop", "owner"), ("bob", "recipient")
    transfer = small.draft("transfer-item/1", *places, item=CARD, price=None)

    for draft in (withdrawing(small), transfer):
        refused(small, draft, trade_errors.ItemReserved, item=CARD, order="some order")


def test_only_its_owner_takes_an_item_back_and_only_from_an_agent() -> None:
    small = placed()
    refused(small, withdrawing(small, by="ann"), errors.NotOwner, party="ann", owner="shop")
    refused(small, withdrawing(small, item="cards/8"), errors.UnknownItem, item="cards/8")
    small.do(withdrawing(small))
    refused(small, withdrawing(small), trade_errors.ItemNotEscrowed, item=CARD)
    plain = armed()
    refused(plain, withdrawing(plain, item=SWORD), trade_errors.ItemNotEscrowed, item=SWORD)


def test_only_its_owner_places_an_item_and_not_while_it_is_frozen() -> None:
    small = armed()
    refused(small, placing(small, by="ann"), errors.NotOwner, party="ann", owner="shop")
    small.grant("bob", "freezer")
    small.act("freeze-item/1", ("bob", "freezer"), item=SWORD, ground="in-dispute")
    refused(small, placing(small), errors.ItemFrozen, item=SWORD)


def test_nothing_else_is_expected_with_them() -> None:
    small = placed()
    party = {"party/shop": small.head("party/shop")}
    for draft in (registering(small, item="cards/8"), withdrawing(small)):
        more = replace(draft, expect=dict(draft.expect) | party)
        with pytest.raises(Malformed) as caught:
            small.derive(small.command(more))
        assert str(caught.value) == "command.expect: names party/shop, which is not asked for"


def test_a_proof_of_what_was_placed_holds_its_agent_and_the_terms() -> None:
    small = stocked()
    for draft in (registering(small, agent="ann", terms=TERMS), placing(small)):
        reads = kind_of(draft.kind).reads(small.command(draft))
        assert reads == ("party/ann", "policy/trade")
    assert kind_of("register-card/1").reads(small.command(registering(small))) == ()
