"""What deposits must mean together, read from plain documents."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_deposits import DepositsMeaning
from ledger.proof.meaning_money import MoneyMeaning
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import terms_digest
from tests.terms import terms
from tests.unit.proof.test_meaning_shops import LATER, NOON, OWNERS, qualifying

STREAM = "deposit/mia"
EARLY, DUE = "2026-12-01T12:59:59.999999Z", "2026-12-01T13:00:00.000000Z"
NOTHING: dict[str, Any] = {
    "agreed": None,
    "available": [],
    "claims": 0,
    "forfeited": [],
    "owed": [],
    "requested_at": None,
    "reserved": [],
}


def money(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": "CNY"}] if amount else []


def policy(**deposit: Any) -> dict[str, Any]:
    shop = terms()["merchant"]
    asks = {"blocked_if": ["cool-down"], "cool_down_s": 3600, "minimum": money(700)}
    return terms(merchant={**shop, "deposit": {**asks, **deposit}, "labels": []})


AGREED = {"cool_down_s": 3600, "minimum": money(700), "terms": terms_digest(policy())}


def meaning_of(*, complete: bool = True, **deposit: Any) -> DepositsMeaning:
    """Mia is qualified until later, under a policy that asks for a deposit."""
    shops, policies = ShopsMeaning(complete), TermsMeaning()
    shops.qualify(qualifying(), OWNERS)
    body = {"effective_at": None, "policy": policy(**deposit), "replaces": None}
    policies.take({"at": NOON}, {"body": body})
    return DepositsMeaning(complete, shops, policies, MoneyMeaning(complete))


def command(kind: str, *, by: str = "mia", **body: Any) -> dict[str, Any]:
    signer = {"party": by, "role": "merchant"}
    return {"body": {"merchant": "mia", **body}, "kind": f"{kind}/1", "signers": [signer]}


def document(at: str = NOON, **after: Any) -> dict[str, Any]:
    return {"at": at, "data": {"after": {**NOTHING, **after}}, "stream": STREAM}


def agree(meaning: DepositsMeaning, *, digest: str = AGREED["terms"], **after: Any) -> None:
    said = document(**{"agreed": AGREED, **after})
    meaning.agree(said, command("agree-deposit", terms=digest))


def lay(meaning: DepositsMeaning, amount: int) -> None:
    """Let the account hold so much more, as the money's own reading adds it up."""
    meaning.money.accounts.setdefault(STREAM, Counter())["CNY"] += amount


def move(
    meaning: DepositsMeaning,
    amount: int,
    *,
    at: str = NOON,
    account: str = "balance/mia",
    **after: Any,
) -> None:
    lay(meaning, amount)
    sides = ((account, -amount), (STREAM, amount))
    said = document(at, **{"agreed": AGREED, **after})
    said["data"]["postings"] = [
        {"account": name, "amount": str(sum_), "currency": "CNY"} for name, sum_ in sides
    ]
    asked = {"amount": {"amount": str(amount), "currency": "CNY"}} if amount > 0 else {}
    meaning.move(said, command("fund-deposit" if asked else "withdraw-deposit", **asked))


def ask(meaning: DepositsMeaning, amount: int | None, *, by: str = "mia", **after: Any) -> None:
    wanted = None if amount is None else {"amount": str(amount), "currency": "CNY"}
    said = document(**{"agreed": AGREED, **after})
    meaning.ask(said, command("request-deposit", by=by, amount=wanted))


def funded(amount: int = 1_000, **how: Any) -> DepositsMeaning:
    meaning = meaning_of(**how)
    agree(meaning)
    move(meaning, amount, available=money(amount))
    return meaning


def asked(amount: int = 300) -> DepositsMeaning:
    meaning = funded()
    left = money(1_000 - amount)
    ask(meaning, amount, available=left, requested_at=NOON, reserved=money(amount))
    return meaning


def broken(act: Any) -> tuple[str, str | None, str | None]:
    with pytest.raises(Tampered) as caught:
        act()
    error = caught.value
    assert (error.step, error.field) == ("meaning", "deposits")
    return error.message, error.expected, error.found


def test_a_deposit_is_agreed_funded_asked_for_and_paid_back() -> None:
    meaning = asked()
    assert meaning.available("mia") == {"CNY": 700}
    move(meaning, -300, at=DUE, available=money(700))
    assert meaning.available("mia") == {"CNY": 700}
    assert meaning.available("tom") == {}


def test_what_was_asked_for_can_be_taken_back() -> None:
    meaning = asked()
    ask(meaning, None, available=money(1_000))
    assert meaning.available("mia") == {"CNY": 1_000}
    assert broken(lambda: ask(meaning, None))[0] == "a deposit was asked for twice"


def test_a_deposit_is_asked_for_once_at_a_time() -> None:
    meaning = asked()
    found = broken(lambda: ask(meaning, 1))
    assert found[0] == "a deposit was asked for twice"


