"""Verification codes: who revokes one, who asks about one, and what the ledger answers."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import code_errors, errors, trade_errors
from ledger.rules.codes import (
    ANSWER,
    CHECK,
    HOUR_US,
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
from ledger.rules.digests import terms_digest, timer_id
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Item
from ledger.rules.terms_document import LOCK_AFTER_MAX
from ledger.rules.text import format_time
from ledger.rules.trade_state import Checks
from tests.terms import DAY_S
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
from tests.unit.rules.ordering import ITEMS, ORDER, SWORDS, TERMS, changed, placed, run, trading
from tests.unit.rules.small import Small, key

CHECKS = TERMS["checks"]
MOST, OFTEN = CHECKS["lock_after"], CHECKS["per_hour"]
LOCK_US = CHECKS["lock_s"] * 1_000_000


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
    assert checks(small) == Checks((first, second), (small.at - 1_000_000, small.at))


def test_a_party_asks_64_questions_at_once_and_the_next_after_an_answer() -> None:
    small = Small()
    small.register("eve", "bob")
    waiting = [asked(small) for _ in range(PENDING_MAX)]
    more = {"pending": PENDING_MAX, "most": PENDING_MAX}
    refused(small, small.command(checking(small)), code_errors.ChecksPending, **more)
    asked(small, "bob")

    run(small, answering(small, waiting[3], NONE))
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
    assert goods(small).verified_at == small.at
    assert (checks(small).pending, checks(small).wrong) == ((), ())


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


def test_too_many_wrong_answers_lock_a_party_for_a_while_from_the_last_of_them() -> None:
    small = failed(MOST, OTHER)
    wrong = checks(small).wrong
    assert len(wrong) == MOST
    until = wrong[-1] + LOCK_US
    evidence = {"failed": MOST, "until": format_time(until)}
    refused(small, small.command(checking(small)), code_errors.ChecksLocked, **evidence)
    asked(small, "bob")

    small.at = until - 1
    refused(small, small.command(checking(small)), code_errors.ChecksLocked, **evidence)
    small.at = until
    run(small, small.command(checking(small)))


def test_one_wrong_answer_less_locks_nobody() -> None:
    small = failed(MOST - 1)
    asked(small)


def test_wrong_answers_that_do_not_come_within_the_time_of_a_lock_lock_nobody() -> None:
    small = failed(1)
    (first,) = checks(small).wrong
    for _ in range(MOST - 2):
        answered(small, NONE)
    check = asked(small)
    small.at = first + LOCK_US
    run(small, answering(small, check, NONE))
    asked(small)

    within = failed(1)
    for _ in range(MOST - 2):
        answered(within, NONE)
    check = asked(within)
    within.at = first + LOCK_US - 1
    run(within, answering(within, check, NONE))
    until = format_time(within.at + LOCK_US)
    draft = within.command(checking(within))
    refused(within, draft, code_errors.ChecksLocked, failed=MOST, until=until)


def test_a_good_code_buys_no_more_guesses() -> None:
    small = failed(MOST - 1)
    assert answered(small) == "valid"
    assert len(checks(small).wrong) == MOST - 1
    answered(small, NONE)
    until = format_time(small.at + LOCK_US)
    refused(
        small,
        small.command(checking(small)),
        code_errors.ChecksLocked,
        failed=MOST,
        until=until,
    )


def test_what_was_asked_before_a_lock_is_answered_still_and_locks_for_longer() -> None:
    small = failed(MOST - 1)
    waiting = [asked(small) for _ in range(2)]
    for check in waiting:
        run(small, answering(small, check, NONE))
        small.at += 1_000_000
    wrong = checks(small).wrong
    assert len(wrong) == MOST + 1
    assert locked_until(checks(small), CHECKS) == wrong[-1] + LOCK_US


def test_as_many_wrong_answers_are_kept_as_a_policy_may_ask_about() -> None:
    small, times = trading(), list[int]()
    for _ in range(LOCK_AFTER_MAX + 1):
        check = asked(small)
        run(small, answering(small, check, NONE))
        small.at += LOCK_US
        times.append(checks(small).wrong[-1])
    assert checks(small).wrong == tuple(times[1:])


def test_a_party_asks_so_often_within_an_hour_and_the_next_time_an_hour_after_the_first() -> None:
    small = trading()
    for _ in range(OFTEN):
        answered(small, item=ITEMS[1])
    first = checks(small).asked[0]
    evidence = {"most": OFTEN, "until": format_time(first + HOUR_US)}
    refused(small, small.command(checking(small)), code_errors.ChecksCapped, **evidence)
    asked(small, "bob")

    small.at = first + HOUR_US - 1
    refused(small, small.command(checking(small)), code_errors.ChecksCapped, **evidence)
    small.at = first + HOUR_US
    run(small, small.command(checking(small)))
    times = checks(small).asked
    assert len(times) == OFTEN
    assert first not in times


def test_the_limits_are_those_of_the_trade_policy_in_force() -> None:
    small = failed(2)
    tight = TERMS | {"checks": {"lock_after": 2, "lock_s": 7200, "per_hour": 3}}
    since = small.at + 30 * DAY_S * 1_000_000
    body = {"effective_at": format_time(since), "replaces": terms_digest(TERMS)}
    small.act("publish-trade-policy/1", ("operator", "root"), policy=tight, **body)
    asked(small)

    small.at = since
    answered(small, NONE)
    answered(small, NONE)
    until = format_time(small.at + 7200 * 1_000_000)
    refused(small, small.command(checking(small)), code_errors.ChecksLocked, failed=2, until=until)


def test_where_no_trade_policy_is_in_force_there_are_limits_too() -> None:
    small = Small()
    small.register("eve")
    for _ in range(10):
        answered(small, NONE)
    until = format_time(small.at + 24 * 3600 * 1_000_000)
    refused(small, small.command(checking(small)), code_errors.ChecksLocked, failed=10, until=until)


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
    assert kind_of(CHECK).reads(small.command(checking(small))) == (TERMS_STREAM,)
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
