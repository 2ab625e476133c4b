"""Refunds by a merchant: never more than the price, and no rounding that drifts."""

from __future__ import annotations

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from ledger.rules import errors, trade_errors
from ledger.rules.order_state import HELD, REFUNDED, RELEASED, SPLIT, Line
from tests.unit.rules.escrowing import (
    BOTH,
    FEE,
    HAS,
    TOTAL,
    accepting,
    balance,
    claiming,
    delivered,
    escrow,
    giving,
    holds,
    lines_of,
    paid,
    posting,
    refunding,
)
from tests.unit.rules.ordering import ITEMS, PRICE, STREAM, SWORD_PRICE, order, placed, run
from tests.unit.rules.test_orders import item, malformed, refused, reserved_for


def test_a_merchant_refunds_a_part_out_of_escrow_and_the_rest_stays_held() -> None:
    small = delivered()
    own, *effects = small.derive(small.command(giving(small, 900)))

    assert own == (
        STREAM,
        "escrow-refunded/1",
        {
            "lines": [{"amount": "900", "line": 1}],
            "postings": [posting("balance/bob", 900), posting(escrow(1), -900)],
        },
    )
    assert effects == [balance("bob", HAS - TOTAL + 900)]

    small.do(giving(small, 900))
    line = lines_of(small)[0]
    assert (line.state, line.refunded, line.held) == (HELD, 900, PRICE - 900)


def test_what_is_left_is_released_with_the_fee_of_what_is_left() -> None:
    small = delivered()
    small.do(giving(small, 900))
    small.do(accepting(small, 1))

    fee = FEE * (PRICE - 900) // PRICE
    assert holds(small, "shop") == PRICE - 900 - fee
    line = lines_of(small)[0]
    assert (line.state, line.released, line.refunded, line.held) == (SPLIT, PRICE - 900, 900, 0)


def test_the_last_refund_takes_the_whole_rest_and_ends_the_line() -> None:
    small = delivered()
    for amount in (1, 2, PRICE - 3):
        small.do(giving(small, amount))

    assert (lines_of(small)[0].state, lines_of(small)[0].refunded) == (REFUNDED, PRICE)
    assert holds(small, "bob") == HAS - SWORD_PRICE
    assert item(small, ITEMS[0]).owner == "bob"
    error = refused(small, giving(small, 1), trade_errors.RefundTooLarge)
    assert error.evidence == {"line": 1, "left": "0"}


def test_no_more_is_refunded_than_the_line_has_left() -> None:
    small = delivered()
    error = refused(small, giving(small, PRICE + 1), trade_errors.RefundTooLarge)
    assert error.evidence == {"line": 1, "left": str(PRICE)}
    small.do(giving(small, 900))
    small.do(accepting(small, 1))

    error = refused(small, giving(small, PRICE - 899), trade_errors.RefundTooLarge)
    assert error.evidence == {"line": 1, "left": str(PRICE - 900)}


def test_a_refund_after_the_release_comes_from_the_merchant_and_returns_the_fee() -> None:
    small = delivered()
    small.do(accepting(small, 1))
    own, *effects = small.derive(small.command(giving(small, PRICE)))

    assert own.data["postings"] == [
        posting("balance/bob", PRICE),
        posting("balance/shop", FEE - PRICE),
        posting("fees", -FEE),
    ]
    assert [each.stream for each in effects] == ["balance/bob", "balance/shop"]
    small.do(giving(small, PRICE))
    line = lines_of(small)[0]
    assert (line.state, line.released, line.refunded) == (REFUNDED, 0, PRICE)
    assert (holds(small, "shop"), holds(small, "bob")) == (0, HAS - SWORD_PRICE)


