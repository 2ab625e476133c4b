"""Claims: they freeze a line at once, and only closing the last lets money leave it."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.claims import CLAIMS_MAX
from ledger.rules.order_state import HELD, REFUNDED, RELEASED, SPLIT
from ledger.rules.text import format_time
from ledger.rules.trade_state import Claim
from tests.unit.rules.escrowing import (
    CLAIMS,
    DAY_US,
    FEE,
    HAS,
    TOTAL,
    accepting,
    balance,
    claimed,
    claiming,
    closing,
    delivered,
    delivering,
    escrow,
    holds,
    lines_of,
    paid,
    posting,
    refunding,
    releasing,
)
from tests.unit.rules.ordering import (
    ITEMS,
    ORDER,
    PRICE,
    SECOND_US,
    STREAM,
    SWORD_PRICE,
    line,
    placed,
    run,
)
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_escrow import inspect_by, not_due
from tests.unit.rules.test_orders import item, malformed, refused, reserved_for

BUYER, MERCHANT = ("bob", "buyer"), ("shop", "merchant")
NOTHING = {"claim": CLAIMS[0], "deliver_by": None, "inspect_by": None, "line": 1} | {
    "refunded": "0",
    "released": "0",
}


def settled(outcome: str, **changes: Any) -> tuple[str, str, dict[str, Any]]:
    """The effect on the order when its first claim closes."""
    return (STREAM, "escrow-settled/1", {**NOTHING, "outcome": outcome, **changes})


def counted(claims: int) -> tuple[str, str, dict[str, Any]]:
    """The effect on the deposit of a merchant that made none."""
    nothing: dict[str, Any] = {"agreed": None, "available": [], "forfeited": [], "owed": []}
    after = {**nothing, "claims": claims, "requested_at": None, "reserved": []}
    return ("deposit/shop", "deposit-claimed/1", {"after": after})


def test_a_claim_freezes_its_line_at_once() -> None:
    small = delivered()
    facts = small.derive(small.command(claiming(small)))

    assert facts == [
        (f"claim/{CLAIMS[0]}", "claim-opened/1", {}),
        (STREAM, "escrow-frozen/1", {"claim": CLAIMS[0], "line": 1}),
        counted(1),
    ]
    small.do(claiming(small))
    assert small.state(f"claim/{CLAIMS[0]}") == Claim(ORDER, 1, "key-invalid")
    assert [each.claims for each in lines_of(small)] == [(CLAIMS[0],), ()]
    assert lines_of(small)[0].held == PRICE


def test_of_a_release_and_a_claim_the_first_one_wins() -> None:
    first = delivered()
    accept, claim = first.command(accepting(first, 1)), first.command(claiming(first))
    first.append(claim, first.derive(claim))
    with pytest.raises(errors.StaleExpectation):
        first.derive(accept)
    due = first.at = inspect_by(first)
    not_due(first, releasing(first, due + 1))
    run(first, releasing(first, due))
    assert [each.state for each in lines_of(first)] == [HELD, RELEASED]

    second = delivered()
    due = second.at = inspect_by(second)
    run(second, releasing(second, due))
    error = refused(second, claiming(second), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": "released"}


def test_only_the_buyer_claims_a_paid_line_that_is_there() -> None:
    small = delivered()
    error = refused(small, claiming(small, by="eve"), trade_errors.NotBuyer)
    assert error.evidence == {"buyer": "bob", "signer": "eve"}
    error = refused(small, claiming(small, 3), trade_errors.UnknownLine)
    assert error.evidence == {"line": 3, "lines": 2}
    unpaid = placed()
    error = refused(unpaid, claiming(unpaid), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": "unfunded"}


def test_a_claim_has_a_number_of_its_own_and_a_kind_that_the_policy_takes() -> None:
    small = claimed()
    error = refused(small, claiming(small, 2), trade_errors.ClaimExists)
    assert error.evidence == {"claim": CLAIMS[0]}
    error = refused(
        small, claiming(small, claim=1, kind="stolen-item"), trade_errors.ClaimNotAccepted
    )
    assert error.evidence == {"kind": "stolen-item", "taken": "key-invalid, not-delivered"}


def test_a_line_is_claimed_eight_times_and_no_more() -> None:
    small = claimed()
    for number in range(1, CLAIMS_MAX):
        small.do(closing(small, "none", by=BUYER, claim=number - 1))
        small.do(claiming(small, claim=number))
    assert lines_of(small)[0].claimed == CLAIMS_MAX

    error = refused(small, claiming(small, claim=CLAIMS_MAX), errors.TooLarge)
    assert error.evidence == {"claims": CLAIMS_MAX, "most": CLAIMS_MAX}
    small.do(claiming(small, 2, claim=CLAIMS_MAX))


def test_a_buyer_withdraws_and_the_line_goes_on_as_before() -> None:
    small = claimed()
    due = inspect_by(small)
    small.at += HOUR_US
    facts = small.derive(small.command(closing(small, "none", by=BUYER)))

    assert facts == [
        (f"claim/{CLAIMS[0]}", "claim-closed/1", {"postings": []}),
        settled("none", inspect_by=format_time(due)),
        counted(0),
    ]
    small.do(closing(small, "none", by=BUYER))
    assert (lines_of(small)[0].claims, inspect_by(small)) == ((), due)
    assert small.state(f"claim/{CLAIMS[0]}") == Claim(ORDER, 1, "key-invalid", open=False)


def test_a_claim_that_outlasts_the_inspection_is_followed_by_a_timer_of_its_own() -> None:
    small = claimed()
    old = inspect_by(small)
    small.at = old + HOUR_US
    small.do(closing(small, "none", by=BUYER))

    assert inspect_by(small) == small.at
    not_due(small, releasing(small, old + 1))
    run(small, releasing(small, small.at))
    assert lines_of(small)[0].state == RELEASED


def test_a_claim_that_outlasts_the_time_to_deliver_is_followed_by_a_refund_of_its_own() -> None:
    """The timer of the other line has fired by then, under the id that both would have shared."""
    small = paid(line(ITEMS[0]), line(ITEMS[1]))
    small.do(claiming(small, 1, kind="not-delivered"))
    old = small.at = lines_of(small)[1].deliver_by
    assert old is not None
    run(small, refunding(small, old))
    assert [each.state for each in lines_of(small)] == [HELD, REFUNDED]
    small.at += HOUR_US
    facts = small.derive(small.command(closing(small, "none", by=BUYER)))
    assert facts[1] == settled("none", deliver_by=format_time(small.at))
    small.do(closing(small, "none", by=BUYER))

    assert lines_of(small)[0].deliver_by == small.at
    again = refunding(small, small.at)
    assert again.id != refunding(small, old).id
    run(small, again)
    assert [each.state for each in lines_of(small)] == [REFUNDED, REFUNDED]


def test_who_loses_before_an_arbitrator_has_time_to_appeal() -> None:
    small = claimed()
    small.do(closing(small, "none"))

    assert inspect_by(small) == small.at + 7 * DAY_US


def test_an_arbitrator_refunds_and_the_buyer_keeps_what_was_delivered() -> None:
    small = claimed()
    facts = small.derive(small.command(closing(small, "refund")))

    moved = [posting("balance/bob", PRICE), posting(escrow(1), -PRICE)]
    assert facts == [
        (f"claim/{CLAIMS[0]}", "claim-closed/1", {"postings": moved}),
        settled("refund", refunded=str(PRICE)),
        balance("bob", HAS - SWORD_PRICE),
        counted(0),
    ]
    small.do(closing(small, "refund"))
    line = lines_of(small)[0]
    assert (line.state, line.refunded, line.held, line.claims) == (REFUNDED, PRICE, 0, ())
    assert item(small, ITEMS[0]).owner == "bob"


def test_a_refund_of_what_was_not_delivered_frees_the_item() -> None:
    small = claimed(undelivered=True)
    small.do(closing(small, "refund", by=MERCHANT))

    assert reserved_for(small, ITEMS[0]) is None
    assert holds(small, "bob") == HAS - SWORD_PRICE


def test_a_buyer_that_is_content_releases_at_once() -> None:
    small = claimed()
    facts = small.derive(small.command(closing(small, "release", by=BUYER)))

    assert facts[1:] == [
        settled("release", released=str(PRICE)),
        balance("shop", PRICE - FEE),
        counted(0),
    ]
    small.do(closing(small, "release", by=BUYER))
    assert lines_of(small)[0].state == RELEASED


def test_an_arbitrator_splits_and_the_fee_is_of_the_merchants_part() -> None:
    small = claimed()
    facts = small.derive(small.command(closing(small, "split", to_buyer=4000)))

    rest, fee = PRICE - 4000, FEE * (PRICE - 4000) // PRICE
    assert facts[0].data["postings"] == [
        posting("balance/bob", 4000),
        posting("balance/shop", rest - fee),
        posting(escrow(1), -PRICE),
        posting("fees", fee),
    ]
    assert facts[1:] == [
        settled("split", released=str(rest), refunded="4000"),
        balance("bob", HAS - TOTAL + 4000),
        balance("shop", rest - fee),
        counted(0),
    ]
    small.do(closing(small, "split", to_buyer=4000))
    line = lines_of(small)[0]
    assert (line.state, line.released, line.refunded, line.held) == (SPLIT, rest, 4000, 0)


@pytest.mark.parametrize("to_buyer", [0, PRICE])
def test_a_split_leaves_both_with_something(to_buyer: int) -> None:
    small = claimed()

    error = refused(small, closing(small, "split", to_buyer=to_buyer), trade_errors.RefundTooLarge)
    assert error.evidence == {"line": 1, "left": str(PRICE)}


@pytest.mark.parametrize(("outcome", "to_buyer"), [("split", None), ("refund", 5), ("none", 5)])
def test_an_amount_is_named_exactly_for_a_split(outcome: str, to_buyer: int | None) -> None:
    small = claimed()

    found = malformed(small, closing(small, outcome, to_buyer=to_buyer))
    assert found == "command.body.to_buyer: is there exactly where the outcome is split"


@pytest.mark.parametrize("outcome", ["split", "release"])
def test_nothing_goes_to_the_merchant_for_what_was_not_delivered(outcome: str) -> None:
    small = claimed(undelivered=True)
    by, to_buyer = (BUYER, None) if outcome == "release" else (("rex", "arbitrator"), 5)

    draft = closing(small, outcome, by=by, to_buyer=to_buyer)
    error = refused(small, draft, trade_errors.LineNotDelivered)
    assert error.evidence == {"line": 1}


@pytest.mark.parametrize(
    ("by", "outcome", "allowed"),
    [
        (BUYER, "refund", "none, release"),
        (BUYER, "split", "none, release"),
        (MERCHANT, "none", "refund"),
        (MERCHANT, "release", "refund"),
        (("rex", "arbitrator"), "release", "none, refund, split"),
    ],
)
def test_nobody_decides_a_claim_for_the_other_side(
    by: tuple[str, str], outcome: str, allowed: str
) -> None:
    small = claimed()
    to_buyer = 5 if outcome == "split" else None

    draft = closing(small, outcome, by=by, to_buyer=to_buyer)
    error = refused(small, draft, trade_errors.OutcomeNotAllowed)
    assert error.evidence == {"outcome": outcome, "allowed": allowed}


def test_a_claim_is_closed_by_its_own_parties_or_an_arbitrator_that_is_none() -> None:
    small = claimed()
    small.grant("bob", "arbitrator", second="eve")
    small.grant("shop", "arbitrator", second="eve")

    error = refused(small, closing(small, "none", by=("eve", "buyer")), trade_errors.NotBuyer)
    assert error.evidence == {"buyer": "bob", "signer": "eve"}
    error = refused(small, closing(small, "refund", by=("eve", "merchant")), errors.WrongSigners)
    assert error.evidence == {"party": "shop", "signer": "eve"}
    for party in ("bob", "shop"):
        draft = closing(small, "refund", by=(party, "arbitrator"))
        assert refused(small, draft, errors.WrongSigners).evidence == {"signer": party}
    draft = closing(small, "refund", by=("eve", "arbitrator"))
    assert refused(small, draft, errors.RoleMissing).evidence["role"] == "arbitrator"


def test_of_two_claims_the_last_one_decides() -> None:
    small = claimed(1, 1)

    for outcome, to_buyer in (("refund", None), ("split", 5)):
        draft = closing(small, outcome, to_buyer=to_buyer)
        error = refused(small, draft, trade_errors.ClaimOpen)
        assert error.evidence == {"line": 1, "claim": CLAIMS[1]}
    small.do(closing(small, "none"))
    assert lines_of(small)[0].claims == (CLAIMS[1],)
    not_due(small, releasing(small, inspect_by(small)))
    small.do(closing(small, "refund", claim=1))
    assert lines_of(small)[0].state == REFUNDED


def test_a_claim_is_closed_once() -> None:
    small = claimed()
    error = refused(small, closing(small, "none", claim=1), trade_errors.UnknownClaim)
    assert error.evidence == {"claim": CLAIMS[1]}
    small.do(closing(small, "none"))

    error = refused(small, closing(small, "refund"), trade_errors.ClaimClosed)
    assert error.evidence == {"claim": CLAIMS[0]}


def test_what_is_delivered_while_a_claim_is_open_stays_frozen() -> None:
    small = claimed(undelivered=True)
    small.do(delivering(small, 1))
    due = inspect_by(small)
    small.at = due

    not_due(small, releasing(small, due))
    small.do(closing(small, "none", by=BUYER))
    assert inspect_by(small) == due + SECOND_US


def test_a_claim_without_remedy_on_what_was_never_delivered_leaves_the_refund_due() -> None:
    small = claimed(undelivered=True)
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due + HOUR_US
    facts = small.derive(small.command(closing(small, "none")))
    assert facts[1] == settled("none", deliver_by=format_time(small.at))
    small.do(closing(small, "none"))

    run(small, refunding(small, small.at))
    assert lines_of(small)[0].state == REFUNDED
    assert holds(small, "bob") == HAS - SWORD_PRICE


def test_a_paid_line_may_be_claimed_before_anything_is_delivered() -> None:
    small: Small = paid()
    small.do(claiming(small, kind="not-delivered"))

    assert lines_of(small)[0].claims == (CLAIMS[0],)
