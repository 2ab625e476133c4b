"""Recourse: what was lost by chargebacks is owed, falls due, and is taken as far as it is there."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import chargeback_errors, errors, trade_errors
from ledger.rules.deposits import OWED
from ledger.rules.model import Fact
from ledger.rules.recourse import AGAIN_US
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account, Deposit, Owed
from tests.unit.rules.depositing import deposit, depositing, funded, topped_up
from tests.unit.rules.escrowing import DAY_US, FEE, accepting, delivered, posting
from tests.unit.rules.ordering import PRICE, SWORD_PRICE, order, recovering, run
from tests.unit.rules.recovering import lost, owing, penniless
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_chargebacks import charging, ending

CNY, STREAM = "CNY", "deposit/shop"
RECEIVABLE = "receivable/shop"
NET = PRICE - FEE
PERIOD_US = DAY_US


def money(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": CNY}] if amount else []


def held(small: Small, party: str = "shop") -> int:
    found = small.state(f"balance/{party}")
    assert isinstance(found, Account)
    return found.held(CNY)


def receivable(small: Small) -> int:
    """What the entries of a log say together that `shop` owes, as a sum of postings."""
    postings = [each for one in small.entries for each in one.data.get("postings", ())]
    return -sum(int(each["amount"]) for each in postings if each["account"] == RECEIVABLE)


def refused(
    small: Small, command: Any, error: type[errors.RuleError], **evidence: Any
) -> errors.RuleError:
    with pytest.raises(error) as caught:
        small.derive(command)
    assert type(caught.value) is error
    assert getattr(caught.value, "evidence", {}) == evidence
    return caught.value


def poor(small: Small, left: int = 0, into_deposit: int = 0) -> Small:
    """Leave so much on the shop's balance, and so much in its deposit; the rest is paid out."""
    if into_deposit:
        funded(into_deposit, small)
    return penniless(small, left)


def due_of(small: Small) -> int:
    (owed,) = deposit(small).owed
    return owed.due


def falls_due(small: Small) -> int:
    small.at = due_of(small)
    return small.at


def test_what_a_merchant_lost_is_owed_for_as_long_as_the_pinned_policy_says() -> None:
    small = owing((1, PRICE))
    owed = Owed(CNY, NET, small.entries[-1].at + PERIOD_US)
    assert deposit(small) == Deposit(owed=(owed,))
    after = small.entries[-1].data["after"]
    assert after["owed"] == [{**money(NET)[0], "due": format_time(owed.due)}]
    assert receivable(small) == NET


def test_nothing_is_owed_by_what_is_won_or_was_taken_out_of_escrow() -> None:
    won = delivered()
    won.do(accepting(won))
    won.do(charging(won, (1, PRICE)))
    assert deposit(won) == Deposit(claims=1)
    won.do(ending(won, "won"))
    assert deposit(won) == Deposit()
    assert deposit(lost(delivered(), (1, PRICE))) == Deposit()


