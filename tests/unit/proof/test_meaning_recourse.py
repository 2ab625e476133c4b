"""What recourse must mean: what was lost is owed, due, and taken as far as it is there."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ledger.proof.meaning_deposits import DepositsMeaning
from tests.unit.proof.test_meaning_deposits import (
    AGREED,
    DUE,
    NOON,
    asked,
    broken,
    document,
    funded,
    meaning_of,
    money,
    move,
)

# A day after noon, as the policy of the tests says; and a microsecond before.
WHEN, BEFORE = "2026-12-02T12:00:00.000000Z", "2026-12-02T11:59:59.999999Z"
AGAIN = "2026-12-03T12:00:00.000000Z"


def owing(meaning: DepositsMeaning, amount: int, *, has: int = 0) -> DepositsMeaning:
    """Let mia owe so much since noon, and have so much on its balance."""
    meaning.owe("mia", "CNY", amount, NOON, AGREED["terms"])
    meaning.money.accounts["balance/mia"] = Counter(CNY=has)
    return meaning


def said(amount: int, due: str = WHEN) -> list[dict[str, str]]:
    return [{**money(amount)[0], "due": due}]


def take(
    meaning: DepositsMeaning,
    from_balance: int,
    from_deposit: int = 0,
    *,
    at: str = WHEN,
    due: str = WHEN,
    currency: str = "CNY",
    **after: Any,
) -> None:
    """Let so much be taken, as the entry says, and the deposit be said to be `after`."""
    amounts = {"balance": -from_balance, "deposit": -from_deposit}
    amounts["receivable"] = from_balance + from_deposit
    postings = [
        {"account": f"{room}/mia", "amount": str(amount), "currency": currency}
        for room, amount in amounts.items()
        if amount
    ]
    entry = document(at, **{"agreed": AGREED, **after})
    entry["data"]["postings"] = postings
    meaning.recover(entry, {"currency": currency, "due": due, "merchant": "mia"})
    for each in postings:
        held = meaning.money.accounts.setdefault(each["account"], Counter())
        held[each["currency"]] += int(each["amount"])
    meaning.check_said(entry, "mia")


def test_what_is_owed_is_said_with_its_due_and_who_owes_already_gets_no_further_time() -> None:
    meaning = meaning_of()
    meaning.count("mia", -1)
    meaning.owe("mia", "CNY", 40, NOON, AGREED["terms"])
    meaning.claimed(document(claims=-1, owed=said(40)))
    meaning.count("mia", 1)
    meaning.owe("mia", "CNY", 2, DUE, AGREED["terms"])
    found = broken(lambda: meaning.claimed(document(owed=said(42, AGAIN))))
    assert found == (
        "a deposit says other than it is: owed",
        str(said(42)),
        str(said(42, AGAIN)),
    )


def test_it_is_taken_from_the_balance_first_and_then_from_the_deposit_for_good() -> None:
    take(owing(funded(), 40, has=40), 40, available=money(1_000))
    take(owing(funded(), 40, has=9), 9, 31, available=money(969), forfeited=money(31))
    for first, second in ((0, 40), (9, 30), (8, 32), (41, 0), (0, 0), (10, 30)):
        found = broken(lambda a=first, b=second: take(owing(funded(), 40, has=9), a, b))
        assert found[0] == "recourse took other money than there is"


def test_what_was_asked_for_is_taken_last() -> None:
    meaning = owing(asked(), 800)
    more = {"forfeited": money(800), "requested_at": NOON}
    take(meaning, 0, 800, reserved=money(200), **more)
    assert meaning.available("mia")["CNY"] == 0
    found = broken(lambda: take(owing(asked(), 700), 0, 700, reserved=money(299), **more))
    assert found[0] == "a deposit says other than it is: forfeited"


def test_where_all_of_it_is_taken_nothing_is_asked_for_and_the_rest_is_due_a_day_later() -> None:
    meaning = owing(asked(), 1_200)
    take(meaning, 0, 1_000, forfeited=money(1_000), owed=said(200, AGAIN))
    meaning.money.accounts["balance/mia"]["CNY"] = 5
    rest = {"forfeited": money(1_000), "owed": said(195, "2026-12-04T12:00:00.000000Z")}
    take(meaning, 5, at=AGAIN, due=AGAIN, **rest)


@pytest.mark.parametrize(
    ("how", "right", "found"),
    [
        ({"at": BEFORE}, WHEN, WHEN),
        ({"due": BEFORE}, WHEN, BEFORE),
        ({"due": AGAIN, "at": AGAIN}, WHEN, AGAIN),
        ({"currency": "USD"}, None, WHEN),
    ],
)
def test_it_is_taken_when_it_is_due_and_nothing_else_is(
    how: dict[str, str], right: str | None, found: str
) -> None:
    meaning = owing(funded(), 40, has=40)
    assert broken(lambda: take(meaning, 40, **how)) == ("recourse that was not due", right, found)


def test_nothing_is_recovered_where_nothing_is_there_or_owed() -> None:
    message = "recourse took other money than there is"
    assert broken(lambda: take(owing(meaning_of(), 40), 0)) == (message, "[]", "[]")
    found = broken(lambda: take(funded(), 0, 5))
    assert found == ("recourse that was not due", None, WHEN)


def test_a_deposit_is_not_paid_back_while_its_merchant_owes() -> None:
    meaning = owing(asked(), 40)
    found = broken(lambda: move(meaning, -300, at=DUE, available=money(700), owed=said(40)))
    assert found == ("a deposit was paid back while its merchant owes", None, "mia")


def test_a_part_of_a_log_judges_no_recourse() -> None:
    take(meaning_of(complete=False), 5, 7, at=BEFORE)
