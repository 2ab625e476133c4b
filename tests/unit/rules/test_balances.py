"""Balances: what comes in, what goes out, and what an account says that it holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ledger.rules import errors, money, trade_errors
from ledger.rules.compose import Draft
from ledger.rules.errors import Malformed
from ledger.rules.money import HOLDINGS_MAX
from ledger.rules.schema import MONEY, check_object
from ledger.rules.schema import policy as check_policy
from ledger.rules.trade_state import Account
from tests.money import money_body
from tests.unit.rules.small import HOUR_US, POLICY, Small, key

MOST = 10**38 - 1


def counter() -> Small:
    """A log in which `ann` is the cashier, and `shop` and `bob` have money on their minds."""
    small = Small()
    small.register("shop", "ann", "bob")
    small.grant("ann", "cashier", second="bob")
    return small


def topping_up(small: Small, amount: int, *, by: str = "ann", **changes: Any) -> Draft:
    body = money_body(changes.pop("party", "shop"), amount, **changes)
    return small.draft("top-up/1", (by, "cashier"), **body)


def paying_out(
    small: Small, amount: int, *, by: tuple[str, str] = ("shop", "ann"), **changes: Any
) -> Draft:
    places = [(by[0], "owner"), (by[1], "cashier")]
    body = money_body(changes.pop("party", "shop"), amount, **changes)
    return small.draft("pay-out/1", *places, **body)


def refused(small: Small, draft: Draft, error: type[errors.Refused]) -> errors.Refused:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    return caught.value


def malformed(small: Small, draft: Draft) -> str:
    with pytest.raises(Malformed) as caught:
        small.derive(small.command(draft))
    return str(caught.value)


def posting(account: str, amount: int) -> dict[str, str]:
    return {"account": account, "amount": str(amount), "currency": "CNY"}


def test_money_that_comes_in_is_owed_to_the_party_and_held_outside() -> None:
    small = counter()
    small.do(topping_up(small, 500, provider="wechat"))

    (fact,) = small.derive(small.command(topping_up(small, 20)))
    assert fact.stream == "balance/shop"
    assert fact.type == "balance-topped-up/1"
    assert fact.data == {
        "after": [{"amount": "520", "currency": "CNY"}],
        "postings": [posting("balance/shop", 20), posting("external/internal", -20)],
    }
    assert small.state("balance/shop") == Account((("CNY", 500),))


def test_money_goes_out_to_the_last_unit_and_no_further() -> None:
    small = counter()
    small.do(topping_up(small, 500))
    error = refused(small, paying_out(small, 501), trade_errors.BalanceTooLow)
    assert error.evidence == {"currency": "CNY", "held": "500", "asked": "501"}

    small.do(paying_out(small, 500))
    assert small.entries[-1].data == {
        "after": [],
        "postings": [posting("balance/shop", -500), posting("external/internal", 500)],
    }
    assert small.state("balance/shop") == Account()


def test_what_was_never_there_does_not_go_out() -> None:
    small = counter()

    error = refused(small, paying_out(small, 1), trade_errors.BalanceTooLow)
    assert error.evidence["held"] == "0"


def test_currencies_are_held_apart_and_sorted() -> None:
    small = counter()
    policy = dict(POLICY) | {
        "currencies": [{"currency": name, "exponent": 2} for name in ("CNY", "EUR", "USD")]
    }
    small.act(
        "publish-policy/1", ("operator", "root"), policy=policy, replaces=small.context().policy
    )
    for currency in ("USD", "CNY", "EUR"):
        small.do(topping_up(small, 7, currency=currency))
    small.do(paying_out(small, 7, currency="EUR"))

    assert small.state("balance/shop") == Account((("CNY", 7), ("USD", 7)))
    assert refused(small, paying_out(small, 8), trade_errors.BalanceTooLow)


def test_only_currencies_of_the_policy_come_in() -> None:
    small = counter()

    error = refused(small, topping_up(small, 1, currency="USD"), errors.UnknownCurrency)
    assert error.evidence == {"currency": "USD"}


def test_nothing_is_no_movement() -> None:
    small = counter()
    small.do(topping_up(small, 5))

    assert malformed(small, topping_up(small, 0)) == "command.body.amount.amount: is zero"
    assert malformed(small, paying_out(small, 0)) == "command.body.amount.amount: is zero"


def test_an_account_holds_38_digits_and_no_more() -> None:
    small = counter()
    small.do(topping_up(small, MOST - 1))
    assert small.derive(small.command(topping_up(small, 1)))

    error = refused(small, topping_up(small, 2), errors.TooLarge)
    assert error.evidence == {"digits": 39, "most": 38}


def test_an_account_holds_so_many_currencies_and_no_more() -> None:
    full = Account(tuple((f"C{number:02}", 1) for number in range(HOLDINGS_MAX)))

    with pytest.raises(errors.TooLarge) as caught:
        money.changed(full, "D", 1)
    assert caught.value.evidence == {"currencies": HOLDINGS_MAX + 1, "most": HOLDINGS_MAX}
    assert money.changed(full, "C00", 1).held("C00") == 2
    assert money.changed(full, "C00", -1).held("C00") == 0


def test_whoever_is_not_registered_has_no_balance() -> None:
    small = counter()

    refused(small, topping_up(small, 1, party="nobody"), errors.UnknownParty)


def test_a_cashier_does_not_serve_itself() -> None:
    small = counter()
    small.do(topping_up(small, 5))
    small.act("add-key/1", ("ann", "party"), ("ann", "new", "a2"), key=key("a2"), party="ann")
    small.at += HOUR_US

    error = refused(small, topping_up(small, 1, party="ann"), errors.WrongSigners)
    assert str(error) == "a cashier does not serve itself"
    places = [("ann", "owner"), ("ann", "cashier", "a2")]
    draft = small.draft("pay-out/1", *places, **money_body("ann", 1))
    assert str(refused(small, draft, errors.WrongSigners)) == "a cashier does not serve itself"


def test_nobody_takes_out_anothers_money() -> None:
    small = counter()
    small.do(topping_up(small, 5))

    error = refused(small, paying_out(small, 1, by=("bob", "ann")), errors.WrongSigners)
    assert error.evidence == {"party": "shop", "signer": "bob"}


@pytest.mark.parametrize("kind", ["top-up", "pay-out"])
def test_a_cashier_holds_the_role_and_no_key_that_cools_down(kind: str) -> None:
    small = counter()
    small.do(topping_up(small, 5))
    small.act("add-key/1", ("ann", "party"), ("ann", "new", "a2"), key=key("a2"), party="ann")
    owner = [("shop", "owner")] if kind == "pay-out" else []
    body = money_body("shop", 1)

    stranger = small.draft(f"{kind}/1", *owner, ("bob", "cashier"), **body)
    refused(small, stranger, errors.RoleMissing)
    fresh = small.draft(f"{kind}/1", *owner, ("ann", "cashier", "a2"), **body)
    refused(small, fresh, errors.KeyCoolingDown)


@pytest.mark.parametrize("kind", ["top-up", "pay-out"])
def test_no_stream_is_expected_with_it(kind: str) -> None:
    small = counter()
    small.do(topping_up(small, 5))
    draft = topping_up(small, 1) if kind == "top-up" else paying_out(small, 1)
    more = replace(draft, expect={"balance/shop": small.head("balance/shop")})

    message = "command.expect: names balance/shop, which is not asked for"
    assert malformed(small, more) == message


@pytest.mark.parametrize("unit", ["CREDIT", "POINTS"])
def test_credit_and_points_are_no_currency_of_a_policy(unit: str) -> None:
    currencies = sorted(["CNY", unit])
    policy = dict(POLICY) | {"currencies": [{"currency": c, "exponent": 2} for c in currencies]}

    with pytest.raises(Malformed) as caught:
        check_policy(policy, "policy")
    assert str(caught.value) == "policy.currencies: names one of CREDIT, POINTS"
    assert check_object({"amount": "1", "currency": unit}, MONEY, "money")
