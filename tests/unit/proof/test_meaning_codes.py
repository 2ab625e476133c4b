"""Questions about codes, read from plain documents: asked, answered, and what becomes of a code."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_trade import Thing, TradeMeaning

CARD, SWORD = "cards/1", "cards/2"
ITEM = f"item/{CARD}"
AT, LATER = "2026-11-22T09:00:00.000000Z", "2026-11-22T10:00:00.000000Z"
FREE = "2026-11-22T12:00:00.000000Z"
Broken = tuple[str, str | None, str | None]


@pytest.fixture(params=[True, False], ids=["complete", "partial"])
def meaning(request: pytest.FixtureRequest) -> TradeMeaning:
    """Bob owns a card, and a sword."""
    found = TradeMeaning(complete=request.param)
    limits = {"checks": {"lock_after": 10, "lock_s": 7200, "per_hour": 70}, "notice_days": 7}
    found.terms.published.append(("t", datetime.fromisoformat(AT), 7))
    found.terms.documents["t"] = limits
    found.items[ITEM] = Thing("bob", "cards", is_card=True, goods=("c", "p"))
    found.items[f"item/{SWORD}"] = Thing("bob", "cards")
    return found


@pytest.fixture
def whole(meaning: TradeMeaning) -> TradeMeaning:
    """The same, where the whole log is read."""
    meaning.complete = meaning.codes.complete = True
    return meaning


def revoke(meaning: TradeMeaning, item: str = CARD, by: str = "bob") -> None:
    command = {"body": {"item": item}, "signers": [{"party": by, "role": "owner"}]}
    meaning._code_revoked({"stream": f"item/{item}", "data": {}}, command)


def ask(
    meaning: TradeMeaning,
    check: str,
    by: str = "eve",
    *,
    at: str = AT,
    stream: str | None = None,
) -> None:
    document = {"at": at, "stream": stream or f"checks/{by}", "data": {}}
    command = {"body": {}, "id": check, "signers": [{"party": by, "role": "party"}]}
    meaning._code_asked(document, command)


def body(check: str, found: str, item: str | None, party: str) -> dict[str, Any]:
    return {"body": {"check": check, "found": found, "item": item, "party": party}}


def verify(meaning: TradeMeaning, check: str, item: str = CARD, **more: str) -> None:
    """Write on an item that its code is verified."""
    command = body(check, more.get("found", "this"), item, more.get("party", "eve"))
    document = {"at": more.get("at", AT), "stream": f"item/{item}", "data": {}}
    meaning._code_verified(document, command)


def answer(
    meaning: TradeMeaning,
    check: str,
    result: str,
    found: str = "this",
    item: str | None = CARD,
    **more: str,
) -> None:
    """Answer a question with this result."""
    party = more.get("party", "eve")
    data = {"check": check, "first_at": more.get("first_at"), "result": result}
    stream = more.get("stream", f"checks/{party}")
    document = {"at": more.get("at", AT), "stream": stream, "data": data}
    command = body(check, found, None if found == "none" else item, party)
    meaning._code_answered(document, command)
    meaning.codes.end()


def verified(meaning: TradeMeaning, check: str = "q", **more: str) -> None:
    """Ask, and verify a code for the first time."""
    ask(meaning, check, at=more.get("at", AT))
    verify(meaning, check, **more)
    answer(meaning, check, "valid", **more)


def wrong(meaning: TradeMeaning, times: int, *, at: str = AT, start: int = 0) -> None:
    for number in range(start, start + times):
        ask(meaning, f"w{number}", at=at)
        answer(meaning, f"w{number}", "invalid", "none", at=at)


def broken(act: Callable[[], object]) -> Broken:
    with pytest.raises(Tampered) as caught:
        act()
    found = caught.value
    assert (found.step, found.field) == ("meaning", "codes")
    return found.message, found.expected, found.found  # type: ignore[return-value]


def test_a_code_is_revoked_by_the_owner_of_a_card_once(meaning: TradeMeaning) -> None:
    told = broken(lambda: revoke(meaning, by="eve"))
    assert told == ("another party revoked a code", "bob", "eve")
    message = "a code was revoked that is none any more"
    told = broken(lambda: revoke(meaning, SWORD))
    assert told == (message, None, f"item/{SWORD}")
    revoke(meaning)
    assert broken(lambda: revoke(meaning)) == (message, None, ITEM)


def test_no_code_is_revoked_that_an_order_counts_on(meaning: TradeMeaning) -> None:
    meaning.orders.reserved[ITEM] = "order/x"
    told = broken(lambda: revoke(meaning))
    assert told == ("a code was revoked that an order counts on", "order/x", ITEM)


def test_a_question_stands_where_its_party_asks(meaning: TradeMeaning) -> None:
    told = broken(lambda: ask(meaning, "q", stream="checks/bob"))
    assert told == ("a question of another party", "checks/eve", "checks/bob")


def test_a_party_asks_64_questions_at_once(meaning: TradeMeaning) -> None:
    for number in range(64):
        ask(meaning, f"q{number}")
    if not meaning.complete:
        ask(meaning, "q64")
        return
    told = broken(lambda: ask(meaning, "q64"))
    assert told == ("more questions wait than may", "64", "64")
    answer(meaning, "q5", "invalid", "none")
    ask(meaning, "q64")


def test_too_many_wrong_answers_lock_a_party_from_the_last_of_them(meaning: TradeMeaning) -> None:
    wrong(meaning, 1)
    wrong(meaning, 9, at=LATER, start=1)
    if not meaning.complete:
        ask(meaning, "q", at=LATER)
        return
    told = broken(lambda: ask(meaning, "q", at="2026-11-22T11:59:59.999999Z"))
    assert told == ("a party asked that is locked", "10", "10")
    ask(meaning, "q", "bob", at=LATER)
    ask(meaning, "q", at=FREE)
    answer(meaning, "q", "invalid", "none", at=FREE)
    wrong(meaning, 9, at=FREE, start=10)
    assert broken(lambda: ask(meaning, "q", at=FREE))[0] == "a party asked that is locked"


def test_wrong_answers_further_apart_than_a_lock_lasts_lock_nobody(whole: TradeMeaning) -> None:
    wrong(whole, 1)
    wrong(whole, 8, at=LATER, start=1)
    ask(whole, "q", at=LATER)
    ask(whole, "r", at=LATER)
    answer(whole, "q", "invalid", "none", at="2026-11-22T11:00:00.000000Z")
    ask(whole, "s", at="2026-11-22T11:00:00.000000Z")
    answer(whole, "r", "invalid", "none", at="2026-11-22T11:00:00.000000Z")
    told = broken(lambda: ask(whole, "t", at="2026-11-22T11:00:00.000000Z"))
    assert told == ("a party asked that is locked", "10", "10")


def test_a_party_asks_as_often_within_an_hour_as_the_policy_says(meaning: TradeMeaning) -> None:
    verified(meaning)
    for number in range(69):
        ask(meaning, f"q{number}")
        answer(meaning, f"q{number}", "valid")
    if not meaning.complete:
        ask(meaning, "r")
        return
    just = "2026-11-22T09:59:59.999999Z"
    told = broken(lambda: ask(meaning, "r", at=just))
    assert told == ("a party asked too often", "70", "70")
    ask(meaning, "r", "bob")
    ask(meaning, "r", at=LATER)


def test_without_a_trade_policy_a_party_is_wrong_ten_times_a_day() -> None:
    meaning = TradeMeaning(complete=True)
    wrong(meaning, 10)
    just, day = "2026-11-23T08:59:59.999999Z", "2026-11-23T09:00:00.000000Z"
    told = broken(lambda: ask(meaning, "q", at=just))
    assert told == ("a party asked that is locked", "10", "10")
    ask(meaning, "q", at=day)


def test_without_a_trade_policy_a_party_asks_a_hundred_times_an_hour() -> None:
    meaning = TradeMeaning(complete=True)
    meaning.items[ITEM] = Thing("bob", "cards", is_card=True, goods=("c", "p"))
    verified(meaning)
    for number in range(99):
        ask(meaning, f"q{number}")
        answer(meaning, f"q{number}", "valid")
    told = broken(lambda: ask(meaning, "r"))
    assert told == ("a party asked too often", "100", "100")


def test_what_no_limit_asks_about_any_more_is_forgotten(whole: TradeMeaning) -> None:
    for hour in range(10, 24):
        at = f"2026-11-22T{hour}:00:00.000000Z"
        wrong(whole, 8, at=at, start=8 * hour)
        whole.terms.documents["t"]["checks"]["lock_s"] = 1
    assert len(whole.codes.wrong["checks/eve"]) == 64
    assert len(whole.codes.asked["checks/eve"]) == 8


def test_a_good_code_buys_no_more_guesses(whole: TradeMeaning) -> None:
    wrong(whole, 9)
    verified(whole)
    ask(whole, "w9")
    answer(whole, "w9", "invalid", "other")
    assert broken(lambda: ask(whole, "q"))[0] == "a party asked that is locked"


def test_a_question_is_answered_once_and_only_where_it_waits(meaning: TradeMeaning) -> None:
    if not meaning.complete:
        answer(meaning, "q", "invalid", "none")
        return
    message = "a question was answered that does not wait"
    told = broken(lambda: answer(meaning, "q", "invalid", "none"))
    assert told == (message, "checks/eve", "q")
    ask(meaning, "q")
    told = broken(lambda: answer(meaning, "q", "invalid", "none", party="bob"))
    assert told == (message, "checks/bob", "q")
    answer(meaning, "q", "invalid", "none")
    told = broken(lambda: answer(meaning, "q", "invalid", "none"))
    assert told == (message, "checks/eve", "q")


def test_a_code_is_verified_first_once(meaning: TradeMeaning) -> None:
    verified(meaning)
    ask(meaning, "r")
    told = broken(lambda: verify(meaning, "r", at=LATER))
    assert told == ("a code was verified first twice", AT, LATER)


def test_what_is_verified_is_a_card_s_code_that_was_found_and_not_revoked(
    meaning: TradeMeaning,
) -> None:
    message = "a code was verified that was not found"
    assert broken(lambda: verify(meaning, "q", found="other")) == (message, "other", ITEM)
    told = broken(lambda: verify(meaning, "q", SWORD))
    assert told == (message, "this", f"item/{SWORD}")
    revoke(meaning)
    told = broken(lambda: verify(meaning, "q"))
    assert told == ("a revoked code was verified", None, ITEM)


def test_a_first_verification_is_answered_at_once_as_valid(meaning: TradeMeaning) -> None:
    ask(meaning, "q")
    verify(meaning, "q")
    right = {"check": "q", "first_at": None, "result": "valid"}
    told = broken(lambda: answer(meaning, "q", "invalid"))
    found = {"check": "q", "first_at": None, "result": "invalid"}
    expected = (str(("checks/eve", right)), str(("checks/eve", found)))
    assert told == ("another answer than follows", *expected)

    meaning.codes.due = ("checks/eve", right)
    if not meaning.complete:
        meaning.end()
        assert meaning.codes.due is None
        return
    message = "a code was verified for nobody"
    assert broken(meaning.end) == (message, str(("checks/eve", right)), None)


@pytest.mark.parametrize(
    ("state", "party", "found", "result"),
    [
        ("new", "eve", "none", "invalid"),
        ("new", "bob", "none", "invalid"),
        ("new", "eve", "other", "invalid"),
        ("new", "bob", "other", "wrong_item"),
        ("verified", "eve", "this", "valid"),
        ("verified", "bob", "this", "already_verified"),
        ("verified", "eve", "other", "invalid"),
        ("revoked", "eve", "this", "invalid"),
        ("revoked", "bob", "this", "revoked"),
        ("revoked", "bob", "other", "wrong_item"),
    ],
)
def test_an_answer_follows_from_what_was_found(
    meaning: TradeMeaning, state: str, party: str, found: str, result: str
) -> None:
    if state != "new":
        verified(meaning)
    if state == "revoked":
        revoke(meaning)
    for other in ("valid", "invalid", "already_verified", "revoked", "wrong_item"):
        ask(meaning, f"a-{other}", party, at=LATER)
        more = {"first_at": AT} if other == "already_verified" else {}
        if other == result:
            answer(meaning, f"a-{other}", other, found, party=party, at=LATER, **more)
            continue
        told = broken(
            lambda other=other, more=more: answer(  # type: ignore[misc]
                meaning, f"a-{other}", other, found, party=party, at=LATER, **more
            )
        )
        assert told[0] == "another answer than follows"


def test_a_good_code_that_nobody_verified_is_verified_by_its_answer(meaning: TradeMeaning) -> None:
    for party in ("eve", "bob"):
        ask(meaning, "q", party)
        told = broken(lambda party=party: answer(meaning, "q", "valid", party=party))  # type: ignore[misc]
        assert told == ("a good code was not verified on its item", None, ITEM)


def test_an_owner_is_told_when_the_code_was_verified(meaning: TradeMeaning) -> None:
    verified(meaning)
    ask(meaning, "q", "bob", at=LATER)
    told = broken(lambda: answer(meaning, "q", "already_verified", party="bob", first_at=LATER))
    assert told[0] == "another answer than follows"


def test_an_answer_is_about_a_card_that_is_there(meaning: TradeMeaning) -> None:
    ask(meaning, "q")
    told = broken(lambda: answer(meaning, "q", "invalid", "other", SWORD))
    assert told == ("an answer about what has no code", None, f"item/{SWORD}")
    if not meaning.complete:
        answer(meaning, "q", "valid", item="cards/none")
        return
    told = broken(lambda: answer(meaning, "q", "invalid", item="cards/none"))
    assert told == ("an answer about what nobody registered", None, "cards/none")
