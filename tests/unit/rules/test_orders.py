"""Orders: what placing one pins, who may be reserved for whom, and when it is over."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.compose import Draft, uuid7
from ledger.rules.digests import listing_digest, terms_digest
from ledger.rules.errors import Malformed
from ledger.rules.order_state import EXPIRED, PAID, UNFUNDED, UNPAID, Line
from ledger.rules.state import Item, Offer
from ledger.rules.terms import DAY_US
from ledger.rules.text import format_time
from tests.terms import terms
from tests.unit.rules.ordering import (
    CARD,
    ITEMS,
    ORDER,
    PRICE,
    SECOND_US,
    STREAM,
    SWORD,
    SWORD_PRICE,
    SWORDS,
    TERMS,
    changed,
    confirming,
    escrowed,
    expiring,
    line,
    listing,
    order,
    paying,
    placed,
    placing,
    qualified,
    run,
    trading,
)
from tests.unit.rules.small import HOUR_US, Small, key
from tests.unit.rules.test_terms import publish

SECOND = uuid7(1, bytes(10))
MIXED = (line(ITEMS[1]), line(SWORDS[0], SWORD))


def refused(small: Small, draft: Draft, error: type[errors.Refused]) -> errors.Refused:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    return caught.value


def malformed(small: Small, draft: Draft) -> str:
    with pytest.raises(Malformed) as caught:
        small.derive(small.command(draft))
    return str(caught.value)


def item(small: Small, name: str) -> Item:
    found = small.state(f"item/{name}")
    assert isinstance(found, Item)
    return found


def reserved_for(small: Small, name: str) -> str | None:
    goods = item(small, name).goods
    assert goods is not None
    return goods.order


def test_placing_pins_snapshots_fees_terms_and_the_shortest_time_to_pay() -> None:
    small = trading()
    small.at += SECOND_US
    own, *effects = small.derive(small.command(placing(small, *MIXED)))

    assert (own.stream, own.type) == (STREAM, "order-placed/1")
    assert own.data == {
        "classes": ["point-card", "virtual-equipment"],
        "fees": ["247", "1250"],
        "labels": [[], []],
        "pay_by": format_time(small.at + 900 * SECOND_US),
        "tier": "ordinary",
    }
    assert effects == [
        (f"item/{name}", "item-reserved/1", {"order": ORDER}) for name in (ITEMS[1], SWORDS[0])
    ]


def test_the_state_of_an_order_is_enough_to_go_on_without_its_listings() -> None:
    small = placed(*MIXED, key=None)

    found = order(small)
    assert found._replace(lines=()) == (
        *("bob", None, terms_digest(TERMS), "CNY", "ordinary", ()),
        *(small.at + 900 * SECOND_US, UNPAID, ()),
    )
    assert found.lines == (
        Line(ITEMS[1], CARD, "shop", "point-card", PRICE, 247, listing_digest(listing(CARD))),
        Line(
            *(SWORDS[0], SWORD, "shop", "virtual-equipment", SWORD_PRICE, 1250),
            listing_digest(listing(SWORD)),
        ),
    )
    assert {each.state for each in found.lines} == {UNFUNDED}
    assert found.total == PRICE + SWORD_PRICE


def test_an_item_is_reserved_for_one_order_until_that_has_expired() -> None:
    small = placed()
    assert reserved_for(small, ITEMS[0]) == ORDER

    again = placing(small, order=SECOND)
    error = refused(small, again, trade_errors.ItemReserved)
    assert error.evidence == {"item": ITEMS[0], "order": ORDER}

    small.at = order(small).pay_by
    run(small, expiring(small))
    assert reserved_for(small, ITEMS[0]) is None
    assert order(small).state == EXPIRED
    small.do(placing(small, order=SECOND))
    assert reserved_for(small, ITEMS[0]) == SECOND


def test_reserving_ends_what_the_owner_offered() -> None:
    small = trading()
    changed(small, ITEMS[0], offer=Offer("0" * 64, "eve", small.at + HOUR_US, None))
    small.do(placing(small))

    found = item(small, ITEMS[0])
    assert found.offer is None
    assert found.goods is not None
    assert found.goods.escrow == ("system", terms_digest(TERMS))


def test_one_order_takes_an_item_once_and_another_number() -> None:
    small = trading()
    twice = placing(small, line(ITEMS[0]), line(ITEMS[1]), line(ITEMS[0]))
    assert malformed(small, twice) == "command.body.lines[2].item: is in another line too"

    small.do(placing(small))
    error = refused(small, placing(small, line(ITEMS[1])), trade_errors.OrderExists)
    assert error.evidence == {"order": ORDER}


def test_twenty_lines_of_three_merchants_streams_fit_and_twenty_one_do_not() -> None:
    small = trading()
    names = [f"cards/x{number}" for number in range(21)]
    for name in names:
        escrowed(small, name, CARD)
    own, *effects = small.derive(small.command(placing(small, *map(line, names[:20]))))
    assert len(effects) == len(own.data["fees"]) == 20

    message = "command.body.lines: is not an array of 1 to 20 values"
    assert malformed(small, placing(small, *map(line, names))) == message


def test_exactly_what_the_buyer_relies_on_is_expected() -> None:
    small = trading()
    draft = placing(small, line(ITEMS[0]), line(ITEMS[1]))
    right = [f"item/{ITEMS[0]}", f"item/{ITEMS[1]}", f"listing/{CARD}", "merchant/shop"]
    assert sorted(draft.expect) == right

    less = replace(draft, expect={name: draft.expect[name] for name in right[1:]})
    error = refused(small, less, errors.MissingExpectation)
    assert error.evidence == {"stream": right[0]}
    more = replace(draft, expect=draft.expect | {STREAM: None})
    assert malformed(small, more) == f"command.expect: names {STREAM}, which is not asked for"


@pytest.mark.parametrize(
    ("changes", "evidence"),
    [
        ({"text": "f" * 64}, {"merchant": "shop"}),
        ({"price": {"amount": "1", "currency": "CNY"}}, {"merchant": "shop"}),
    ],
)
def test_an_edited_listing_is_not_what_the_buyer_saw(
    changes: dict[str, Any], evidence: dict[str, Any]
) -> None:
    small = trading()
    small.act("publish-listing/1", ("shop", "merchant"), **listing(CARD, **changes))

    error = refused(small, placing(small), trade_errors.SnapshotDiffers)
    snapshot = listing_digest(listing(CARD, **changes))
    assert error.evidence == evidence | {"line": 1, "listing": CARD, "snapshot": snapshot}


def test_the_line_names_the_merchant_of_the_listing() -> None:
    small = trading()
    small.open_namespace("eves", "eve")
    body = {"class": "a", "merchant": "eve", "namespace": "eves", "origin": None}
    until = format_time(small.at + HOUR_US)
    places = [("eve", "merchant"), ("ann", "reviewer")]
    small.act("qualify-merchant/1", *places, **body, until=until)

    other = placing(small, line(ITEMS[0], merchant="eve"))
    error = refused(small, other, trade_errors.SnapshotDiffers)
    assert error.evidence["merchant"] == "shop"


def test_an_unqualified_merchant_sells_no_more_though_it_listed() -> None:
    small = trading()
    small.at += 48 * HOUR_US
    error = refused(small, placing(small), trade_errors.SupplierNotQualified)
    assert error.evidence["merchant"] == "shop"

    qualified(small, "point-card")
    assert small.derive(small.command(placing(small)))


def test_nobody_buys_from_itself() -> None:
    small = trading()

    error = refused(small, placing(small, by="shop"), errors.SameParty)
    assert error.evidence == {"party": "shop"}


def test_an_imported_party_has_no_balance_to_give_its_money_back_to() -> None:
    small = trading()
    small.register("otto", "olga")
    for officer in ("otto", "olga"):
        small.grant(officer, "officer", second="eve")
    small.grant("shop", "importer", second="eve")
    small.do(small.sale("cards/8", None, "b"))
    party = "imported/cards/b"
    places = [(party, "claimant", "b"), ("otto", "officer"), ("olga", "officer")]
    small.act("claim-imported-party/1", *places, key=key("b"), party=party)
    small.at += HOUR_US

    draft = placing(small)
    foreign = small.draft("place-order/1", (party, "buyer", "b"), **draft.body)
    error = refused(small, foreign, errors.WrongSigners)
    assert str(error) == "an imported party has no balance"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"goods": None}, trade_errors.ItemNotForSale),
        ({"frozen": True}, errors.ItemFrozen),
        ({"owner": "eve"}, errors.NotOwner),
    ],
)
def test_only_an_unfrozen_item_of_the_merchant_in_escrow_is_sold(
    changes: dict[str, Any], error: type[errors.Refused]
) -> None:
    small = trading()
    escrowed(small, "cards/9", CARD, **changes)

    refused(small, placing(small, line("cards/9")), error)


def test_an_item_that_left_escrow_is_not_for_sale() -> None:
    small = trading()
    small.act("withdraw-from-escrow/1", ("shop", "owner"), item=ITEMS[0])

    error = refused(small, placing(small), trade_errors.ItemNotForSale)
    assert error.evidence == {"item": ITEMS[0]}


def test_a_sword_is_no_card_whatever_the_line_says() -> None:
    small = trading()

    error = refused(small, placing(small, line(SWORDS[0])), trade_errors.GoodsDiffer)
    assert error.evidence == {
        "line": 1,
        "item": SWORDS[0],
        "item_class": "virtual-equipment",
        "product": "swords",
    }


def test_the_trade_policy_in_force_is_pinned_and_agreed_to() -> None:
    small = trading()
    error = refused(small, placing(small, terms="0" * 64), errors.PolicyNotInForce)
    assert error.evidence == {"named": "0" * 64, "in_force": terms_digest(TERMS)}
    error = refused(small, placing(small, agreement=None), trade_errors.AgreementDiffers)
    assert error.evidence == {"named": None, "agreement": TERMS["agreement"]}

    publish(small, TERMS | {"id": "b"}, small.at + 8 * DAY_US)
    small.at += 8 * DAY_US
    error = refused(small, placing(small), errors.PolicyNotInForce)
    assert error.evidence["in_force"] == terms_digest(TERMS | {"id": "b"})


def test_without_a_trade_policy_nothing_is_ordered() -> None:
    small = Small()
    small.register("bob")

    draft = placing(small)
    error = refused(small, draft, errors.PolicyNotInForce)
    assert error.evidence == {"named": terms_digest(TERMS), "in_force": None}


def test_a_class_that_the_trade_policy_leaves_out_is_not_sold() -> None:
    small = trading()
    document = terms(classes=TERMS["classes"][1:])
    publish(small, document, small.at + 8 * DAY_US)
    small.at += 8 * DAY_US
    qualified(small, "point-card")

    draft = placing(small, terms=terms_digest(document))
    error = refused(small, draft, trade_errors.ClassWithoutTerms)
    assert error.evidence == {"line": 1, "item_class": "point-card"}


def test_an_order_is_in_one_currency_of_the_ledger_policy() -> None:
    small = trading()
    error = refused(small, placing(small, currency="ETH"), errors.UnknownCurrency)
    assert error.evidence == {"currency": "ETH"}


@pytest.mark.parametrize(
    ("u", "message"),
    [
        (0, "the key has small order"),
        (1, "the key has small order"),
        ((1 << 255) - 20, "the key has small order"),
        ((1 << 255) - 19, "the key is not canonical: u is not below p"),
        ((1 << 255) + 9, "the key is not canonical: u is not below p"),
    ],
)
def test_a_key_that_delivers_to_everybody_is_refused(u: int, message: str) -> None:
    small = trading()
    weak = b64(u.to_bytes(32, "little"))

    error = refused(small, placing(small, key=weak), errors.WeakKey)
    assert str(error) == message
    assert error.evidence == {"alg": "x25519"}


def test_a_key_is_32_bytes_and_is_kept() -> None:
    small = trading()
    error = refused(small, placing(small, key=b64(bytes(31))), errors.WeakKey)
    assert str(error) == "the key is 31 bytes, expected 32"

    small.do(placing(small, key=b64(bytes([9] + [0] * 31))))
    assert order(small).key == b64(bytes([9] + [0] * 31))


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def test_a_total_of_39_digits_is_too_large() -> None:
    small = trading()
    price = {"amount": "9" * 38, "currency": "CNY"}
    small.act("publish-listing/1", ("shop", "merchant"), **listing(CARD, price=price))
    dear = {"price": "9" * 38, "snapshot": listing_digest(listing(CARD, price=price))}
    assert small.derive(small.command(placing(small, line(ITEMS[0], **dear))))

    both = placing(small, *(line(name, **dear) for name in ITEMS[:2]))
    error = refused(small, both, errors.TooLarge)
    assert error.evidence == {"digits": 39, "most": 38}


def test_a_buyers_key_that_cools_down_places_nothing() -> None:
    small = trading()
    places = [("bob", "party"), ("bob", "new", "bob-2")]
    small.act("add-key/1", *places, key=key("bob-2"), party="bob")
    draft = small.draft("place-order/1", ("bob", "buyer", "bob-2"), **placing(small).body)

    refused(small, draft, errors.KeyCoolingDown)


# The timer


def test_an_unpaid_order_expires_on_time_and_not_a_microsecond_sooner() -> None:
    small = placed(*MIXED)
    due = order(small).pay_by
    small.at = due - 1
    with pytest.raises(trade_errors.TimerNotDue) as caught:
        small.derive(expiring(small))
    assert caught.value.evidence == {
        "stream": STREAM,
        "rule": "order-unpaid",
        "due": format_time(due),
        "at": format_time(due - 1),
    }

    small.at = due
    own, *effects = small.derive(expiring(small))
    assert own == (STREAM, "order-expired/1", {})
    assert effects == [(f"item/{name}", "item-freed/1", {}) for name in (ITEMS[1], SWORDS[0])]


@pytest.mark.parametrize("ago", [-1, 1])
def test_a_timer_of_another_time_is_not_due(ago: int) -> None:
    small = placed()
    due = order(small).pay_by
    small.at = due + HOUR_US

    with pytest.raises(trade_errors.TimerNotDue):
        small.derive(expiring(small, due + ago))


def test_a_timer_has_the_id_that_follows_from_what_is_due() -> None:
    small = placed()
    small.at = order(small).pay_by

    with pytest.raises(Malformed) as caught:
        small.derive(expiring(small, identifier="0" * 64))
    assert str(caught.value) == "command.id: is not the id of this timer"


def test_a_paid_order_does_not_expire_and_an_expired_one_not_again() -> None:
    small = placed()
    small.do(paying(small))
    assert order(small).state == PAID
    small.at = order(small).pay_by
    with pytest.raises(trade_errors.TimerNotDue):
        small.derive(expiring(small))

    small = placed()
    small.at = order(small).pay_by
    run(small, expiring(small))
    with pytest.raises(trade_errors.TimerNotDue):
        small.derive(expiring(small))


def test_nobody_but_system_lets_an_order_expire() -> None:
    small = placed()
    small.at = order(small).pay_by
    body = {"due": format_time(small.at), "order": ORDER}

    refused(small, small.draft("expire-order/1", ("eve", "system"), **body), errors.RoleMissing)


@pytest.mark.parametrize("act", [paying, confirming])
def test_what_was_never_ordered_is_not_paid(act: Any) -> None:
    small = trading()

    error = refused(small, act(small), trade_errors.UnknownOrder)
    assert error.evidence == {"order": ORDER}
