"""Verification codes: who revokes one, who asks about one, and what the ledger answers."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import code_errors, errors, trade_errors
from ledger.rules.codes import (
    ANSWER,
    CHECK,
    FAILURES_MAX,
    LOCK_US,
    NONE,
    OTHER,
    PENDING_MAX,
    THIS,
    answer_id,
    checks_stream,
    locked_until,
)
from ledger.rules.commands import Command
from ledger.rules.compose import uuid7
from ledger.rules.digests import timer_id
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.state import Item
from ledger.rules.text import format_time
from ledger.rules.trade_state import Checks
from tests.unit.rules.coding import (
    CARD,
    NEVER_ASKED,
    answered,
    answering,
    asked,
    checking,
    checks,
    goods,
    revoking_code,
)
from tests.unit.rules.escrowing import delivered
from tests.unit.rules.ordering import ITEMS, ORDER, SWORDS, changed, placed, run, trading
from tests.unit.rules.small import Small, key


def refused(small: Small, command: Command, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(command)
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


def malformed(small: Small, command: Command) -> str:
    with pytest.raises(Malformed) as caught:
        small.derive(command)
    return str(caught.value)


def failed(times: int, found: str = NONE) -> Small:
    """A log in which `eve` asked so often about codes that are none."""
    small = trading()
    for _ in range(times):
        answered(small, found, ITEMS[1])
    return small


def test_an_owner_revokes_a_code_for_good_and_an_offer_stays() -> None:
    small = delivered()
    small.offer(CARD, "bob", "ann")
    assert small.derive(small.command(revoking_code(small, by="bob"))) == [
        (f"item/{CARD}", "code-revoked/1", {})
    ]
    small.do(revoking_code(small, by="bob"))
    assert goods(small).code_revoked
    item = small.state(f"item/{CARD}")
    assert isinstance(item, Item)
    assert item.offer is not None


def test_a_code_is_revoked_by_whoever_owns_the_item_now() -> None:
    small = delivered()
    command = small.command(revoking_code(small, by="shop"))
    refused(small, command, errors.NotOwner, party="shop", owner="bob")


@pytest.mark.parametrize("changes", [{}, {"frozen": True}])
def test_a_code_is_revoked_while_the_item_is_with_an_agent_or_frozen(
    changes: dict[str, bool],
) -> None:
    small = trading()
    changed(small, CARD, **changes)
    small.do(revoking_code(small))
    assert goods(small).code_revoked


def test_no_code_is_revoked_while_an_order_is_made_for_the_item() -> None:
    small = placed()
    command = small.command(revoking_code(small))
    refused(small, command, trade_errors.ItemReserved, item=CARD, order=ORDER)


def test_only_an_item_with_a_code_has_one_to_revoke() -> None:
    small = trading()
    small.register_item("cards/plain", "shop")
    for name in (SWORDS[0], "cards/plain"):
        command = small.command(revoking_code(small, name))
        refused(small, command, trade_errors.GoodsDiffer, item=name, product=None)
    command = small.command(revoking_code(small, "cards/never"))
    refused(small, command, errors.UnknownItem, item="cards/never")


def test_a_question_waits_for_its_answer_and_says_nothing_of_what_it_is_about() -> None:
    small = trading()
    command = small.command(checking(small))
    assert small.derive(command) == [(checks_stream("eve"), "code-asked/1", {})]
    assert (command.body, command.document["expect"]) == ({}, [])
    first, second = asked(small), asked(small)
    assert checks(small) == Checks((first, second))


def test_a_party_asks_64_questions_at_once_and_the_next_after_an_answer() -> None:
    small = trading()
    waiting = [asked(small) for _ in range(PENDING_MAX)]
    more = {"pending": PENDING_MAX, "most": PENDING_MAX}
    refused(small, small.command(checking(small)), code_errors.ChecksPending, **more)
    asked(small, "bob")

    run(small, answering(small, waiting[3]))
    asked(small)
    assert len(checks(small).pending) == PENDING_MAX


def test_a_question_has_an_id_that_an_answer_can_name() -> None:
    small = trading()
    command = small.command(checking(small), identifier=timer_id("checks/eve", "code-check", "x"))
    assert malformed(small, command) == "command.id: is not a UUIDv7"


def test_an_imported_party_asks_nothing() -> None:
    small = Small().market().officers()
    small.do(small.sale("cards/8", None, "b"))
    party = "imported/cards/b"
    places = [(party, "claimant", "b"), ("otto", "officer"), ("olga", "officer")]
    small.act("claim-imported-party/1", *places, key=key("b"), party=party)
    command = small.command(small.draft(CHECK, (party, "party", "b")))
    refused(small, command, errors.WrongSigners, signer=party)


def test_the_first_that_stands_the_test_is_written_on_the_item_whoever_asked() -> None:
    small = delivered()
    check = asked(small)
    assert small.derive(answering(small, check)) == [
        (f"item/{CARD}", "code-verified/1", {}),
        ("checks/eve", "check-answered/1", {"check": check, "first_at": None, "result": "valid"}),
    ]
    run(small, answering(small, check))
    assert (goods(small).verified_at, checks(small)) == (small.at, Checks())


def test_its_owner_learns_when_a_code_was_first_verified_and_a_stranger_does_not() -> None:
    small = delivered()
    answered(small)
    first = goods(small).verified_at
    assert first is not None

    check = asked(small, "bob")
    data = {"check": check, "first_at": format_time(first), "result": "already_verified"}
    assert small.derive(answering(small, check, party="bob")) == [
        ("checks/bob", "check-answered/1", data)
    ]
    check = asked(small, "ann")
    data = {"check": check, "first_at": None, "result": "valid"}
    assert small.derive(answering(small, check, party="ann")) == [
        ("checks/ann", "check-answered/1", data)
    ]
    assert goods(small).verified_at == first


@pytest.mark.parametrize(
    ("party", "found", "revoked", "result"),
    [
        ("eve", NONE, False, "invalid"),
        ("bob", NONE, False, "invalid"),
        ("eve", OTHER, False, "invalid"),
        ("bob", OTHER, False, "wrong_item"),
        ("eve", THIS, True, "invalid"),
        ("bob", THIS, True, "revoked"),
        ("bob", OTHER, True, "wrong_item"),
        ("eve", THIS, False, "valid"),
        ("bob", THIS, False, "valid"),
    ],
)
def test_a_result_follows_from_what_was_found_and_who_asked(
    *, party: str, found: str, revoked: bool, result: str
) -> None:
    small = delivered()
    if revoked:
        small.do(revoking_code(small, by="bob"))
    assert answered(small, found, party=party) == result
    assert (goods(small).verified_at is None) == (result != "valid")


def test_what_was_verified_and_then_revoked_is_valid_to_nobody() -> None:
    small = delivered()
    answered(small)
    small.do(revoking_code(small, by="bob"))
    assert [answered(small, party=party) for party in ("bob", "ann")] == ["revoked", "invalid"]


def test_ten_wrong_answers_lock_a_party_for_a_day_from_the_first_of_them() -> None:
    small = failed(FAILURES_MAX, OTHER)
    found = checks(small)
    assert found.since is not None
    assert found.failed == FAILURES_MAX
    until = found.since + LOCK_US
    evidence = {"failed": FAILURES_MAX, "until": format_time(until)}
    refused(small, small.command(checking(small)), code_errors.ChecksLocked, **evidence)
    asked(small, "bob")

    small.at = until - 1
    refused(small, small.command(checking(small)), code_errors.ChecksLocked, **evidence)
    small.at = until
    run(small, small.command(checking(small)))
    assert (locked_until(found, until - 1), locked_until(found, until)) == (until, None)


def test_nine_wrong_answers_lock_nobody() -> None:
    small = failed(FAILURES_MAX - 1)
    asked(small)


def test_a_good_code_buys_no_more_guesses() -> None:
    small = failed(FAILURES_MAX - 1)
    assert answered(small) == "valid"
    assert checks(small).failed == FAILURES_MAX - 1


def test_wrong_answers_are_counted_anew_a_day_after_the_first() -> None:
    small = failed(3)
    before = checks(small)
    assert before.since is not None
    check = asked(small)
    small.at = before.since + LOCK_US
    run(small, answering(small, check, NONE))
    assert checks(small) == Checks((), 1, small.at)


def test_what_was_asked_before_a_lock_is_answered_still() -> None:
    small = failed(FAILURES_MAX - 1)
    waiting = [asked(small) for _ in range(2)]
    for check in waiting:
        run(small, answering(small, check, NONE))
    assert checks(small).failed == FAILURES_MAX + 1


def test_a_question_is_answered_once_by_the_ledger_alone() -> None:
    small = trading()
    check = asked(small)
    stranger = answering(small, check, by="ann")
    refused(small, stranger, errors.RoleMissing, party="ann", role="system")
    run(small, answering(small, check))
    again = answering(small, check, NONE)
    assert again.id == answer_id("eve", check)
    refused(small, again, code_errors.CheckUnknown, check=check, party="eve")


def test_an_answer_is_to_a_question_of_the_party_that_is_named() -> None:
    small = trading()
    check = asked(small)
    other = answering(small, check, party="bob")
    refused(small, other, code_errors.CheckUnknown, check=check, party="bob")
    asked(small, "bob")
    refused(small, other, code_errors.CheckUnknown, check=check, party="bob")


def test_the_id_of_an_answer_follows_from_its_question() -> None:
    small = trading()
    check = asked(small)
    told = "command.id: is not the id of the answer to this question"
    assert malformed(small, answering(small, check, named=answer_id("bob", check))) == told
    assert malformed(small, answering(small, check, named=uuid7(1, bytes(10)))) == told
    assert answer_id("eve", check) == timer_id("checks/eve", "code-check", check)


@pytest.mark.parametrize(("found", "item"), [(NONE, CARD), (THIS, None), (OTHER, None)])
def test_an_item_is_named_exactly_where_one_was_found(found: str, item: str | None) -> None:
    small = trading()
    check = asked(small)
    body = {"check": check, "found": found, "item": item, "party": "eve"}
    draft = small.draft(ANSWER, ("system", "system"), **body)
    told = "command.body.item: is null exactly where nothing was found"
    assert malformed(small, small.command(draft, identifier=answer_id("eve", check))) == told


def test_what_is_found_is_an_item_with_a_code() -> None:
    small = trading()
    check = asked(small)
    never = answering(small, check, item="cards/never")
    refused(small, never, errors.UnknownItem, item="cards/never")
    sword = answering(small, check, OTHER, SWORDS[0])
    refused(small, sword, trade_errors.GoodsDiffer, item=SWORDS[0], product=None)


def test_a_proof_of_an_item_holds_its_answers_and_nobody_s_questions() -> None:
    small = trading()
    assert kind_of(CHECK).reads(small.command(checking(small))) == ()
    reads = kind_of(ANSWER).reads
    assert reads(answering(small, NEVER_ASKED)) == (f"item/{CARD}",)
    assert reads(answering(small, NEVER_ASKED, NONE)) == ()


def test_whoever_knows_no_accounts_judges_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    small = trading()
    check = asked(small)
    command = answering(small, check)
    expected = small.derive(command)
    del small.streams["checks/eve"]
    monkeypatch.setattr(small, "knows_accounts", lambda: False)
    assert small.derive(command) == expected
