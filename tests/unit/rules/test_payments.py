"""Payments: every one is funded, late, short or surplus, and none of it is kept."""

from __future__ import annotations

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from ledger.rules import errors, trade_errors
from ledger.rules.compose import uuid7
from ledger.rules.errors import Malformed
from ledger.rules.order_state import HELD, PAID, UNFUNDED, UNPAID, Line, Order
from ledger.rules.payments import OUTCOMES, outcome_of
from ledger.rules.terms import DAY_US
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account
from tests.unit.rules.ordering import (
    ITEMS,
    ORDER,
    PRICE,
    SECOND_US,
    STREAM,
    SWORD,
    SWORD_PRICE,
    SWORDS,
    TERMS,
    confirming,
    expiring,
    line,
    order,
    paying,
    placed,
    placing,
    run,
)
from tests.unit.rules.small import HOUR_US, Small, key
from tests.unit.rules.test_orders import malformed, refused
from tests.unit.rules.test_terms import publish

BOTH = (line(ITEMS[1]), line(SWORDS[0], SWORD))
TOTAL = PRICE + SWORD_PRICE
HAS = 1_000_000


def posting(account: str, amount: int, currency: str = "CNY") -> dict[str, str]:
    return {"account": account, "amount": str(amount), "currency": currency}


def escrow(number: int) -> str:
    return f"escrow/{ORDER}/{number}"


def balance(small: Small) -> Account:
    found = small.state("balance/bob")
    assert isinstance(found, Account)
    return found


def test_a_balance_pays_every_line_into_escrow_and_the_deadlines_begin() -> None:
    small = placed(*BOTH)
    small.at += SECOND_US
    own, *effects = small.derive(small.command(paying(small, TOTAL)))

    assert (own.stream, own.type) == (STREAM, "payment-confirmed/1")
    assert own.data == {
        "deliver_by": [format_time(small.at + hours * HOUR_US) for hours in (2, 5)],
        "outcome": "funded",
        "postings": [
            posting("balance/bob", -TOTAL),
            posting(escrow(1), PRICE),
            posting(escrow(2), SWORD_PRICE),
        ],
    }
    after = {"after": [{"amount": str(HAS - TOTAL), "currency": "CNY"}]}
    assert effects == [("balance/bob", "balance-changed/1", after)]

    small.do(paying(small, TOTAL))
    assert order(small).state == PAID
    assert [each.state for each in order(small).lines] == [HELD, HELD]
    due = [each.deliver_by for each in order(small).lines]
    assert due == [small.at + hours * HOUR_US for hours in (2, 5)]
    assert balance(small) == Account((("CNY", HAS - TOTAL),))


def test_the_deadline_is_that_of_the_pinned_policy_whatever_is_in_force() -> None:
    small = placed()
    small.at = order(small).pay_by - SECOND_US
    classes = [dict(each, deliver_s=1) for each in TERMS["classes"]]
    publish(small, TERMS | {"classes": classes, "id": "b"}, small.at + 8 * DAY_US)
    small.do(paying(small))

    assert order(small).lines[0].deliver_by == small.at + 2 * HOUR_US


@pytest.mark.parametrize("amount", [PRICE - 1, PRICE + 1])
def test_a_balance_pays_the_total_and_nothing_else(amount: int) -> None:
    small = placed()

    error = refused(small, paying(small, amount), trade_errors.AmountDiffers)
    assert error.evidence == {"total": str(PRICE), "amount": str(amount)}


def test_a_balance_pays_in_the_orders_currency() -> None:
    small = placed()

    error = refused(small, paying(small, currency="ETH"), trade_errors.CurrencyMixed)
    assert error.evidence == {"currency": "CNY", "found": "ETH"}
    assert malformed(small, paying(small, 0)) == "command.body.amount.amount: is zero"


def test_only_the_buyer_pays_from_its_balance() -> None:
    small = placed()

    error = refused(small, paying(small, by="eve"), trade_errors.NotBuyer)
    assert error.evidence == {"buyer": "bob", "signer": "eve"}


def test_a_balance_that_is_too_low_pays_nothing() -> None:
    small = placed(by="eve")

    error = refused(small, paying(small, by="eve"), trade_errors.BalanceTooLow)
    assert error.evidence == {"currency": "CNY", "held": "0", "asked": str(PRICE)}


def test_a_balance_pays_once_and_in_time() -> None:
    small = placed()
    pay_by = order(small).pay_by
    small.at = pay_by - SECOND_US
    small.do(paying(small))
    assert small.at == pay_by

    error = refused(small, paying(small), trade_errors.OrderNotOpen)
    assert error.evidence == {"order": ORDER, "state": "paid", "pay_by": format_time(pay_by)}


def test_a_microsecond_too_late_a_balance_pays_nothing_though_no_timer_fired() -> None:
    small = placed()
    small.at = order(small).pay_by + 1

    error = refused(small, paying(small), trade_errors.OrderNotOpen)
    assert error.evidence["state"] == "unpaid"


def test_a_confirmed_payment_funds_without_touching_the_balance() -> None:
    small = placed(*BOTH)
    small.do(confirming(small, TOTAL))

    (entry,) = (each for each in small.entries[-1:])
    assert (entry.type, entry.effects) == ("payment-confirmed/1", 0)
    assert entry.data["postings"] == [
        posting(escrow(1), PRICE),
        posting(escrow(2), SWORD_PRICE),
        posting("external/alipay", -TOTAL),
    ]
    assert balance(small).held("CNY") == HAS
    assert order(small).state == PAID


