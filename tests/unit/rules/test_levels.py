"""Levels of members: what credit gives them, who records them, and that an order keeps its own."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors
from ledger.rules.compose import Draft
from ledger.rules.levels import level_of
from ledger.rules.model import Fact
from ledger.rules.trade_errors import LevelDiffers, LevelUnchanged
from tests.terms import terms
from tests.unit.rules.crediting import crediting, level, levelling
from tests.unit.rules.ordering import TERMS, line, order, paying, placing, trading
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_terms import publish

DAY_US = 24 * HOUR_US


def refused(small: Small, draft: Draft, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


def member(amount: int) -> Small:
    """A log of orders whose `bob` was given so much credit."""
    small = trading()
    small.do(crediting(small, "grant", amount))
    return small


@pytest.mark.parametrize(
    ("credit", "expected"),
    [
        (0, "ordinary"),
        (9_999, "ordinary"),
        (10_000, "vip"),
        (99_999, "vip"),
        (100_000, "diamond"),
        (10**37, "diamond"),
    ],
)
def test_a_level_is_the_highest_that_credit_reaches(credit: int, expected: str) -> None:
    assert level_of(terms(), credit) == expected


def test_the_system_records_a_level_once() -> None:
    small = member(10_000)
    draft = levelling(small, "vip")
    facts = small.derive(small.command(draft))

    assert facts == [Fact("party/bob", "level-changed/1", {})]
    assert level(small) is None
    small.do(draft)
    assert level(small) == "vip"
    refused(small, levelling(small, "vip"), LevelUnchanged, party="bob", level="vip")


def test_who_was_never_given_a_level_is_in_the_lowest() -> None:
    small = trading()
    refused(small, levelling(small, "ordinary"), LevelUnchanged, party="bob", level="ordinary")


@pytest.mark.parametrize("named", ["diamond", "gold"])
def test_nobody_is_given_a_level_that_its_credit_does_not_reach(named: str) -> None:
    small = member(99_999)
    refused(small, levelling(small, named), LevelDiffers, party="bob", level="vip")


def test_points_give_no_level() -> None:
    small = trading()
    small.do(crediting(small, "grant", 10**6, "POINTS"))
    refused(small, levelling(small, "vip"), LevelDiffers, party="bob", level="ordinary")


def test_a_level_is_lost_with_the_credit_that_gave_it() -> None:
    small = member(10_000)
    small.do(levelling(small, "vip"))
    small.do(crediting(small, "claw-back", 1))
    small.do(levelling(small, "ordinary"))
    assert level(small) == "ordinary"


def test_only_a_registered_party_has_a_level() -> None:
    small = trading()
    refused(small, levelling(small, "vip", "nobody"), errors.UnknownParty, party="nobody")


def test_without_a_trade_policy_there_are_no_levels() -> None:
    small = Small().market()
    refused(small, levelling(small, "ordinary"), LevelDiffers, party="bob", level=None)


def test_a_policy_that_does_not_know_the_level_puts_its_member_in_the_lowest() -> None:
    small = member(50_000)
    small.do(levelling(small, "vip"))
    tiers = [{**each, "tier": f"new-{each['tier']}"} for each in TERMS["tiers"]]
    publish(small, {**TERMS, "tiers": tiers}, small.at + 8 * DAY_US)
    small.at += 9 * DAY_US
    lowest = "new-ordinary"
    refused(small, levelling(small, lowest), LevelUnchanged, party="bob", level=lowest)
    refused(small, levelling(small, "vip"), LevelDiffers, party="bob", level="new-vip")
    small.do(levelling(small, "new-vip"))
    assert level(small) == "new-vip"


def test_a_proof_takes_any_level_of_the_policy_in_force() -> None:
    small = member(5)
    small.knows_accounts = lambda: False  # type: ignore[method-assign]
    small.derive(small.command(levelling(small, "diamond")))
    known = "diamond,ordinary,vip"
    refused(small, levelling(small, "gold"), LevelDiffers, party="bob", level=known)


def test_an_order_keeps_the_level_that_its_buyer_had_when_it_was_placed() -> None:
    small = member(10_000)
    small.do(levelling(small, "vip"))
    small.do(placing(small, line("cards/1"), line("cards/2")))
    small.do(crediting(small, "claw-back", 10_000))
    small.do(levelling(small, "ordinary"))
    small.do(paying(small, 2 * 9900))

    assert level(small) == "ordinary"
    assert order(small).tier == "vip"


def test_an_order_is_of_the_lowest_level_where_none_was_recorded() -> None:
    small = member(10_000)
    small.do(placing(small, line("cards/1"), line("cards/2")))
    assert order(small).tier == "ordinary"
