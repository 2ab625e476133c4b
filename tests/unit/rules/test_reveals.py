"""Revealing a card: by whoever owns it, once it was sold, and once."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.compose import Draft
from ledger.rules.digests import terms_digest
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.order_state import REFUNDED, Order
from ledger.rules.state import Item
from tests.terms import terms
from tests.unit.rules.escrowing import delivered, paid
from tests.unit.rules.ordering import ITEMS, ORDER, STREAM, SWORDS
from tests.unit.rules.small import Small

CARD, SWORD = ITEMS[0], SWORDS[0]
OTHER = "0190a8c3-5a77-7d2e-8f6b-3a9f4f2d9c99"


def revealing(small: Small, *, by: str = "bob", **changes: Any) -> Draft:
    body = {"item": CARD, "line": 1, "order": ORDER, **changes}
    return small.draft("reveal-card/1", (by, "owner"), **body)


def placing_again(small: Small, *, by: str = "bob", **changes: Any) -> Draft:
    goods = item(small).goods
    assert goods is not None
    body = {
        "agent": "system",
        "class": goods.item_class,
        "item": CARD,
        "product": goods.product,
        "terms": terms_digest(terms()),
        **changes,
    }
    return small.draft("place-in-escrow/1", (by, "owner"), **body)


def item(small: Small, name: str = CARD) -> Item:
    found = small.state(f"item/{name}")
    assert isinstance(found, Item)
    return found


def refused(small: Small, draft: Draft, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


def test_the_buyer_of_a_card_asks_to_see_it_once() -> None:
    small = delivered()
    small.do(revealing(small))

    assert small.entries[-1].data == {"order": ORDER}
    goods = item(small).goods
    assert goods is not None
    assert (goods.sold, goods.revealed) == (ORDER, ORDER)
    refused(small, revealing(small), trade_errors.CardRevealed, item=CARD, order=ORDER)


def test_whoever_got_the_card_from_its_buyer_may_ask_and_the_buyer_no_more() -> None:
    small = delivered()
    small.transfer(CARD, "bob", "ann")

    refused(small, revealing(small), errors.NotOwner, party="bob", owner="ann")
    small.do(revealing(small, by="ann"))
    goods = item(small).goods
    assert goods is not None
    assert goods.revealed == ORDER


def test_nothing_is_revealed_before_it_is_delivered() -> None:
    small = paid()

    refused(small, revealing(small), errors.NotOwner, party="bob", owner="shop")
    by_shop = revealing(small, by="shop")
    refused(small, by_shop, trade_errors.ItemReserved, item=CARD, order=ORDER)


def test_a_thing_has_no_card_and_another_order_did_not_sell_it() -> None:
    small = delivered()
    sword = revealing(small, item=SWORD, line=2)
    refused(small, sword, trade_errors.CardNotSold, item=SWORD, sold=None)
    other = revealing(small, order=OTHER)
    refused(small, other, trade_errors.CardNotSold, item=CARD, sold=ORDER)


def test_the_line_is_that_of_the_item() -> None:
    small = delivered()
    with pytest.raises(Malformed) as caught:
        small.derive(small.command(revealing(small, line=2)))
    assert str(caught.value) == "command.body.line: is of another item"
    refused(small, revealing(small, line=3), trade_errors.UnknownLine, line=3, lines=2)


def test_who_got_the_price_back_does_not_see_the_card() -> None:
    small = delivered()
    stream = small.streams[STREAM]
    order = stream.state
    assert isinstance(order, Order)
    lines = (order.lines[0]._replace(state=REFUNDED), *order.lines[1:])
    small.streams[STREAM] = stream._replace(state=order._replace(lines=lines))

    refused(small, revealing(small), trade_errors.LineNotHeld, line=1, state=REFUNDED)


def test_a_frozen_card_is_not_revealed() -> None:
    small = delivered()
    small.grant("ann", "freezer")
    small.act("freeze-item/1", ("ann", "freezer"), item=CARD, ground="in-dispute")

    refused(small, revealing(small), errors.ItemFrozen, item=CARD)


def test_revealing_ends_an_offer_for_a_card_that_nobody_knew() -> None:
    small = delivered()
    small.offer(CARD, "bob", "ann")
    small.do(revealing(small))

    assert item(small).offer is None


def test_a_proof_holds_the_order_that_sold_the_card() -> None:
    small = delivered()
    draft = revealing(small)

    assert kind_of(draft.kind).reads(small.command(draft)) == (STREAM,)


def test_a_card_that_was_sold_is_not_sold_again_by_whoever_has_it() -> None:
    small = delivered()
    refused(small, placing_again(small), trade_errors.CardSold, item=CARD, order=ORDER)
    small.transfer(CARD, "bob", "shop")

    again = placing_again(small, by="shop")
    refused(small, again, trade_errors.CardSold, item=CARD, order=ORDER)
