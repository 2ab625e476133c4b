"""Deposits: agreed, funded, asked back, and paid back when nothing stands against it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.compose import Draft
from ledger.rules.deposits import BELOW_MINIMUM, COOL_DOWN, OPEN_CLAIMS
from ledger.rules.digests import terms_digest
from ledger.rules.model import UNJUDGED, Fact
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account, Agreed, Deposit
from tests.terms import terms
from tests.unit.rules.depositing import (
    HAS,
    TERMS_DIGEST,
    asked,
    deposit,
    depositing,
    funded,
    rich,
    topped_up,
)
from tests.unit.rules.escrowing import claimed, claiming, closing
from tests.unit.rules.ordering import qualified
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_terms import publish

CNY = "CNY"
DAY_US = 24 * HOUR_US
AGREED = Agreed(TERMS_DIGEST, 3600, ())
WAIT_US = HOUR_US


def refused(
    small: Small, draft: Draft, error: type[errors.RuleError], **evidence: Any
) -> errors.RuleError:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert getattr(caught.value, "evidence", {}) == evidence
    return caught.value


def money(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": CNY}] if amount else []


def moved(amount: int) -> list[dict[str, str]]:
    sides = (("balance/shop", -amount), ("deposit/shop", amount))
    return [{"account": name, "amount": str(sum_), "currency": CNY} for name, sum_ in sides]


def held(small: Small) -> tuple[tuple[str, int], ...]:
    found = small.state("balance/shop")
    assert isinstance(found, Account)
    return found.holdings


def test_a_merchant_agrees_to_what_the_trade_policy_in_force_says_of_deposits() -> None:
    small = rich()
    draft = depositing(small, "agree", terms=TERMS_DIGEST)
    after = {
        "agreed": {"cool_down_s": 3600, "minimum": [], "terms": TERMS_DIGEST},
        **{"available": [], "claims": 0, "forfeited": [], "owed": []},
        **{"requested_at": None, "reserved": []},
    }

    facts = [Fact("deposit/shop", "deposit-agreed/1", {"after": after})]
    assert small.derive(small.command(draft)) == facts
    small.do(draft)
    assert deposit(small) == Deposit(agreed=AGREED)


def test_what_was_agreed_is_kept_when_the_policy_changes_and_may_be_agreed_anew() -> None:
    small = funded()
    shop = terms()["merchant"]
    asks = {"blocked_if": ["open-claims"], "cool_down_s": 9, "minimum": money(700)}
    labels = [{"deposit_min": money(700), "label": "gold", "origin": None}]
    later = terms(id="b", merchant={**shop, "deposit": asks, "labels": labels})
    publish(small, later, small.at + 8 * DAY_US)
    not_yet = depositing(small, "agree", terms=terms_digest(later))
    in_force = {"named": terms_digest(later), "in_force": TERMS_DIGEST}
    refused(small, not_yet, errors.PolicyNotInForce, **in_force)

    small.at += 8 * DAY_US
    assert deposit(small).agreed == AGREED
    small.do(depositing(small, "agree", terms=terms_digest(later)))
    assert deposit(small).agreed == Agreed(terms_digest(later), 0, ((CNY, 700),))
    assert deposit(small).available == ((CNY, 2_000),)


def test_money_moves_from_the_balance_to_the_deposit() -> None:
    small = funded(0 + 2_000)
    fact, balance = small.derive(small.command(depositing(small, "fund", amount=5)))

    assert (fact.stream, fact.type) == ("deposit/shop", "deposit-changed/1")
    assert fact.data["postings"] == moved(5)
    assert fact.data["after"]["available"] == money(2_005)
    assert balance == Fact("balance/shop", "balance-changed/1", {"after": money(HAS - 2_005)})


def test_what_was_asked_for_is_no_longer_available_and_can_be_taken_back() -> None:
    small = asked()
    assert deposit(small) == Deposit(
        ((CNY, 1_500),), ((CNY, 500),), agreed=AGREED, requested_at=small.entries[-1].at
    )
    small.at += 1
    small.do(depositing(small, "request", amount=None))
    assert deposit(small) == Deposit(((CNY, 2_000),), agreed=AGREED)


def test_all_of_a_deposit_can_be_asked_for_and_is_paid_back() -> None:
    small = asked(2_000)
    assert (deposit(small).available, deposit(small).reserved) == ((), ((CNY, 2_000),))
    small.at += WAIT_US
    facts = small.derive(small.command(depositing(small, "withdraw")))
    small.do(depositing(small, "withdraw"))

    assert [each.type for each in facts] == ["deposit-changed/1", "balance-changed/1"]
    assert facts[0].data["postings"] == moved(-2_000)
    assert deposit(small) == Deposit(agreed=AGREED)
    assert held(small) == ((CNY, HAS),)


def test_a_deposit_is_paid_back_after_its_cool_down_and_not_a_microsecond_before() -> None:
    small = asked()
    due = small.entries[-1].at + WAIT_US
    small.at = due - 1
    blocked = trade_errors.WithdrawalBlocked
    late = {"reason": COOL_DOWN, "due": format_time(due)}
    refused(small, depositing(small, "withdraw"), blocked, **late)
    small.at = due
    small.do(depositing(small, "withdraw"))

    assert deposit(small).requested_at is None


def test_a_deposit_is_not_paid_back_while_a_claim_is_open() -> None:
    small = claimed()
    topped_up(small, "shop", HAS)
    funded(2_000, small)
    small.do(depositing(small, "request", amount=500))
    small.at += WAIT_US
    blocked, why = trade_errors.WithdrawalBlocked, {"reason": OPEN_CLAIMS, "claims": 1}
    refused(small, depositing(small, "withdraw"), blocked, **why)
    small.do(closing(small, "none", by=("bob", "buyer")))
    small.do(depositing(small, "withdraw"))

    assert deposit(small) == Deposit(((CNY, 1_500),), agreed=AGREED)


def test_open_claims_are_counted_whether_or_not_there_is_a_deposit() -> None:
    small = claimed()
    small.do(claiming(small, 2, claim=1))
    assert deposit(small) == Deposit(claims=2)
    small.do(closing(small, "none", by=("bob", "buyer")))
    assert deposit(small) == Deposit(claims=1)


def with_minimum() -> Small:
    """Let the shop agree to a policy that asks for 700, and deposit 1,000."""
    small = rich()
    shop = terms()["merchant"]
    asks = {**shop["deposit"], "minimum": money(700)}
    later = terms(id="b", merchant={**shop, "deposit": asks, "labels": []})
    publish(small, later, small.at + 8 * DAY_US)
    small.at += 8 * DAY_US
    qualified(small, "point-card")
    small.do(depositing(small, "agree", terms=terms_digest(later)))
    small.do(depositing(small, "fund", amount=1_000))
    return small


def test_who_still_sells_leaves_the_minimum_and_who_sells_no_more_leaves_with_all() -> None:
    small = with_minimum()
    small.do(depositing(small, "request", amount=301))
    small.at += WAIT_US
    blocked = trade_errors.WithdrawalBlocked
    least = {"currency": CNY, "left": "699", "minimum": "700"}
    refused(small, depositing(small, "withdraw"), blocked, reason=BELOW_MINIMUM, **least)
    small.at += 48 * HOUR_US
    small.do(depositing(small, "withdraw"))

    assert deposit(small).available == ((CNY, 699),)


def test_the_minimum_itself_may_be_left() -> None:
    small = with_minimum()
    small.do(depositing(small, "request", amount=300))
    small.at += WAIT_US
    small.do(depositing(small, "withdraw"))

    assert deposit(small).available == ((CNY, 700),)


@pytest.mark.parametrize("what", ["agree", "fund", "request", "withdraw"])
def test_only_the_merchant_decides_about_its_deposit(what: str) -> None:
    small = asked()
    body = {"agree": {"terms": TERMS_DIGEST}, "withdraw": {}}.get(what, {"amount": 5})
    who = {"party": "shop", "signer": "eve"}
    refused(small, depositing(small, what, by="eve", **body), errors.WrongSigners, **who)
    stranger = depositing(small, what, by="bob", **body, merchant="bob")
    refused(small, stranger, trade_errors.UnknownMerchant, merchant="bob")


@pytest.mark.parametrize("what", ["fund", "request"])
def test_nothing_is_no_amount(what: str) -> None:
    small = funded()
    with pytest.raises(errors.Malformed) as caught:
        small.derive(small.command(depositing(small, what, amount=0)))
    assert str(caught.value) == "command.body.amount.amount: is zero"


def test_a_deposit_is_funded_from_what_the_merchant_has() -> None:
    small = funded()
    more = {"currency": CNY, "held": "1000", "asked": "1001"}
    draft = depositing(small, "fund", amount=1_001)
    refused(small, draft, trade_errors.BalanceTooLow, **more)


def test_before_entry_of_a_trade_policy_nobody_agrees_to_one() -> None:
    small = rich()
    named = {"named": "0" * 64, "in_force": TERMS_DIGEST}
    draft = depositing(small, "agree", terms="0" * 64)
    refused(small, draft, errors.PolicyNotInForce, **named)


def test_a_proof_derives_a_claim_without_what_a_deposit_holds() -> None:
    small = claimed()
    command = small.command(claiming(small, 2, claim=1))
    known = small.derive(command)
    small.knows_accounts = lambda: False  # type: ignore[method-assign]
    asked_for: list[str] = []
    stream = small.stream
    small.stream = lambda name: asked_for.append(name) or stream(name)  # type: ignore[method-assign,func-returns-value]

    unjudged = small.derive(command)
    assert unjudged[:-1] == known[:-1]
    assert unjudged[-1] == Fact("deposit/shop", "deposit-claimed/1", UNJUDGED)
    assert "deposit/shop" not in asked_for
