"""What claims must mean together, read from plain documents."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.meaning_claims import ClaimsMeaning
from ledger.proof.meaning_escrow import EscrowMeaning
from tests.unit.proof.test_meaning_escrow import (
    DUE,
    FEE,
    INSPECT_BY,
    delivered,
    ordered,
    paid,
    postings,
    release,
    said,
)
from tests.unit.proof.test_meaning_orders import NAME, NOON, ORDER, POLICY, broken, later

ONE, TWO = "01930000-0000-7000-8000-0000000000c1", "01930000-0000-7000-8000-0000000000c2"
CLAIM = f"claim/{ONE}"
BUYER, MERCHANT, ARBITRATOR = ("bob", "buyer"), ("mia", "merchant"), ("rex", "arbitrator")
REFUNDED = {"balance/bob": 9900, f"escrow/{ORDER}/1": -9900}
ACCEPTED = {"balance/mia": 9900 - FEE, f"escrow/{ORDER}/1": -9900, "fees": FEE}


def claims_on(escrow: EscrowMeaning) -> ClaimsMeaning:
    return ClaimsMeaning(escrow.orders.complete, escrow)


def open_claim(
    meaning: ClaimsMeaning,
    claim: str = ONE,
    *,
    line: int = 1,
    by: str = "bob",
    stream: str | None = None,
    kind: str = "key-invalid",
) -> None:
    body = {"claim": claim, "kind": kind, "line": line, "order": ORDER}
    document = {"at": NOON, "stream": stream or f"claim/{claim}"}
    meaning.open(document, {"body": body, "signers": [{"party": by, "role": "buyer"}]})


def follow(meaning: ClaimsMeaning, **data: Any) -> None:
    meaning.follow({"data": data, "stream": NAME})


def claimed(*claims: str, escrow: EscrowMeaning | None = None) -> ClaimsMeaning:
    """Bob claims the first line of what was delivered to him."""
    meaning = claims_on(escrow or delivered())
    for claim in claims or (ONE,):
        open_claim(meaning, claim)
        follow(meaning, claim=claim, line=1)
        meaning.end()
    return meaning


def close(
    meaning: ClaimsMeaning,
    outcome: str,
    moved: dict[str, int] | None = None,
    *,
    by: tuple[str, str] = ARBITRATOR,
    claim: str = ONE,
    **how: Any,
) -> None:
    body = {"claim": claim, "outcome": outcome, "to_buyer": how.get("to_buyer")}
    document = {
        "at": how.get("at", NOON),
        "data": {"postings": postings(moved or {})},
        "stream": f"claim/{claim}",
    }
    command = {"body": body, "signers": [{"party": by[0], "role": by[1]}]}
    meaning.close(document, command)


def settle(meaning: ClaimsMeaning, outcome: str, claim: str = ONE, **data: Any) -> None:
    times = {"deliver_by": None, "inspect_by": None}
    same = {"claim": claim, **times, "line": 1, "refunded": "0", "released": "0"}
    follow(meaning, **{**same, "outcome": outcome, **data})


def test_a_claim_freezes_and_its_refund_ends_it() -> None:
    meaning = claimed()
    assert meaning.escrow.lines[NAME][0].claims == {ONE}
    close(meaning, "refund", REFUNDED)
    settle(meaning, "refund", refunded="9900")
    meaning.end()

    line = meaning.escrow.lines[NAME][0]
    assert (line.claims, line.held, line.refunded) == (set(), 0, 9900)


def test_a_buyer_withdraws_or_accepts() -> None:
    meaning = claimed()
    close(meaning, "none", by=BUYER)
    settle(meaning, "none", inspect_by=INSPECT_BY)
    release(meaning.escrow, 1, moved=ACCEPTED)

    meaning = claimed()
    close(meaning, "release", ACCEPTED, by=BUYER)
    settle(meaning, "release", released="9900")
    assert meaning.escrow.lines[NAME][0].released == 9900


def test_a_split_gives_each_side_its_part() -> None:
    meaning = claimed()
    fee = FEE * 9000 // 9900
    moved = {"balance/bob": 900, "balance/mia": 9000 - fee, f"escrow/{ORDER}/1": -9900, "fees": fee}
    close(meaning, "split", moved, to_buyer="900")
    settle(meaning, "split", refunded="900", released="9000")
    meaning.end()

    line = meaning.escrow.lines[NAME][0]
    assert (line.held, line.refunded, line.released) == (0, 900, 9000)


def test_who_loses_before_an_arbitrator_may_appeal_before_the_release() -> None:
    week = later(7 * 86_400)
    meaning = claimed()
    close(meaning, "none")
    settle(meaning, "none", inspect_by=week)

    act = lambda: release(meaning.escrow, 1, kind="release-lines/1", at=INSPECT_BY)  # noqa: E731
    assert broken("release", act) == ("a release before its time", said(week), said(INSPECT_BY))


def test_a_claim_that_outlasts_the_inspection_ends_it() -> None:
    meaning = claimed()
    late = later(3 * 86_400 + 5)
    close(meaning, "none", by=BUYER, at=late)
    settle(meaning, "none", inspect_by=late)
    meaning.end()

    assert str(meaning.escrow.lines[NAME][0].inspect_by) == said(late)


def test_a_refund_of_what_was_not_delivered_frees_the_item() -> None:
    meaning = claimed(escrow=paid())
    close(meaning, "refund", REFUNDED, by=MERCHANT)
    settle(meaning, "refund", refunded="9900")

    found = broken("order", meaning.escrow.orders.end)
    assert found == ("an item did not follow its order", "item-freed/1", "item/cards/1")


def test_a_withdrawal_of_what_was_not_delivered_leaves_all_as_it_was() -> None:
    meaning = claimed(escrow=paid())
    close(meaning, "none")
    settle(meaning, "none", deliver_by=DUE[0])
    meaning.escrow.orders.end()

    assert meaning.escrow.lines[NAME][0].inspect_by is None


def test_who_withdraws_when_the_time_to_deliver_is_over_has_the_refund_due_now() -> None:
    meaning = claimed(escrow=paid())
    late = later(9 * 86_400)
    close(meaning, "none", at=late)
    settle(meaning, "none", deliver_by=late)

    assert str(meaning.escrow.lines[NAME][0].deliver_by) == said(late)


def test_a_claim_is_opened_once_on_its_own_stream() -> None:
    twice = "a claim was opened twice"
    assert broken("claims", lambda: open_claim(claimed())) == (twice, ONE, CLAIM)
    act = lambda: open_claim(claimed(), TWO, stream=CLAIM)  # noqa: E731
    assert broken("claims", act) == (twice, TWO, CLAIM)
    act = lambda: open_claim(claims_on(delivered()), TWO, stream=CLAIM)  # noqa: E731
    assert broken("claims", act) == (twice, TWO, CLAIM)


def test_the_buyer_alone_claims_what_is_held() -> None:
    found = broken("claims", lambda: open_claim(claims_on(delivered()), by="mia"))
    assert found == ("another party claimed", "bob", "mia")
    found = broken("claims", lambda: open_claim(claims_on(ordered())))
    assert found == ("a claim on what holds nothing", None, "item/cards/1")
    found = broken("delivery", lambda: open_claim(claims_on(delivered()), line=3))
    assert found == ("a line that was never ordered", "2", "3")


def test_a_claim_is_of_a_kind_that_the_orders_policy_takes() -> None:
    kinds = POLICY["claims"]["kinds"]
    found = broken("claims", lambda: open_claim(claims_on(delivered()), kind="stolen-item"))
    assert found == ("a claim that the trade policy does not take", str(kinds), "stolen-item")


def test_the_order_says_at_once_that_a_line_is_frozen() -> None:
    meaning = claims_on(delivered())
    open_claim(meaning)
    found = broken("claims", meaning.end)
    assert found == ("a claim and its order does not say so", NAME, None)

    wrong = {"claim": ONE, "line": 2}
    message, expected, found = broken("claims", lambda: follow(meaning, **wrong))
    assert message == "an order says another thing of a claim"
    assert (expected, found) == (str((NAME, {**wrong, "line": 1})), str((NAME, wrong)))


def test_an_order_says_nothing_of_its_own_accord() -> None:
    wrong = {"claim": ONE, "line": 1}

    message, expected, _ = broken("claims", lambda: follow(claimed(), **wrong))
    assert (message, expected) == ("an order says another thing of a claim", None)


def test_a_proof_need_not_show_what_the_order_says() -> None:
    meaning = claims_on(delivered(complete=False))
    open_claim(meaning)
    meaning.end()

    assert meaning.due is None


def test_a_claim_is_closed_once() -> None:
    meaning = claimed()
    found = broken("claims", lambda: close(meaning, "none", claim=TWO))
    assert found == ("what was closed is not open", TWO, f"claim/{TWO}")
    close(meaning, "refund", REFUNDED)
    found = broken("claims", lambda: close(meaning, "none"))
    assert found == ("what was closed is not open", ONE, CLAIM)


@pytest.mark.parametrize(
    ("by", "outcome"),
    [
        (BUYER, "refund"),
        (BUYER, "split"),
        (MERCHANT, "none"),
        (MERCHANT, "release"),
        (MERCHANT, "split"),
        (ARBITRATOR, "release"),
    ],
)
def test_nobody_decides_for_the_other_side(by: tuple[str, str], outcome: str) -> None:
    found = broken("claims", lambda: close(claimed(), outcome, by=by))
    assert found == ("an outcome for the other side to choose", by[1], outcome)


def test_a_claim_is_closed_by_its_parties_or_an_arbitrator_that_is_none() -> None:
    for role, right in (("buyer", "bob"), ("merchant", "mia")):
        act = lambda role=role: close(claimed(), "none", by=("eve", role))  # noqa: E731
        assert broken("claims", act) == ("another party closed a claim", right, "eve")
    for party in ("bob", "mia"):
        act = lambda party=party: close(claimed(), "refund", by=(party, "arbitrator"))  # noqa: E731
        assert broken("claims", act) == ("a party to a claim decided it", None, party)


@pytest.mark.parametrize("outcome", ["refund", "split"])
def test_money_leaves_with_the_last_claim_alone(outcome: str) -> None:
    meaning = claimed(ONE, TWO)
    found = broken("claims", lambda: close(meaning, outcome))
    assert found == ("money left while a claim is open", None, TWO)

    close(meaning, "none")
    settle(meaning, "none", inspect_by=later(7 * 86_400))
    close(meaning, "refund", REFUNDED, claim=TWO)
    settle(meaning, "refund", TWO, refunded="9900")


@pytest.mark.parametrize(
    ("outcome", "by", "to_buyer"), [("release", BUYER, None), ("split", ARBITRATOR, "900")]
)
def test_no_claim_pays_for_what_was_not_delivered(
    outcome: str, by: tuple[str, str], to_buyer: str | None
) -> None:
    meaning = claimed(escrow=paid())

    found = broken("claims", lambda: close(meaning, outcome, by=by, to_buyer=to_buyer))
    assert found == ("a claim paid for what was not delivered", None, "item/cards/1")


@pytest.mark.parametrize("to_buyer", [None, "0", "9900"])
def test_a_split_leaves_both_with_something(to_buyer: str | None) -> None:
    found = broken("claims", lambda: close(claimed(), "split", to_buyer=to_buyer))
    assert found == ("a split gives one side all", "9900", to_buyer or "0")


@pytest.mark.parametrize(
    ("outcome", "by", "moved"),
    [
        ("none", BUYER, REFUNDED),
        ("refund", ARBITRATOR, {}),
        ("refund", MERCHANT, ACCEPTED),
        ("release", BUYER, {**ACCEPTED, "balance/mia": 9900, "fees": 0}),
    ],
)
def test_money_goes_where_the_outcome_says(
    outcome: str, by: tuple[str, str], moved: dict[str, int]
) -> None:
    message, *_ = broken("claims", lambda: close(claimed(), outcome, moved, by=by))
    assert message == "escrow went elsewhere"
