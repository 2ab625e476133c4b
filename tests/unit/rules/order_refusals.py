"""One minimal command for every refusal of the rules of orders and payments."""

from __future__ import annotations

from ledger.rules import trade_errors
from ledger.rules.digests import listing_digest, terms_digest
from ledger.rules.text import format_time
from tests.unit.rules.ordering import (
    CARD,
    ITEMS,
    ORDER,
    PRICE,
    STREAM,
    SWORDS,
    TERMS,
    expiring,
    line,
    listing,
    order,
    paying,
    placed,
    placing,
    qualified,
    trading,
)
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.small import POLICY
from tests.unit.rules.test_terms import DAY_US, publish


@refusal(trade_errors.OrderExists)
def _order_exists() -> Found:
    return expect(small := placed(), placing(small, line(ITEMS[1])), order=ORDER)


@refusal(trade_errors.UnknownOrder)
def _unknown_order() -> Found:
    return expect(small := trading(), paying(small), order=ORDER)


@refusal(trade_errors.AgreementDiffers)
def _agreement_differs() -> Found:
    small = trading()
    return expect(
        small, placing(small, agreement="0" * 64), named="0" * 64, agreement=TERMS["agreement"]
    )


@refusal(trade_errors.SnapshotDiffers)
def _snapshot_differs() -> Found:
    small = trading()
    return expect(
        small,
        placing(small, line(ITEMS[0]), line(ITEMS[1], snapshot="0" * 64)),
        line=2,
        listing=CARD,
        merchant="shop",
        snapshot=listing_digest(listing(CARD)),
    )


@refusal(trade_errors.PriceDiffers)
def _price_differs() -> Found:
    small = trading()
    return expect(
        small, placing(small, line(ITEMS[0], price="1")), line=1, named="1", price=str(PRICE)
    )


@refusal(trade_errors.CurrencyMixed)
def _currency_mixed() -> Found:
    small = trading()
    currencies = [{"currency": name, "exponent": 2} for name in ("CNY", "EUR")]
    policy = dict(POLICY) | {"currencies": currencies}
    places = [("operator", "root")]
    small.act("publish-policy/1", *places, policy=policy, replaces=small.context().policy)
    return expect(small, placing(small, currency="EUR"), line=1, currency="EUR", found="CNY")


@refusal(trade_errors.ClassWithoutTerms)
def _class_without_terms() -> Found:
    small = trading()
    document = TERMS | {"classes": TERMS["classes"][1:]}
    publish(small, document, small.at + 8 * DAY_US)
    small.at += 8 * DAY_US
    qualified(small, "point-card")
    draft = placing(small, terms=terms_digest(document))
    return expect(small, draft, line=1, item_class="point-card")


@refusal(trade_errors.GoodsDiffer)
def _goods_differ() -> Found:
    small = trading()
    goods = {"item_class": "virtual-equipment", "product": "swords"}
    return expect(small, placing(small, line(SWORDS[0])), line=1, item=SWORDS[0], **goods)


@refusal(trade_errors.ItemNotForSale)
def _item_not_for_sale() -> Found:
    small = trading()
    small.register_item("cards/9", "shop")
    return expect(small, placing(small, line("cards/9")), item="cards/9")


@refusal(trade_errors.ItemReserved)
def _item_reserved() -> Found:
    small = placed()
    other = ORDER[:-1] + "0"
    return expect(small, placing(small, order=other), item=ITEMS[0], order=ORDER)


@refusal(trade_errors.NotBuyer)
def _not_buyer() -> Found:
    return expect(small := placed(), paying(small, by="eve"), buyer="bob", signer="eve")


@refusal(trade_errors.OrderNotOpen)
def _order_not_open() -> Found:
    small = placed()
    small.do(paying(small))
    pay_by = format_time(order(small).pay_by)
    return expect(small, paying(small), order=ORDER, state="paid", pay_by=pay_by)


@refusal(trade_errors.AmountDiffers)
def _amount_differs() -> Found:
    small = placed()
    return expect(small, paying(small, PRICE + 1), total=str(PRICE), amount=str(PRICE + 1))


@refusal(trade_errors.TimerNotDue)
def _timer_not_due() -> Found:
    small = placed()
    due, at = format_time(order(small).pay_by), format_time(small.at)
    return expect(small, expiring(small), stream=STREAM, rule="order-unpaid", due=due, at=at)