def confirmed(small: Small, amount: int, currency: str = "CNY") -> tuple[object, object, object]:
    """Confirm a payment: its outcome, its deadlines, and what lies on the buyer's balance."""
    small.do(confirming(small, amount, currency=currency))
    own = small.entries[-2]
    assert small.entries[-1].stream == "balance/bob"
    return own.data["outcome"], own.data["deliver_by"], balance(small).held(currency)


def test_what_is_more_than_the_total_funds_and_the_rest_is_the_buyers() -> None:
    small = placed(*BOTH)
    outcome, deliver_by, held = confirmed(small, TOTAL + 7)

    assert outcome == "funded"
    assert deliver_by is not None
    assert held == HAS + 7
    assert small.entries[-2].data["postings"] == [
        posting("balance/bob", 7),
        posting(escrow(1), PRICE),
        posting(escrow(2), SWORD_PRICE),
        posting("external/alipay", -TOTAL - 7),
    ]


def test_a_second_payment_is_surplus_and_funds_nothing_again() -> None:
    small = placed()
    small.do(confirming(small))
    before = order(small)

    assert confirmed(small, PRICE) == ("surplus", None, HAS + PRICE)
    assert order(small) == before
    assert small.entries[-2].data["postings"] == [
        posting("balance/bob", PRICE),
        posting("external/alipay", -PRICE),
    ]


def test_a_short_payment_is_the_buyers_and_the_order_stays_open() -> None:
    small = placed()
    assert confirmed(small, PRICE - 1) == ("short", None, HAS + PRICE - 1)
    assert order(small).state == UNPAID
    assert [each.state for each in order(small).lines] == [UNFUNDED]

    small.do(paying(small))
    assert order(small).state == PAID


def test_another_currency_pays_nothing_of_it() -> None:
    small = placed()
    currencies = [{"currency": name, "exponent": 2} for name in ("CNY", "EUR")]
    policy = dict(small.entries[0].command.body["policy"]) | {"currencies": currencies}
    small.act(
        "publish-policy/1", ("operator", "root"), policy=policy, replaces=small.context().policy
    )

    assert confirmed(small, 10 * PRICE, "EUR") == ("short", None, 10 * PRICE)
    error = refused(small, confirming(small, currency="USD"), errors.UnknownCurrency)
    assert error.evidence == {"currency": "USD"}


@pytest.mark.parametrize("fired", [False, True])
def test_a_late_payment_is_the_buyers_whether_or_not_the_timer_fired(*, fired: bool) -> None:
    small = placed()
    small.at = order(small).pay_by
    if fired:
        run(small, expiring(small))

    assert confirmed(small, PRICE) == ("late", None, HAS + PRICE)
    assert order(small).state == ("expired" if fired else "unpaid")
    small.do(placing(small, line(ITEMS[1]), order=uuid7(1, bytes(10))))


def test_a_cashier_confirms_no_payment_of_its_own() -> None:
    small = placed(by="ann")

    error = refused(small, confirming(small), errors.WrongSigners)
    assert str(error) == "a cashier does not serve itself"
    assert malformed(placed(), confirming(small, 0)) == "command.body.amount.amount: is zero"


def test_a_key_that_cools_down_moves_no_money() -> None:
    small = placed()
    for party in ("ann", "bob"):
        places = [(party, "party"), (party, "new", f"{party}-2")]
        small.act("add-key/1", *places, key=key(f"{party}-2"), party=party)

    for draft, place in (
        (paying(small), ("bob", "buyer", "bob-2")),
        (confirming(small), ("ann", "cashier", "ann-2")),
    ):
        fresh = small.draft(draft.kind, place, **draft.body)
        refused(small, fresh, errors.KeyCoolingDown)


def test_the_buyer_relies_on_the_order_and_the_cashier_on_nothing() -> None:
    small = placed()
    assert list(paying(small).expect) == [STREAM]
    assert list(confirming(small).expect) == []


def test_money_of_39_digits_is_not_taken_into_a_balance() -> None:
    small = placed()

    error = refused(small, confirming(small, 10**38 - 1), errors.TooLarge)
    assert error.evidence == {"digits": 39, "most": 38}


MONEY = st.integers(1, 400)
STATES = st.sampled_from(["unpaid", "paid", "expired"])


@examples(state=STATES, at=st.integers(0, 20), prices=st.lists(MONEY, min_size=1), amount=MONEY)
def test_every_payment_has_exactly_one_outcome(
    state: str, at: int, prices: list[int], amount: int
) -> None:
    lines = tuple(Line("a/b", "a/l", "shop", "c", price, 0, "") for price in prices)
    found = Order("bob", None, "", "CNY", "ordinary", lines, 10, state)
    open_ = state == "unpaid" and at <= 10

    outcome = outcome_of(found, at, "CNY", amount)
    assert outcome in OUTCOMES
    assert (outcome == "funded") == (open_ and amount >= sum(prices))
    assert (outcome == "short") == (open_ and amount < sum(prices))
    assert (outcome == "surplus") == (state == "paid")
    assert outcome_of(found, at, "EUR", amount) == (
        "short" if open_ else "surplus" if state == "paid" else "late"
    )


def test_money_comes_by_a_known_provider() -> None:
    small = placed()
    draft = confirming(small, provider="bank")
    with pytest.raises(Malformed) as caught:
        small.derive(small.command(draft))
    assert str(caught.value) == ("command.body.provider: is not one of alipay, internal, wechat")
