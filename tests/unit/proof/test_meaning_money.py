"""What movements of money must mean together, read from plain documents."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_money import MoneyMeaning

OWN, OUTSIDE = "balance/shop", "external/alipay"


def money(amount: int, currency: str = "CNY") -> dict[str, str]:
    return {"amount": str(amount), "currency": currency}


def entry(
    *postings: tuple[str, int], after: list[dict[str, str]], currency: str = "CNY"
) -> dict[str, Any]:
    written = [{"account": account, **money(amount, currency)} for account, amount in postings]
    return {"data": {"after": after, "postings": written}, "stream": OWN}


def broken(meaning: MoneyMeaning, document: dict[str, Any]) -> tuple[Any, ...]:
    with pytest.raises(Tampered) as caught:
        meaning.take(document)
    error = caught.value
    assert (error.step, error.field) == ("meaning", "money")
    return error.message, error.expected, error.found


def test_money_that_comes_and_goes_is_added_up() -> None:
    meaning = MoneyMeaning(complete=True)
    meaning.take(entry((OWN, 70), (OUTSIDE, -70), after=[money(70)]))
    second = [money(70), money(5, "ETH")]
    meaning.take(entry((OWN, 5), (OUTSIDE, -5), after=second, currency="ETH"))
    meaning.take(entry((OWN, -70), ("external/wechat", 70), after=[money(5, "ETH")]))

    assert meaning.accounts[OWN] == {"CNY": 0, "ETH": 5}
    assert meaning.accounts[OUTSIDE] == {"CNY": -70, "ETH": -5}


@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("amount", [-69, -71])
def test_postings_sum_to_nothing(amount: int, complete: bool) -> None:  # noqa: FBT001
    document = entry((OWN, 70), (OUTSIDE, amount), after=[money(70)])

    found = broken(MoneyMeaning(complete=complete), document)
    assert found == ("postings in CNY do not sum to nothing", "0", str(70 + amount))


def test_one_currency_does_not_pay_for_another() -> None:
    document = entry((OWN, 70), (OUTSIDE, -70), after=[money(70)])
    document["data"]["postings"][1]["currency"] = "ETH"

    found = broken(MoneyMeaning(complete=True), document)
    assert found == ("postings in CNY do not sum to nothing", "0", "70")


@pytest.mark.parametrize("complete", [True, False])
def test_a_posting_of_nothing_is_none(complete: bool) -> None:  # noqa: FBT001
    document = entry((OWN, 0), (OUTSIDE, 0), after=[])

    assert broken(MoneyMeaning(complete=complete), document) == ("a posting of nothing", None, OWN)


@pytest.mark.parametrize(
    "postings", [((OUTSIDE, -70), (OWN, 70)), ((OWN, 70), (OWN, -70)), ((OWN, 70), (OWN, 70))]
)
def test_postings_are_sorted_and_name_an_account_once(postings: Any) -> None:
    document = entry(*postings, after=[money(70)])

    message, expected, found = broken(MoneyMeaning(complete=True), document)
    assert message == "postings are not sorted, each account once"
    places = [(account, "CNY") for account, _ in postings]
    assert (expected, found) == (str(sorted(set(places))), str(places))


def test_a_balance_never_falls_below_zero() -> None:
    meaning = MoneyMeaning(complete=True)
    meaning.take(entry((OWN, 70), (OUTSIDE, -70), after=[money(70)]))
    document = entry((OWN, -71), (OUTSIDE, 71), after=[])

    assert broken(meaning, document) == ("balance/shop falls below zero", "0", "-1")


@pytest.mark.parametrize("after", [[], [money(71)], [money(70, "ETH")]])
def test_what_an_account_is_said_to_hold_is_the_sum_of_its_postings(after: Any) -> None:
    document = entry((OWN, 70), (OUTSIDE, -70), after=after)

    message = "an account holds another amount"
    found = broken(MoneyMeaning(complete=True), document)
    assert found == (message, str([money(70)]), str(after))


def test_an_account_that_no_posting_names_holds_nothing() -> None:
    document = entry((OUTSIDE, -70), ("external/wechat", 70), after=[money(70)])

    found = broken(MoneyMeaning(complete=True), document)
    assert found == ("an account changed that no posting names", None, OWN)


def test_of_a_partial_log_no_sums_are_judged() -> None:
    meaning = MoneyMeaning(complete=False)
    meaning.take(entry((OWN, -70), (OUTSIDE, 70), after=[money(30)]))

    assert meaning.accounts == {}


ORDER = "order/0190a8c3-5a77-7d2e-8f6b-3a9f4f2d9c10"


def moved(*postings: tuple[str, int]) -> dict[str, Any]:
    """An entry on another stream than the accounts that it moves money between."""
    found = entry(*postings, after=[])
    del found["data"]["after"]
    return found | {"stream": ORDER}


def said(amount: int | None, stream: str = OWN) -> dict[str, Any]:
    return {"data": {"after": [] if amount is None else [money(amount)]}, "stream": stream}


def held() -> MoneyMeaning:
    meaning = MoneyMeaning(complete=True)
    meaning.take(entry((OWN, 70), (OUTSIDE, -70), after=[money(70)]))
    return meaning


def test_an_effect_says_what_an_account_holds_after_its_causes_postings() -> None:
    meaning = held()
    meaning.take(moved((OWN, -30), ("fees", 30)))
    meaning.say(said(40))
    meaning.end()

    assert meaning.accounts[OWN] == {"CNY": 40}


def test_an_effect_that_says_another_amount_is_named() -> None:
    meaning = held()
    meaning.take(moved((OWN, -30), ("fees", 30)))

    with pytest.raises(Tampered) as caught:
        meaning.say(said(41))
    error = caught.value
    assert (error.message, error.field) == ("an account holds another amount", "money")
    assert (error.expected, error.found) == (str([money(40)]), str([money(41)]))


def test_an_account_that_moved_and_was_not_said_is_named_at_the_next_command() -> None:
    meaning = held()
    meaning.end()
    meaning.take(moved((OWN, -30), ("balance/tim", 30)))
    meaning.say(said(40))

    with pytest.raises(Tampered) as caught:
        meaning.end()
    error = caught.value
    assert (error.message, error.field) == ("an account moved and nothing says so", "money")
    assert (error.expected, error.found) == (None, "balance/tim")


@pytest.mark.parametrize("stream", [OWN, "balance/tim"])
def test_an_account_is_said_once_and_only_where_a_posting_names_it(stream: str) -> None:
    meaning = held()
    meaning.take(moved((OWN, -30), ("fees", 30)))
    meaning.say(said(40))

    with pytest.raises(Tampered) as caught:
        meaning.say(said(40, stream))
    assert caught.value.message == "an account changed that no posting names"
    assert caught.value.found == stream


def test_of_a_partial_log_nothing_is_due() -> None:
    meaning = MoneyMeaning(complete=False)
    meaning.take(moved((OWN, -30), ("fees", 30)))
    meaning.say(said(40))
    meaning.end()

    assert meaning.due == set()
