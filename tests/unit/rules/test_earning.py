"""Earning: what a line of an order gives its buyer, once it has ended and once alone."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.commands import Command
from ledger.rules.earning import earned
from ledger.rules.model import Fact
from ledger.rules.order_state import HELD, Line
from ledger.rules.trade_state import Credit
from tests.terms import terms
from tests.unit.rules.crediting import credit, crediting, earning
from tests.unit.rules.escrowing import accepting, delivered, lines_of
from tests.unit.rules.ordering import run
from tests.unit.rules.small import Small
from tests.unit.rules.test_credit import STREAM, posting, units

PRICE = 9_900
EARNED = PRICE * 100 // 10_000


def ended() -> Small:
    small = delivered()
    small.do(accepting(small))
    return small


def refused(
    small: Small, command: Command, error: type[errors.RuleError], **evidence: Any
) -> errors.RuleError:
    with pytest.raises(error) as caught:
        small.derive(command)
    assert type(caught.value) is error
    assert getattr(caught.value, "evidence", {}) == evidence
    return caught.value


def test_what_was_released_earns_credit_and_points_by_the_policy_of_the_order() -> None:
    small = ended()
    assert lines_of(small)[0].released == PRICE
    facts = small.derive(earning(small, EARNED))

    data = {
        "after": {"held": units(CREDIT=EARNED), "owed": []},
        "postings": [posting(STREAM, EARNED), posting("issued", -EARNED)],
    }
    assert facts == [Fact(STREAM, "credit-earned/1", data)]
    run(small, earning(small, EARNED))
    run(small, earning(small, EARNED, "POINTS"))
    assert credit(small) == Credit((("CREDIT", EARNED), ("POINTS", EARNED)))


def test_what_is_earned_comes_off_what_is_owed_first() -> None:
    small = ended()
    small.do(crediting(small, "claw-back", EARNED - 1))
    run(small, earning(small, EARNED))
    assert credit(small) == Credit((("CREDIT", 1),))


@pytest.mark.parametrize("amount", [EARNED - 1, EARNED + 1])
def test_a_line_earns_exactly_its_share(amount: int) -> None:
    small = ended()
    refused(
        small,
        earning(small, amount),
        trade_errors.CreditNotEarned,
        line=1,
        unit="CREDIT",
        earned=str(EARNED),
    )


def test_a_line_earns_nothing_until_it_has_ended() -> None:
    small = delivered()
    error = trade_errors.CreditNotEarned
    refused(small, earning(small, EARNED), error, line=1, unit="CREDIT", earned="0")


def test_nothing_is_not_earned_either() -> None:
    small = delivered()
    error = trade_errors.CreditNotEarned
    refused(small, earning(small, 0), error, line=1, unit="CREDIT", earned="0")


def test_it_is_for_the_buyer_alone() -> None:
    small = ended()
    strange = earning(small, EARNED, party="eve")
    refused(small, strange, trade_errors.NotBuyer, buyer="bob", signer="eve")


def test_the_id_of_the_command_follows_from_line_and_unit() -> None:
    small = ended()
    other = earning(small, EARNED, identifier=earning(small, EARNED, "POINTS").id)
    found = refused(small, other, errors.Malformed)
    assert str(found) == "command.id: is not the id of what this line earns"


def test_there_is_such_a_line() -> None:
    small = ended()
    refused(small, earning(small, 1, line=3), trade_errors.UnknownLine, line=3, lines=2)


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ({"state": "released", "released": PRICE}, EARNED),
        ({"state": "refunded", "refunded": PRICE}, 0),
        ({"state": "split", "released": 150, "refunded": PRICE - 150}, 1),
        ({"state": "released", "released": 99}, 0),
        ({"state": "released", "released": PRICE, "claims": ("case",)}, 0),
        ({"state": HELD, "released": 5_000}, 0),
    ],
)
def test_a_line_earns_by_what_its_merchant_kept(line: dict[str, Any], right: int) -> None:
    one = Line("cards/1", "cards/gift", "shop", "card", PRICE, 10, "", **line)
    assert earned(one, terms(), "CREDIT") == right


def test_the_two_shares_are_the_policys_own() -> None:
    one = Line("cards/1", "cards/gift", "shop", "card", PRICE, 10, "", "released", released=PRICE)
    policy = terms(credit={"points_bp": 1_000, "points_expiry_days": 1, "purchase_bp": 0})

    assert [earned(one, policy, unit) for unit in ("CREDIT", "POINTS")] == [0, 990]
    assert earned(one, None, "POINTS") == 0
