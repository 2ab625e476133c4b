"""Escrow: what is held leaves once, to whom it belongs, and never while it is frozen."""

from __future__ import annotations

import pytest

from ledger.rules import trade_errors
from ledger.rules.errors import Malformed, Refused
from ledger.rules.order_state import HELD, REFUNDED, RELEASED, Line
from ledger.rules.state import Stream
from ledger.rules.text import format_time
from tests.unit.rules.escrowing import (
    BOTH,
    FEE,
    HAS,
    INSPECT_US,
    SWORD_FEE,
    TOTAL,
    accepting,
    balance,
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
    PRICE,
    SECOND_US,
    STREAM,
    SWORD_PRICE,
    SWORDS,
    order,
    placed,
    run,
)
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_orders import item, malformed, refused, reserved_for

CLAIM = "0190a8c3-5a77-7d2e-8f6b-3a9f4f2d9c10"


def claimed(small: Small, number: int) -> Small:
    """Freeze a line by hand."""
    state = order(small)
    lines = list(state.lines)
    lines[number - 1] = lines[number - 1]._replace(claims=(CLAIM,))
    head = small.streams[STREAM].head
    small.streams[STREAM] = Stream(head, state._replace(lines=tuple(lines)))
    return small


def inspect_by(small: Small, number: int = 1) -> int:
    due = lines_of(small)[number - 1].inspect_by
    assert due is not None
    return due


def not_due(small: Small, command: object) -> Refused:
    with pytest.raises(trade_errors.TimerNotDue) as caught:
        small.derive(command)  # type: ignore[arg-type]
    return caught.value


def test_what_the_buyer_accepts_goes_to_the_merchant_less_the_fee() -> None:
    small = delivered()
    own, *effects = small.derive(small.command(accepting(small)))

    fees = FEE + SWORD_FEE
    assert own == (
        STREAM,
        "escrow-released/1",
        {
            "lines": [1, 2],
            "postings": [
                posting("balance/shop", TOTAL - fees),
                posting(escrow(1), -PRICE),
                posting(escrow(2), -SWORD_PRICE),
                posting("fees", fees),
            ],
        },
    )
    assert effects == [balance("shop", TOTAL - fees)]

    small.do(accepting(small))
    assert [(each.state, each.released, each.held) for each in lines_of(small)] == [
        (RELEASED, PRICE, 0),
        (RELEASED, SWORD_PRICE, 0),
    ]
    assert holds(small, "shop") == TOTAL - fees


def test_a_line_is_accepted_alone_and_once() -> None:
    small = delivered()
    small.do(accepting(small, 2))
    assert [each.state for each in lines_of(small)] == [HELD, RELEASED]
    assert lines_of(small)[0].held == PRICE

    error = refused(small, accepting(small), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 2, "state": "released"}
    small.do(accepting(small, 1))
    assert holds(small, "shop") == TOTAL - FEE - SWORD_FEE


def test_only_the_buyer_accepts_and_only_what_was_delivered() -> None:
    small = paid()
    error = refused(small, accepting(small, by="eve"), trade_errors.NotBuyer)
    assert error.evidence == {"buyer": "bob", "signer": "eve"}
    small.do(delivering(small, 1))

    error = refused(small, accepting(small), trade_errors.LineNotDelivered)
    assert error.evidence == {"line": 2}
    error = refused(small, accepting(small, 3), trade_errors.UnknownLine)
    assert error.evidence == {"line": 3, "lines": 2}


@pytest.mark.parametrize("numbers", [(2, 1), (2, 2)])
def test_accepted_lines_ascend(numbers: tuple[int, ...]) -> None:
    small = delivered()

    found = malformed(small, accepting(small, *numbers))
    assert found == "command.body.lines: is not sorted by line, each once"


def test_a_frozen_line_is_not_accepted_and_the_other_is() -> None:
    small = claimed(delivered(), 2)

    error = refused(small, accepting(small), trade_errors.ClaimOpen)
    assert error.evidence == {"line": 2, "claim": CLAIM}
    small.do(accepting(small, 1))
    assert [each.state for each in lines_of(small)] == [RELEASED, HELD]


