"""Chargebacks: taken out of escrow or owed by the merchant, given back, and never paid twice."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import chargeback_errors, errors, trade_errors
from ledger.rules.chargebacks import CASES_MAX
from ledger.rules.compose import Draft, uuid7
from ledger.rules.deposits import OPEN_CLAIMS
from ledger.rules.model import UNJUDGED, Fact
from ledger.rules.order_state import CHARGED_BACK, HELD, REFUNDED, RELEASED, SPLIT
from ledger.rules.trade_state import Deposit
from tests.unit.rules.depositing import HAS, deposit, depositing, funded, topped_up
from tests.unit.rules.escrowing import (
    BOTH,
    CLAIMS,
    FEE,
    accepting,
    claimed,
    closing,
    delivered,
    delivering,
    escrow,
    giving,
    lines_of,
    paid,
    posting,
    refunding,
    releasing,
)
from tests.unit.rules.ordering import ITEMS, ORDER, PRICE, STREAM, placed, renamed, run
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_escrow import inspect_by, not_due
from tests.unit.rules.test_orders import malformed, refused, reserved_for

CASES = tuple(uuid7(9_000_000, bytes([number] * 10)) for number in range(CASES_MAX + 1))
RECEIVED, ENDED = "chargeback-recorded/1", "chargeback-ended/1"


def charging(
    small: Small,
    *parts: tuple[int, int],
    case: int = 0,
    stage: str = "received",
    by: str = "ann",
    provider: str = "alipay",
) -> Draft:
    """Draft a chargeback of amounts of lines, by their numbers."""
    lines = [{"amount": str(amount), "line": line} for line, amount in parts]
    body = {"case": CASES[case], "lines": lines, "order": ORDER, "stage": stage}
    return small.draft("record-chargeback/1", (by, "cashier"), provider=provider, **body)


def ending(small: Small, stage: str, case: int = 0, provider: str = "alipay") -> Draft:
    return charging(small, case=case, stage=stage, provider=provider)


def moved(small: Small, draft: Draft) -> list[dict[str, str]]:
    """The postings of what is derived, all of which is on the order: what follows moves nothing."""
    own, *rest = small.derive(small.command(draft))
    assert (own.stream, own.type in {RECEIVED, ENDED}) == (STREAM, True)
    assert {fact.type for fact in rest} <= {"item-freed/1", "deposit-claimed/1"}
    found: list[dict[str, str]] = own.data["postings"]
    return found


def types_of(small: Small, draft: Draft) -> list[str]:
    return [fact.type for fact in small.derive(small.command(draft))]


def accepted() -> Small:
    small = delivered()
    small.do(accepting(small))
    return small


def test_what_is_held_is_taken_out_of_escrow_and_the_line_is_frozen() -> None:
    small = delivered()
    right = [posting(escrow(1), -4000), posting("external/alipay", 4000)]
    assert moved(small, charging(small, (1, 4000))) == right
    small.do(charging(small, (1, 4000)))

    line = lines_of(small)[0]
    assert (line.state, line.held, line.charged_back) == (HELD, PRICE - 4000, 4000)
    assert line.claims == (CASES[0],)
    frozen = trade_errors.ClaimOpen
    refused(small, accepting(small, 1), frozen)
    refused(small, giving(small, 5), frozen)
    not_due(small, releasing(small, inspect_by(small)))


def test_all_that_is_held_can_be_taken_and_then_nothing_is_delivered() -> None:
    small = paid()
    small.do(charging(small, (1, PRICE)))

    assert lines_of(small)[0].state == CHARGED_BACK
    error = refused(small, delivering(small, 1), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": CHARGED_BACK}
    assert reserved_for(small, ITEMS[0]) == ORDER


def test_what_was_released_is_owed_by_the_merchant_less_the_fee() -> None:
    small = accepted()
    fee = FEE - FEE * (PRICE - 4000) // PRICE
    right = [
        posting("external/alipay", 4000),
        posting("fees", -fee),
        posting("receivable/shop", fee - 4000),
    ]
    assert moved(small, charging(small, (1, 4000))) == right
    small.do(charging(small, (1, 4000)))

    line = lines_of(small)[0]
    assert (line.state, line.released, line.charged_back) == (RELEASED, PRICE - 4000, 4000)


@pytest.mark.parametrize("amount", [1, 4000, PRICE])
def test_what_is_won_goes_back_to_where_it_was_taken(amount: int) -> None:
    for small in (paid(), delivered(), accepted()):
        before = lines_of(small)[0]
        taken = moved(small, charging(small, (1, amount)))
        small.do(charging(small, (1, amount)))
        given = moved(small, ending(small, "won"))
        opposite = [{**each, "amount": str(-int(each["amount"]))} for each in taken]
        assert given == opposite
        small.do(ending(small, "won"))
        assert lines_of(small)[0] == before


def test_what_is_lost_moves_nothing_and_frees_an_item_that_was_never_delivered() -> None:
    small = paid()
    small.do(charging(small, (1, PRICE), (2, 5)))
    facts = small.derive(small.command(ending(small, "lost")))

    freed = Fact(f"item/{ITEMS[0]}", "item-freed/1", {})
    assert facts[:-1] == [Fact(STREAM, ENDED, {"postings": []}), freed]
    assert (facts[-1].stream, facts[-1].type) == ("deposit/shop", "deposit-claimed/1")
    small.do(ending(small, "lost"))
    assert reserved_for(small, ITEMS[0]) is None
    assert [line.claims for line in lines_of(small)] == [(), ()]
    assert [line.state for line in lines_of(small)] == [CHARGED_BACK, HELD]
    small.do(delivering(small, 2))


def test_an_item_is_freed_once_by_the_last_of_two_cases() -> None:
    small = paid()
    small.do(charging(small, (1, 4000)))
    small.do(charging(small, (1, PRICE - 4000), case=1))
    assert types_of(small, ending(small, "lost")) == [ENDED, "deposit-claimed/1"]
    small.do(ending(small, "lost"))
    assert reserved_for(small, ITEMS[0]) == ORDER
    small.do(ending(small, "lost", case=1))

    assert reserved_for(small, ITEMS[0]) is None


def test_a_card_that_was_delivered_is_the_buyers_whatever_is_lost() -> None:
    small = delivered()
    small.do(charging(small, (1, PRICE)))
    assert types_of(small, ending(small, "lost")) == [ENDED, "deposit-claimed/1"]


def test_what_fell_due_while_a_case_was_open_is_due_when_it_ends() -> None:
    small = delivered()
    due = inspect_by(small)
    small.do(charging(small, (1, 5)))
    small.at = due
    run(small, releasing(small, due))
    assert [line.state for line in lines_of(small)] == [HELD, RELEASED]
    small.at += HOUR_US
    small.do(ending(small, "won"))
    assert inspect_by(small) == small.at
    run(small, releasing(small, small.at))

    assert [line.state for line in lines_of(small)] == [RELEASED, RELEASED]


def test_what_was_not_delivered_while_a_case_was_open_is_refunded_when_it_is_won() -> None:
    small = paid(BOTH[0])
    small.do(charging(small, (1, PRICE)))
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due + HOUR_US
    small.do(ending(small, "won"))
    run(small, refunding(small, small.at))

    assert lines_of(small)[0].state == REFUNDED


def test_a_chargeback_and_a_refund_never_both_pay() -> None:
    small = accepted()
    small.do(giving(small, 4000))
    error = refused(small, charging(small, (1, PRICE - 3999)), chargeback_errors.ChargebackTooLarge)
    assert error.evidence == {"line": 1, "left": str(PRICE - 4000)}
    small.do(charging(small, (1, PRICE - 4000)))
    small.do(ending(small, "lost"))
    assert lines_of(small)[0].state == CHARGED_BACK
    error = refused(small, giving(small, 1), trade_errors.RefundTooLarge)
    assert error.evidence == {"line": 1, "left": "0"}


def test_a_line_that_was_split_is_split_again_when_a_case_is_won() -> None:
    small = accepted()
    small.do(giving(small, 4000))
    small.do(charging(small, (1, PRICE - 4000)))
    small.do(ending(small, "won"))
    assert lines_of(small)[0].state == SPLIT


def test_a_claim_waits_for_the_case_and_may_be_withdrawn() -> None:
    small = claimed()
    small.do(charging(small, (1, PRICE)))
    error = refused(small, closing(small, "refund"), trade_errors.ClaimOpen)
    assert error.evidence == {"line": 1, "claim": CASES[0]}
    small.do(closing(small, "none"))
    small.do(ending(small, "won"))

    assert (lines_of(small)[0].state, lines_of(small)[0].claims) == (HELD, ())


def test_a_claim_on_what_a_provider_took_frees_no_item() -> None:
    small = claimed(undelivered=True)
    small.do(charging(small, (1, PRICE)))
    small.do(ending(small, "lost"))
    assert reserved_for(small, ITEMS[0]) is None
    assert types_of(small, closing(small, "refund")) == [
        "claim-closed/1",
        "escrow-settled/1",
        "deposit-claimed/1",
    ]


def test_a_claim_and_a_case_of_a_line_never_bear_the_same_number() -> None:
    """Closing the claim would thaw what the case froze."""
    small = claimed()
    body = {"case": CLAIMS[0], "lines": [{"amount": "5", "line": 2}], "order": ORDER}
    same = {**body, "provider": "alipay", "stage": "received"}
    draft = small.draft("record-chargeback/1", ("ann", "cashier"), **same)
    error = refused(small, draft, chargeback_errors.ChargebackExists)
    assert error.evidence == {"case": CLAIMS[0]}
    small.do(charging(small, (2, 5)))
    body = {"claim": CASES[0], "kind": "key-invalid", "line": 2, "order": ORDER}
    copied = renamed(small, "open-claim/1", ("bob", "buyer"), body)
    error = refused(small, copied, trade_errors.ClaimExists)
    assert error.evidence == {"claim": CASES[0]}


@pytest.mark.parametrize("stage", ["won", "lost"])
def test_a_case_is_counted_by_its_merchants_deposit_once_until_it_ends(stage: str) -> None:
    small = delivered()
    small.do(charging(small, (1, 5), (2, 5)))
    assert deposit(small) == Deposit(claims=1)
    small.do(charging(small, (1, 5), case=1))
    assert deposit(small) == Deposit(claims=2)
    small.do(ending(small, stage))
    assert deposit(small) == Deposit(claims=1)


def test_a_deposit_is_not_paid_back_while_a_case_is_open() -> None:
    small = accepted()
    topped_up(small, "shop", HAS)
    funded(2_000, small)
    small.do(depositing(small, "request", amount=500))
    small.do(charging(small, (1, PRICE)))
    small.at += HOUR_US
    error = refused(small, depositing(small, "withdraw"), trade_errors.WithdrawalBlocked)
    assert error.evidence == {"reason": OPEN_CLAIMS, "claims": 1}
    small.do(ending(small, "won"))
    small.do(depositing(small, "withdraw"))

    assert deposit(small).reserved == ()


def test_without_accounts_what_a_case_leaves_of_a_deposit_is_unjudged() -> None:
    small = delivered()
    small.knows_accounts = lambda: False  # type: ignore[method-assign]
    unjudged = Fact("deposit/shop", "deposit-claimed/1", UNJUDGED)
    assert small.derive(small.command(charging(small, (1, 5))))[1:] == [unjudged]


@pytest.mark.parametrize("by", ["bob", "shop"])
def test_no_side_of_an_order_records_a_chargeback_of_it(by: str) -> None:
    small = delivered()
    small.grant(by, "cashier", second="eve")
    refused(small, charging(small, (1, 5), by=by), errors.WrongSigners)


def test_a_case_is_recorded_once_and_ends_once() -> None:
    small = delivered()
    small.do(charging(small, (1, 5)))
    error = refused(small, charging(small, (2, 5)), chargeback_errors.ChargebackExists)
    assert error.evidence == {"case": CASES[0]}
    error = refused(small, ending(small, "won", case=1), chargeback_errors.UnknownChargeback)
    assert error.evidence == {"case": CASES[1]}
    small.do(ending(small, "lost"))
    for stage in ("won", "lost"):
        error = refused(small, ending(small, stage), chargeback_errors.ChargebackEnded)
        assert error.evidence == {"case": CASES[0]}
    refused(small, charging(small, (1, 5)), chargeback_errors.ChargebackExists)


def test_what_was_not_paid_is_not_charged_back() -> None:
    small = placed()
    error = refused(small, charging(small, (1, 5)), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": "unfunded"}


def test_an_order_is_charged_back_eight_times_and_no_more() -> None:
    small = delivered()
    for case in range(CASES_MAX):
        small.do(charging(small, (1, 1), case=case))
    error = refused(small, charging(small, (1, 1), case=CASES_MAX), errors.TooLarge)
    assert error.evidence == {"cases": CASES_MAX, "most": CASES_MAX}


@pytest.mark.parametrize(
    ("parts", "how", "said"),
    [
        (((2, 5), (1, 5)), {}, "command.body.lines"),
        (((1, 0),), {}, "command.body.lines: holds an amount of zero"),
        ((), {}, "command.body.lines: are there exactly where a chargeback is received"),
        (((1, 5),), {"stage": "won"}, "command.body.lines: are there exactly where"),
    ],
)
def test_parts_are_named_in_order_where_a_chargeback_is_received(
    parts: tuple[tuple[int, int], ...], how: dict[str, Any], said: str
) -> None:
    small = delivered()
    assert malformed(small, charging(small, *parts, **how)).startswith(said)


def test_who_took_the_money_is_who_gives_it_back() -> None:
    small = delivered()
    small.do(charging(small, (1, 5)))
    found = malformed(small, ending(small, "won", provider="wechat"))
    assert found == "command.body.provider: is not the one that took the money"