@pytest.mark.parametrize("first", [1, 2, 3333, 4901])
@pytest.mark.parametrize("won", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_cases_of_one_line_make_owed_together_what_was_lost(
    *, first: int, won: bool, later: bool
) -> None:
    small = owing((2, 77))
    small.do(charging(small, (1, first), case=1))
    small.do(charging(small, (1, 4999), case=2))
    small.do(ending(small, "won" if won else "lost", case=2 if later else 1))
    small.do(ending(small, "lost", case=1 if later else 2))
    (owed,) = deposit(small).owed
    assert (owed.amount, deposit(small).claims) == (receivable(small), 0)


def test_who_owes_already_is_given_no_further_time() -> None:
    small = owing((1, 4000))
    due = due_of(small)
    small.at += HOUR_US
    lost(small, (2, SWORD_PRICE), case=1)
    (owed,) = deposit(small).owed
    assert (owed.amount, owed.due) == (receivable(small), due)


def test_it_is_taken_from_the_balance_once_it_is_due() -> None:
    small = owing((1, PRICE))
    has, due = held(small), falls_due(small)
    own, balance = small.derive(recovering(small, due))
    assert (own.stream, own.type) == (STREAM, "recourse-taken/1")
    assert own.data["postings"] == [posting("balance/shop", -NET), posting(RECEIVABLE, NET)]
    assert own.data["after"]["owed"] == []
    assert balance == Fact("balance/shop", "balance-changed/1", {"after": money(has - NET)})

    run(small, recovering(small, due))
    assert deposit(small) == Deposit()
    assert (held(small), receivable(small)) == (has - NET, 0)


def test_what_the_balance_lacks_is_taken_from_the_deposit_and_kept() -> None:
    small = poor(owing((1, PRICE)), left=9, into_deposit=20_000)
    due = falls_due(small)
    own, _ = small.derive(recovering(small, due))
    assert own.data["postings"] == [
        posting("balance/shop", -9),
        posting(STREAM, 9 - NET),
        posting(RECEIVABLE, NET),
    ]
    run(small, recovering(small, due))
    after = deposit(small)
    assert (after.available, after.forfeited) == (((CNY, 20_009 - NET),), ((CNY, NET - 9),))
    assert after.owed == ()


def test_what_was_asked_back_is_taken_last_and_what_is_left_of_it_still_asked_for() -> None:
    small = poor(owing((1, PRICE)), into_deposit=NET)
    small.do(depositing(small, "request", amount=500))
    asked_at = small.entries[-1].at
    small = lost(small, (2, 300), case=1)
    due, extra = falls_due(small), receivable(small) - NET
    assert 0 < extra < 500
    # The deposit holds what is owed but for `extra`: topped up, so that some of it stays.
    topped_up(small, "shop", 2 * extra)
    run(small, recovering(small, due))
    after = deposit(small)
    assert (after.available, after.reserved) == ((), ((CNY, extra),))
    assert (after.requested_at, after.owed) == (asked_at, ())


def test_what_is_left_is_due_again_a_day_later_and_nothing_is_asked_for_any_more() -> None:
    small = poor(owing((1, PRICE)), into_deposit=700)
    small.do(depositing(small, "request", amount=500))
    due = falls_due(small)
    small.at += HOUR_US
    taken_at = small.at
    run(small, recovering(small, due))
    owed = Owed(CNY, NET - 700, taken_at + AGAIN_US)
    after = deposit(small)
    assert (after.owed, after.forfeited) == ((owed,), ((CNY, 700),))
    assert (after.available, after.reserved, after.requested_at) == ((), (), None)
    assert receivable(small) == NET - 700


def test_where_nothing_can_be_taken_nothing_is_recorded() -> None:
    small = poor(owing((1, PRICE)))
    error = chargeback_errors.NothingToRecover
    evidence = {"merchant": "shop", "currency": CNY, "owed": str(NET)}
    refused(small, recovering(small, falls_due(small)), error, **evidence)
    topped_up(small, "shop", 1)
    run(small, recovering(small, due_of(small)))
    assert receivable(small) == NET - 1


def test_it_is_not_taken_before_it_is_due_nor_in_a_currency_that_is_not_owed() -> None:
    small = owing((1, PRICE))
    due = due_of(small)
    small.at = due - 1
    for when, currency, merchant in (
        *((due, CNY, "shop"), (due - 1, CNY, "shop"), (due, "USD", "shop"), (due, CNY, "eve")),
    ):
        if (currency, merchant) != (CNY, "shop"):
            small.at = due
        command = recovering(small, when, currency=currency, merchant=merchant)
        evidence = {
            "stream": f"deposit/{merchant}",
            "rule": f"chargeback-owed/{currency}",
            "due": format_time(when),
            "at": format_time(small.at),
        }
        refused(small, command, trade_errors.TimerNotDue, **evidence)
    run(small, recovering(small, due))
    command = recovering(small, due)
    with pytest.raises(trade_errors.TimerNotDue):
        small.derive(command)


def test_its_command_bears_the_id_of_the_timer() -> None:
    small = owing((1, PRICE))
    command = recovering(small, falls_due(small), identifier=order(small).lines[0].snapshot)
    with pytest.raises(errors.Malformed, match=r"command\.id: is not the id of this timer"):
        small.derive(command)


def test_a_deposit_is_not_paid_back_while_its_merchant_owes() -> None:
    small = poor(owing((1, PRICE)), into_deposit=2 * NET)
    small.do(depositing(small, "request", amount=500))
    small.at += HOUR_US
    blocked = trade_errors.WithdrawalBlocked
    evidence = {"reason": OWED, "currency": CNY, "owed": str(NET)}
    command = small.command(depositing(small, "withdraw"))
    refused(small, command, blocked, **evidence)
    run(small, recovering(small, falls_due(small)))
    small.do(depositing(small, "withdraw"))
    assert held(small) == 500