def test_a_deposit_is_paid_back_after_its_cool_down() -> None:
    found = broken(lambda: move(asked(), -300, at=EARLY, available=money(700)))
    assert found == (
        "a deposit was paid back before its cool-down",
        "2026-12-01 13:00:00+00:00",
        "2026-12-01 12:59:59.999999+00:00",
    )


def test_a_policy_without_a_cool_down_has_none() -> None:
    meaning = meaning_of(blocked_if=[])
    digest = terms_digest(policy(blocked_if=[]))
    free = {"cool_down_s": 0, "minimum": money(700), "terms": digest}
    agree(meaning, digest=digest, agreed=free)
    assert meaning.deposits["mia"].agreed == free


def test_a_deposit_is_paid_back_while_no_claim_is_open() -> None:
    meaning = asked()
    meaning.count("mia", 1)
    said = {"available": money(700), "claims": 1, "requested_at": NOON, "reserved": money(300)}
    meaning.claimed(document(agreed=AGREED, **said))
    meaning.end()
    found = broken(lambda: move(meaning, -300, at=DUE, available=money(700), claims=1))
    assert found == ("a deposit was paid back while a claim is open", "0", "1")


def test_who_may_sell_leaves_the_minimum() -> None:
    found = broken(lambda: move(asked(301), -301, at=DUE, available=money(699)))
    assert found == ("a deposit was paid back below its minimum", "700", "699")
    move(asked(301), -301, at=LATER, available=money(699))


def test_only_what_was_asked_for_is_paid_back() -> None:
    found = broken(lambda: move(funded(), -300, at=DUE))
    assert found == ("a deposit was paid back that nobody asked for", None, "mia")
    found = broken(lambda: move(asked(), -200, at=DUE, available=money(800)))
    assert found[0] == "other money came to a deposit or left it"
    found = broken(lambda: move(asked(), -300, at=DUE, account="balance/ben"))
    assert found[0] == "other money came to a deposit or left it"


def test_more_than_there_is_is_not_asked_for() -> None:
    found = broken(lambda: ask(funded(), 1_001, requested_at=NOON, reserved=money(1_001)))
    assert found[0] == "more of a deposit was asked for than it holds"


def test_only_the_merchant_decides_about_its_deposit() -> None:
    found = broken(lambda: ask(funded(), 1, by="ben"))
    assert found == ("another party's deposit", "mia", "ben")


def test_a_deposit_is_a_merchants_and_is_agreed_first() -> None:
    found = broken(lambda: move(meaning_of(), 5))
    assert found == ("a deposit that was not agreed", None, "mia")
    stranger = meaning_of()
    stranger.shops.spaces.clear()
    assert broken(lambda: agree(stranger)) == ("a deposit of no merchant", None, "mia")


def test_a_deposit_is_agreed_under_the_policy_in_force() -> None:
    found = broken(lambda: agree(meaning_of(), digest="0" * 64))
    message = "a deposit under a policy that is not in force"
    assert found == (message, AGREED["terms"], "0" * 64)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("agreed", None),
        ("available", money(1)),
        ("claims", 1),
        ("forfeited", money(1)),
        ("owed", [{**money(1)[0], "due": NOON}]),
        ("requested_at", NOON),
        ("reserved", money(1)),
    ],
)
def test_an_entry_says_the_very_deposit(part: str, value: Any) -> None:
    found = broken(lambda: agree(meaning_of(), **{part: value}))
    assert found[0] == f"a deposit says other than it is: {part}"
    assert found[2] == (None if value is None else str(value))


def test_a_claim_is_counted_by_the_deposit_of_its_merchant_at_once() -> None:
    meaning = meaning_of()
    meaning.count("mia", 1)
    assert broken(meaning.end) == ("a claim and the deposit does not say so", "mia", None)
    other = document(claims=1) | {"stream": "deposit/tom"}
    message = "another deposit says of a claim"
    assert broken(lambda: meaning.claimed(other)) == (message, "mia", "tom")
    meaning.claimed(document(claims=1))
    meaning.end()
    meaning.count("mia", -1)
    meaning.claimed(document())
    assert broken(lambda: meaning.claimed(document())) == (message, None, "mia")


def test_no_other_entry_moves_a_deposit() -> None:
    postings = [{"account": STREAM, "amount": "-5", "currency": "CNY"}]
    said = {"data": {"postings": postings}, "stream": "balance/mia"}
    found = broken(lambda: meaning_of().check_accounts(said))
    assert found == ("money of a deposit moved elsewhere", "balance/mia", STREAM)
    meaning_of().check_accounts(said | {"stream": STREAM})


def test_a_part_of_a_log_judges_no_deposit() -> None:
    meaning = meaning_of(complete=False)
    meaning.shops.spaces.clear()
    move(meaning, 5, available=money(9))
    move(meaning, -300, claims=4)
    meaning.count("mia", 1)
    meaning.end()
    meaning.count("mia", 1)
    meaning.claimed(document(claims=7))