def test_when_the_time_to_inspect_is_over_a_timer_releases() -> None:
    small = delivered()
    due = inspect_by(small)
    small.at = due - 1
    command = releasing(small, due)
    assert not_due(small, command).evidence == {
        "stream": STREAM,
        "rule": "order-inspected",
        "due": format_time(due),
        "at": format_time(due - 1),
    }
    small.at = due

    own, *_ = small.derive(command)
    assert (own.type, own.data["lines"]) == ("escrow-released/1", [1, 2])
    run(small, command)
    assert [each.state for each in lines_of(small)] == [RELEASED, RELEASED]
    assert holds(small, "shop") == TOTAL - FEE - SWORD_FEE
    not_due(small, releasing(small, due))


def test_a_timer_takes_the_lines_of_its_time_and_leaves_frozen_and_accepted_ones() -> None:
    small = paid()
    small.do(delivering(small, 1))
    small.at += HOUR_US
    small.do(delivering(small, 2))
    first, second = inspect_by(small, 1), inspect_by(small, 2)
    small.at = second

    assert run(small, releasing(small, first)).kind == "release-lines/1"
    assert [each.state for each in lines_of(small)] == [RELEASED, HELD]
    claimed(small, 2)
    not_due(small, releasing(small, second))


def test_a_timer_signs_with_its_own_id() -> None:
    small = delivered()
    due = small.at = inspect_by(small)
    command = releasing(small, due)
    other = small.command(small.draft("release-lines/1", ("system", "system"), **command.body))

    with pytest.raises(Malformed, match="is not the id of this timer"):
        small.derive(other)


def test_what_is_not_delivered_in_time_goes_back_and_the_item_is_free() -> None:
    small = paid()
    first, second = (each.deliver_by for each in lines_of(small))
    assert first is not None
    assert second is not None
    small.at = first
    own, *effects = small.derive(refunding(small, first))

    assert own == (
        STREAM,
        "escrow-refunded/1",
        {
            "lines": [{"amount": str(PRICE), "line": 1}],
            "postings": [posting("balance/bob", PRICE), posting(escrow(1), -PRICE)],
        },
    )
    assert effects == [(f"item/{ITEMS[0]}", "item-freed/1", {}), balance("bob", HAS - SWORD_PRICE)]

    run(small, refunding(small, first))
    assert [(each.state, each.refunded, each.held) for each in lines_of(small)] == [
        (REFUNDED, PRICE, 0),
        (HELD, 0, SWORD_PRICE),
    ]
    assert reserved_for(small, ITEMS[0]) is None
    assert reserved_for(small, SWORDS[0]) is not None
    not_due(small, refunding(small, first))
    small.at = second
    run(small, refunding(small, second))
    assert holds(small, "bob") == HAS


def test_a_delivered_line_is_not_refunded_by_the_timer_of_delivery() -> None:
    small = paid(BOTH[0], dict(BOTH[0], item=ITEMS[1]))
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.do(delivering(small, 2))
    small.at = due
    own, *effects = small.derive(refunding(small, due))

    assert own.data["lines"] == [{"amount": str(PRICE), "line": 1}]
    assert [each.type for each in effects] == ["item-freed/1", "balance-changed/1"]
    run(small, refunding(small, due))
    assert item(small, ITEMS[1]).owner == "bob"


def test_a_frozen_undelivered_line_waits_for_its_claim() -> None:
    small = claimed(paid(), 1)
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due

    not_due(small, refunding(small, due))


def test_nothing_is_released_or_refunded_before_it_was_paid() -> None:
    small = placed(*BOTH)
    small.at += INSPECT_US

    error = refused(small, accepting(small), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": "unfunded"}
    not_due(small, releasing(small, small.at))
    not_due(small, refunding(small, small.at))


def test_a_proof_derives_the_same_facts_without_what_balances_hold() -> None:
    small = delivered()
    small.at += SECOND_US
    command = small.command(accepting(small))
    known = small.derive(command)
    small.knows_accounts = lambda: False  # type: ignore[method-assign]

    unjudged = small.derive(command)
    assert unjudged[0] == known[0]
    assert [fact[:2] for fact in unjudged] == [fact[:2] for fact in known]
    assert unjudged[1].data == {"unjudged": None}


def test_the_fee_is_of_all_that_was_released_and_never_a_sum_of_roundings() -> None:
    line = Line("i/1", "l/1", "shop", "point-card", 10, 7, "s", HELD)

    assert [line.fee_on(amount) for amount in range(11)] == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6, 7]
