"""What credit, points and levels must mean together, read from plain documents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_credit import CreditMeaning
from ledger.proof.meaning_escrow import Line
from ledger.proof.meaning_money import MoneyMeaning
from ledger.proof.meaning_terms import TermsMeaning
from tests.credit import credit_body
from tests.terms import terms
from tests.unit.proof.test_meaning_shops import NOON

BEN, OWED = "credit/ben", "receivable/ben"
TYPES = {
    "grant": "credit-granted/1",
    "claw-back": "credit-clawed-back/1",
    "earn": "credit-earned/1",
    "redeem": "credit-redeemed/1",
}
Posting = tuple[str, int]


def meaning_of(*, complete: bool = True) -> CreditMeaning:
    policies = TermsMeaning()
    body = {"effective_at": None, "policy": terms(), "replaces": None}
    policies.take({"at": NOON}, {"body": body})
    return CreditMeaning(complete, policies, MoneyMeaning(complete))


def units(amount: int, unit: str = "CREDIT") -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": unit}] if amount else []


def act(
    meaning: CreditMeaning,
    kind: str,
    amount: int,
    *moved: Posting,
    by: str = "kay",
    unit: str = "CREDIT",
    stream: str = BEN,
    **says: Any,
) -> None:
    """Take an entry as the whole reading does: places, sums, and what it says."""
    postings = [
        {"account": account, "amount": str(change), "currency": unit} for account, change in moved
    ]
    after = {"held": [], "owed": [], **says}
    data = {"after": after, "postings": postings}
    document = {"at": NOON, "data": data, "stream": stream, "type": TYPES[kind]}
    command = {
        "body": credit_body("ben", amount),
        "kind": f"{kind}-credit/1",
        "signers": [{"party": by}],
    }
    meaning.check_accounts(document)
    meaning.money.take(document)
    meaning.take(document, command)


def granted(amount: int = 10_000) -> CreditMeaning:
    meaning = meaning_of()
    act(meaning, "grant", amount, (BEN, amount), ("issued", -amount), held=units(amount))
    return meaning


def broken(act: Callable[[], Any]) -> tuple[str | None, str]:
    with pytest.raises(Tampered) as caught:
        act()
    assert caught.value.step == "meaning"
    return caught.value.field, caught.value.message.partition(":")[0]


def test_what_is_taken_back_and_gone_is_owed_and_comes_off_what_is_given_next() -> None:
    meaning = granted(40)
    act(meaning, "redeem", 30, (BEN, -30), ("issued", 30), by="ben", held=units(10))
    act(meaning, "claw-back", 40, (BEN, -10), ("issued", 40), (OWED, -30), owed=units(30))
    act(meaning, "grant", 20, ("issued", -20), (OWED, 20), owed=units(10))
    act(meaning, "grant", 20, (BEN, 10), ("issued", -20), (OWED, 10), held=units(10))
    assert meaning.money.accounts[OWED]["CREDIT"] == 0


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"by": "ben"}, "another party decided about credit"),
        ({"held": units(9)}, "credit says other than it is"),
        ({"held": units(5), "owed": units(5)}, "credit says other than it is"),
        ({"unit": "CNY"}, "credit or points were mixed with money"),
        ({"unit": "POINTS", "held": units(5, "POINTS")}, "another amount of credit or points"),
        ({"stream": "credit/zoe"}, "credit or points lie elsewhere"),
    ],
)
def test_credit_is_given_by_another_as_it_was_signed(how: dict[str, Any], message: str) -> None:
    full = {"held": units(5), **how}
    found = broken(lambda: act(meaning_of(), "grant", 5, (BEN, 5), ("issued", -5), **full))
    assert found == ("credit", message)


def test_credit_is_that_of_the_member_who_is_named() -> None:
    zoe = "credit/zoe"

    def grant() -> None:
        act(meaning_of(), "grant", 5, (zoe, 5), ("issued", -5), stream=zoe, held=units(5))

    assert broken(grant) == ("credit", "another member's credit")


def test_another_amount_than_was_signed_is_found() -> None:
    def grant() -> None:
        act(meaning_of(), "grant", 5, (BEN, 6), ("issued", -6), held=units(6))

    assert broken(grant) == ("credit", "another amount of credit or points")


def test_only_a_member_itself_redeems() -> None:
    def redeem() -> None:
        act(granted(), "redeem", 5, (BEN, -5), ("issued", 5), by="kay", held=units(9_995))

    assert broken(redeem) == ("credit", "another party decided about credit")


def line(**changes: Any) -> Line:
    """A line of a price of 9,900 that was released whole."""
    ended = Line("item/cards/1", "mia", 9_900, 100, {}, released=9_900)
    return replace(ended, **changes)


def earn(meaning: CreditMeaning, amount: int, one: Line, unit: str = "CREDIT", **how: str) -> None:
    body = credit_body("ben", amount, unit, order="o") | {"line": 1}
    meaning.earn(body, how.get("buyer", "ben"), one, next(iter(meaning.terms.documents)))


def test_a_line_earns_each_unit_once_by_the_policy_of_its_order() -> None:
    meaning = meaning_of()
    earn(meaning, 99, line())
    earn(meaning, 99, line(), "POINTS")

    assert broken(lambda: earn(meaning, 99, line())) == ("credit", "a line earned credit twice")


@pytest.mark.parametrize(
    ("amount", "how", "message"),
    [
        (100, {}, "a line earned another amount"),
        (98, {}, "a line earned another amount"),
        (1, {"released": 199}, ""),
        (99, {"held": 1}, "a line earned credit before it ended"),
        (99, {"claims": {"case"}}, "a line earned credit before it ended"),
    ],
)
def test_a_line_earns_by_what_was_released_once_it_has_ended(
    amount: int, how: dict[str, Any], message: str
) -> None:
    act = lambda: earn(meaning_of(), amount, line(**how))  # noqa: E731
    if not message:
        act()
        return
    assert broken(act) == ("credit", message)


def test_the_units_have_shares_of_their_own() -> None:
    policies, other = (
        TermsMeaning(),
        terms(credit={"points_bp": 10, "points_expiry_days": 365, "purchase_bp": 200}),
    )
    policies.take({"at": NOON}, {"body": {"effective_at": None, "policy": other, "replaces": None}})
    meaning = CreditMeaning(True, policies, MoneyMeaning(True))  # noqa: FBT003
    earn(meaning, 198, line())
    earn(meaning, 9, line(), "POINTS")


def test_a_line_earns_its_buyer_alone() -> None:
    act = lambda: earn(meaning_of(), 99, line(), buyer="zoe")  # noqa: E731
    assert broken(act) == ("credit", "a line earned another party credit")


def test_what_is_earned_is_issued() -> None:
    def earned() -> None:
        act(meaning_of(), "earn", 5, (BEN, 6), ("issued", -6), held=units(6))

    act(meaning_of(), "earn", 5, (BEN, 5), ("issued", -5), held=units(5))
    assert broken(earned) == ("credit", "another amount of credit or points")


def test_nobody_owes_what_it_has() -> None:
    def claw_back() -> None:
        act(granted(5), "claw-back", 5, ("issued", 5), (OWED, -5), held=units(5), owed=units(5))

    assert broken(claw_back) == ("credit", "a member has what it owes")


def test_what_is_owed_never_turns_around() -> None:
    def grant() -> None:
        act(meaning_of(), "grant", 5, ("issued", -5), (OWED, 5))

    assert broken(grant) == ("credit", "a member has what it owes")


def test_nobody_owes_by_redeeming() -> None:
    def redeem() -> None:
        moved = ((BEN, -5), ("issued", 6), (OWED, -1))
        act(granted(5), "redeem", 6, *moved, by="ben", owed=units(1))

    assert broken(redeem) == ("credit", "what a member redeems is not owed")


@pytest.mark.parametrize(
    ("account", "unit", "message"),
    [
        ("balance/ben", "CREDIT", "credit or points were mixed with money"),
        ("issued", "CNY", "money lies among credit and points"),
        (BEN, "CNY", "money lies among credit and points"),
    ],
)
def test_no_other_entry_moves_credit_or_the_accounts_of_it(
    account: str, unit: str, message: str
) -> None:
    posting = {"account": account, "amount": "5", "currency": unit}
    document = {"data": {"postings": [posting]}, "stream": "balance/ben"}
    assert broken(lambda: meaning_of().check_accounts(document)) == ("credit", message)


def test_what_a_merchant_owes_is_money_on_other_streams() -> None:
    posting = {"account": "receivable/mia", "amount": "5", "currency": "CNY"}
    meaning_of().check_accounts({"data": {"postings": [posting]}, "stream": "order/1"})


def level(meaning: CreditMeaning, name: str) -> None:
    meaning.level({"at": NOON}, {"level": name, "party": "ben"})


def order(meaning: CreditMeaning, tier: str, buyer: str = "ben") -> None:
    document = {"at": NOON, "data": {"tier": tier}, "stream": "order/1"}
    meaning.check_tier(document, {"signers": [{"party": buyer}]})


@pytest.mark.parametrize(
    ("credit", "right"), [(9_999, "ordinary"), (10_000, "vip"), (100_000, "diamond")]
)
def test_a_member_has_the_level_that_its_credit_reaches(credit: int, right: str) -> None:
    for named in ("vip", "diamond"):
        meaning = granted(credit)
        if named == right:
            level(meaning, named)
            assert meaning.levels == {"ben": named}
        else:
            found = broken(lambda: level(meaning, named))  # noqa: B023 - called at once
            assert found == ("level", "a member has another level")


def test_a_change_of_level_is_one() -> None:
    message = "a level changed to what it was"
    assert broken(lambda: level(meaning_of(), "ordinary")) == ("level", message)
    meaning = granted()
    level(meaning, "vip")
    assert broken(lambda: level(meaning, "vip")) == ("level", message)


def test_no_level_is_made_up() -> None:
    found = ("level", "a level that no trade policy knows")
    assert broken(lambda: level(meaning_of(complete=False), "gold")) == found
    without = CreditMeaning(complete=True, terms=TermsMeaning(), money=MoneyMeaning(complete=True))
    assert broken(lambda: level(without, "vip")) == found


def test_an_order_keeps_the_level_of_its_buyer() -> None:
    meaning = granted()
    order(meaning, "ordinary")
    level(meaning, "vip")
    order(meaning, "vip")
    order(meaning, "ordinary", buyer="zoe")
    for tier, buyer in (("ordinary", "ben"), ("diamond", "ben"), ("vip", "zoe")):
        found = broken(lambda: order(meaning, tier, buyer))  # noqa: B023 - called at once
        assert found == ("level", "an order with another level")


def test_a_part_of_a_log_judges_no_more_of_credit_than_what_it_moves() -> None:
    meaning = meaning_of(complete=False)
    act(meaning, "redeem", 5, (BEN, -5), ("issued", 5), by="ben", held=units(77))
    level(meaning, "diamond")
    order(meaning, "diamond")
    assert meaning.money.accounts == {}
