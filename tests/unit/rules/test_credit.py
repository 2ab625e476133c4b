"""Credit and points: given, redeemed, taken back, and owed where they were gone."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules import errors
from ledger.rules.compose import Draft
from ledger.rules.kinds import kind_of
from ledger.rules.model import Fact
from ledger.rules.schema import check_object
from ledger.rules.trade_errors import CreditTooLow
from ledger.rules.trade_state import Credit
from tests.credit import credit_body
from tests.unit.rules.crediting import credit, crediting, redeeming
from tests.unit.rules.ordering import trading
from tests.unit.rules.small import Small

STREAM = "credit/bob"


def refused(
    small: Small, draft: Draft, error: type[errors.RuleError], **evidence: Any
) -> errors.RuleError:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert getattr(caught.value, "evidence", {}) == evidence
    return caught.value


def units(**amounts: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": unit} for unit, amount in amounts.items()]


def posting(account: str, amount: int, unit: str = "CREDIT") -> dict[str, str]:
    return {"account": account, "amount": str(amount), "currency": unit}


def test_what_is_given_is_issued_and_lies_on_the_members_account() -> None:
    small = trading()
    facts = small.derive(small.command(crediting(small, "grant", 40)))

    after = {"held": units(CREDIT=40), "owed": []}
    postings = [posting(STREAM, 40), posting("issued", -40)]
    data = {"after": after, "postings": postings}
    assert facts == [Fact(STREAM, "credit-granted/1", data)]
    small.do(crediting(small, "grant", 40))
    assert credit(small) == Credit((("CREDIT", 40),))


def test_credit_and_points_are_counted_apart() -> None:
    small = trading()
    small.do(crediting(small, "grant", 40))
    small.do(crediting(small, "grant", 7, "POINTS"))
    refused(small, redeeming(small, 8, "POINTS"), CreditTooLow, unit="POINTS", held="7", asked="8")
    small.do(redeeming(small, 7, "POINTS"))

    assert credit(small) == Credit((("CREDIT", 40),))
    assert small.entries[-1].type == "credit-redeemed/1"
    assert small.entries[-1].data["postings"] == [
        posting(STREAM, -7, "POINTS"),
        posting("issued", 7, "POINTS"),
    ]


def test_what_cannot_be_taken_back_is_owed() -> None:
    small = trading()
    small.do(crediting(small, "grant", 40))
    facts = small.derive(small.command(crediting(small, "claw-back", 100)))

    after = {"held": [], "owed": units(CREDIT=60)}
    postings = [posting(STREAM, -40), posting("issued", 100), posting("receivable/bob", -60)]
    data = {"after": after, "postings": postings}
    assert facts == [Fact(STREAM, "credit-clawed-back/1", data)]


def test_what_is_owed_comes_off_what_is_given_next() -> None:
    small = trading()
    small.do(crediting(small, "claw-back", 60))
    small.do(crediting(small, "grant", 50))
    assert credit(small) == Credit((), (("CREDIT", 10),))
    assert small.entries[-1].data["postings"] == [
        posting("issued", -50),
        posting("receivable/bob", 50),
    ]
    small.do(crediting(small, "grant", 50))
    assert credit(small) == Credit((("CREDIT", 40),))
    assert small.entries[-1].data["postings"] == [
        posting(STREAM, 40),
        posting("issued", -50),
        posting("receivable/bob", 10),
    ]


def test_what_is_owed_of_a_unit_takes_nothing_of_the_other() -> None:
    small = trading()
    small.do(crediting(small, "claw-back", 60, "POINTS"))
    small.do(crediting(small, "grant", 50))
    assert credit(small) == Credit((("CREDIT", 50),), (("POINTS", 60),))


def test_a_member_redeems_no_more_than_it_has_and_only_its_own() -> None:
    small = trading()
    small.do(crediting(small, "grant", 40))
    refused(small, redeeming(small, 41), CreditTooLow, unit="CREDIT", held="40", asked="41")
    refused(small, redeeming(small, 1, by="eve"), errors.WrongSigners, party="bob", signer="eve")
    small.do(redeeming(small, 40))
    assert credit(small) == Credit()


@pytest.mark.parametrize("kind", ["grant", "claw-back"])
def test_a_cashier_decides_about_other_registered_parties(kind: str) -> None:
    small = trading()
    own = crediting(small, kind, 1, party="ann")
    refused(small, own, errors.WrongSigners, party="ann", signer="ann")
    nobody = crediting(small, kind, 1, party="nobody")
    refused(small, nobody, errors.UnknownParty, party="nobody")


def test_nothing_is_not_given_nor_taken() -> None:
    small = trading()
    for draft in (
        crediting(small, "grant", 0),
        crediting(small, "claw-back", 0),
        redeeming(small, 0),
    ):
        found = refused(small, draft, errors.Malformed)
        assert str(found) == "command.body.amount: is zero"


def test_a_member_never_has_or_owes_39_digits() -> None:
    small = trading()
    small.do(crediting(small, "grant", 10**38 - 1))
    refused(small, crediting(small, "grant", 1), errors.TooLarge, digits=39, most=38)
    small.do(crediting(small, "claw-back", 10**38 - 1))
    small.do(crediting(small, "claw-back", 10**38 - 1))
    refused(small, crediting(small, "claw-back", 1), errors.TooLarge, digits=39, most=38)


def test_money_is_neither_credit_nor_points() -> None:
    body = credit_body("bob", 1, "CNY", source="campaign")
    with pytest.raises(errors.Malformed) as caught:
        check_object(body, kind_of("grant-credit/1").body, "command.body")
    assert str(caught.value) == "command.body.unit: is not one of CREDIT, POINTS"


@given(st.lists(st.tuples(st.sampled_from(("grant", "claw-back")), st.integers(1, 9)), max_size=6))
def test_what_a_member_has_less_what_it_owes_is_what_was_given_less_what_was_taken(
    acts: list[tuple[str, int]],
) -> None:
    small = trading()
    right = 0
    for kind, amount in acts:
        small.do(crediting(small, kind, amount))
        right += amount if kind == "grant" else -amount
        found = credit(small)
        assert (dict(found.held), dict(found.owed)) == (
            {"CREDIT": right} if right > 0 else {},
            {"CREDIT": -right} if right < 0 else {},
        )