def test_a_merchant_without_the_money_refunds_nothing() -> None:
    small = delivered()
    small.do(accepting(small, 1))
    money = {"amount": {"amount": "9000", "currency": "CNY"}, "party": "shop"}
    places = [("shop", "owner"), ("ann", "cashier")]
    small.act("pay-out/1", *places, **money, provider="alipay")

    error = refused(small, giving(small, PRICE), trade_errors.BalanceTooLow)
    assert error.evidence == {
        "currency": "CNY",
        "held": str(PRICE - FEE - 9000),
        "asked": str(PRICE - FEE),
    }


def test_what_was_not_delivered_and_is_refunded_whole_is_for_sale_again() -> None:
    small = paid()
    small.do(giving(small, 900))
    assert reserved_for(small, ITEMS[0]) is not None
    own, *effects = small.derive(small.command(giving(small, PRICE - 900)))

    assert [each.type for each in (own, *effects)] == [
        "escrow-refunded/1",
        "item-freed/1",
        "balance-changed/1",
    ]
    small.do(giving(small, PRICE - 900))
    assert reserved_for(small, ITEMS[0]) is None


def test_a_timer_refunds_what_a_refund_has_left() -> None:
    small = paid()
    small.do(giving(small, 900))
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due
    run(small, refunding(small, due))

    assert (lines_of(small)[0].state, lines_of(small)[0].refunded) == (REFUNDED, PRICE)
    assert holds(small, "bob") == HAS - SWORD_PRICE


def test_only_the_lines_merchant_refunds_in_the_orders_currency_what_was_paid() -> None:
    small = delivered()
    error = refused(small, giving(small, 1, by="eve"), errors.WrongSigners)
    assert error.evidence == {"party": "shop", "signer": "eve"}
    error = refused(small, giving(small, 1, currency="ETH"), trade_errors.CurrencyMixed)
    assert error.evidence == {"currency": "CNY", "found": "ETH"}
    error = refused(small, giving(small, 1, 3), trade_errors.UnknownLine)
    assert error.evidence == {"line": 3, "lines": 2}
    assert malformed(small, giving(small, 0)) == "command.body.amount.amount: is zero"

    unpaid = placed(*BOTH)
    error = refused(unpaid, giving(unpaid, 1), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": "unfunded"}


def test_a_frozen_line_is_not_refunded() -> None:
    small = delivered()
    small.do(claiming(small))

    refused(small, giving(small, 1), trade_errors.ClaimOpen)
    small.do(giving(small, 1, 2))
    assert order(small).lines[1].refunded == 1


@examples(st.data())
def test_however_a_price_is_refunded_and_released_no_unit_is_made_or_lost(
    data: st.DataObject,
) -> None:
    price = data.draw(st.integers(1, 10_000))
    fee = data.draw(st.integers(0, price))
    line = Line("i/1", "l/1", "shop", "point-card", price, fee, "s", HELD)
    merchant = fees = 0
    for _ in range(data.draw(st.integers(0, 5))):
        if line.state == HELD and data.draw(st.booleans()):
            merchant, fees = line.held - line.fee_on(line.held), line.fee_on(line.held)
            line = line.settled(released=line.held)
        left = line.held or line.released
        if left:
            amount = data.draw(st.integers(1, left))
            if line.state != HELD:
                back = line.fee_on(line.released) - line.fee_on(line.released - amount)
                merchant, fees = merchant - (amount - back), fees - back
            line = line.paid_back(amount)
        assert line.refunded + line.held + merchant + fees == price
        assert merchant + fees == line.released
        assert fees == line.fee_on(line.released)
    if line.refunded == price:
        assert (merchant, fees, line.state) == (0, 0, REFUNDED)
    elif not line.held:
        assert line.state == (SPLIT if line.refunded else RELEASED)


@pytest.mark.parametrize("amount", [1, PRICE])
def test_a_refund_lets_nobody_else_gain(amount: int) -> None:
    small = delivered()
    before = holds(small, "bob") + sum(each.held for each in lines_of(small))
    small.do(giving(small, amount))

    assert holds(small, "bob") + sum(each.held for each in lines_of(small)) == before
