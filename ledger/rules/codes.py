"""Verification codes: an owner revokes one, a party asks about one, and the ledger answers.

What a party asks is sealed, so that a question about an item that nobody registered looks like any
other. What the vault found is the word of the ledger's own `system`; what is answered follows from
it, and so does which question was the first that a code stood the test of: that one alone is
written on the item. A proof of an item brings nobody's questions. Specification: docs/spec.md
section 9.23.
"""

from __future__ import annotations

from typing import Any, Final

from ledger.rules import schema
from ledger.rules.code_errors import (
    ChecksCapped,
    ChecksLocked,
    ChecksPending,
    CheckUnknown,
    CodeRevoked,
)
from ledger.rules.commands import Command
from ledger.rules.digests import timer_id
from ledger.rules.entries import Entry
from ledger.rules.errors import Malformed, NotOwner, UnknownItem, WrongSigners
from ledger.rules.items import (
    as_item,
    check_not_reserved,
    item_of,
    item_stream,
    stream_of_item,
)
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.state import Item, State
from ledger.rules.terms import stream_of_terms, terms_in_force
from ledger.rules.terms_document import LOCK_AFTER_MAX
from ledger.rules.text import check_uuid7, format_time, is_imported
from ledger.rules.trade_errors import GoodsDiffer
from ledger.rules.trade_state import Checks, Goods

REVOKE: Final = "revoke-code/1"
CHECK: Final = "check-code/1"
ANSWER: Final = "answer-check/1"
RULE: Final = "code-check"

WITHOUT_POLICY: Final = {"lock_after": 10, "lock_s": 24 * 3600, "per_hour": 100}
"""How often a party may ask and be wrong where no trade policy says it: its `checks`."""
HOUR_US: Final = 3600 * 1_000_000
PENDING_MAX: Final = 64
"""So many questions of one party wait for their answers at once."""

NONE, THIS, OTHER = "none", "this", "other"
FOUND: Final = (NONE, OTHER, THIS)
"""What the vault finds: no such code, the code of the item asked about, or another item's."""

VALID, INVALID = "valid", "invalid"
VERIFIED, REVOKED, WRONG_ITEM = "already_verified", "revoked", "wrong_item"
RESULTS: Final = (VERIFIED, INVALID, REVOKED, VALID, WRONG_ITEM)
FAILURES: Final = frozenset({INVALID, WRONG_ITEM})


def checks_stream(party: str) -> str:
    """Name the stream of a party's questions about codes."""
    return f"checks/{party}"


def answer_id(party: str, check: str) -> str:
    """Return the id of the one command that answers a party's question, named by its command."""
    return timer_id(checks_stream(party), RULE, check)


def limits_of(given: Given) -> dict[str, int]:
    """Return how often a party may ask and be wrong, by the trade policy in force."""
    terms = terms_in_force(given)
    if terms is None:
        return WITHOUT_POLICY
    limits: dict[str, int] = terms.document["checks"]
    return limits


def locked_until(checks: Checks, limits: dict[str, int]) -> int | None:
    """Say until when the last wrong answers of a party lock its questions.

    Returns:
        A time in microseconds, which may have passed; None where too few came within the period.

    """
    most, lock_us = limits["lock_after"], limits["lock_s"] * 1_000_000
    if len(checks.wrong) < most or checks.wrong[-1] - checks.wrong[-most] >= lock_us:
        return None
    return checks.wrong[-1] + lock_us


def capped_until(checks: Checks, limits: dict[str, int]) -> int | None:
    """Say when a party may ask again, as `locked_until` does; None where it asked too seldom."""
    most = limits["per_hour"]
    return None if len(checks.asked) < most else checks.asked[-most] + HOUR_US


def checks_of(given: Given, party: str) -> Checks:
    """Read what a party asked; nothing where it never did."""
    found = given.view.stream(checks_stream(party))
    return Checks() if found is None else as_checks(found.state)


def as_checks(state: State | None) -> Checks:
    """Take a state for what the stream's name says it is."""
    assert isinstance(state, Checks)  # noqa: S101 - the stream's name says what it holds
    return state


def _coded(name: str, item: Item) -> Goods:
    """Take an item for goods with a code. Raises `GoodsDiffer`."""
    goods = item.goods
    if goods is None or goods.code is None:
        raise GoodsDiffer("the item has no code", item=name, product=None)
    return goods


def _revoke(given: Given) -> list[Fact]:
    item, signer, name = item_of(given), given.command.signers[0].party, given.body["item"]
    if item.owner != signer:
        raise NotOwner(f"{signer} does not own the item", party=signer, owner=item.owner)
    goods = _coded(name, item)
    if goods.code_revoked:
        raise CodeRevoked("the code was revoked", item=name)
    check_not_reserved(name, goods)
    return [Fact(item_stream(name), "code-revoked/1", {})]


def _revoked(state: State | None, _entry: Entry) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    return item._replace(goods=item.goods._replace(code_revoked=True))


def _ask(given: Given) -> list[Fact]:
    signer = given.command.signers[0].party
    if is_imported(signer):
        raise WrongSigners("an imported party asks about no codes", signer=signer)
    # Its answer names it by this id, which in the form of a timer's no answer could.
    check_uuid7(given.command.id, "command.id")
    checks = checks_of(given, signer)
    if len(checks.pending) >= PENDING_MAX:
        raise ChecksPending(
            "too many questions wait for their answers",
            pending=len(checks.pending),
            most=PENDING_MAX,
        )
    limits = limits_of(given)
    until = locked_until(checks, limits)
    if until is not None and given.at < until:
        raise ChecksLocked(
            "too many answers were that the code is not the item's",
            failed=limits["lock_after"],
            until=format_time(until),
        )
    free = capped_until(checks, limits)
    if free is not None and given.at < free:
        raise ChecksCapped(
            "it asked too often within an hour", most=limits["per_hour"], until=format_time(free)
        )
    return [Fact(checks_stream(signer), "code-asked/1", {})]


def _asked(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    checks = Checks() if state is None else as_checks(state)
    recent = [each for each in checks.asked if each > entry.at - HOUR_US]
    pending = (*checks.pending, entry.command.id)
    return checks._replace(pending=pending, asked=(*recent, entry.at))


def _answer(given: Given) -> list[Fact]:
    body, party, check = given.body, given.body["party"], given.body["check"]
    if (body["item"] is None) != (body["found"] == NONE):
        raise Malformed("command.body.item", "is null exactly where nothing was found")
    if given.command.id != answer_id(party, check):
        raise Malformed("command.id", "is not the id of the answer to this question")
    # A proof of an item holds its first verification, and none of the party's questions.
    if given.view.knows_accounts() and check not in checks_of(given, party).pending:
        raise CheckUnknown("no such question waits for an answer", check=check, party=party)
    if body["found"] == NONE:
        return [_answered(given, INVALID)]
    item = _found(given)
    goods, is_owner = _coded(body["item"], item), item.owner == party
    if body["found"] == OTHER:
        return [_answered(given, WRONG_ITEM if is_owner else INVALID)]
    if goods.code_revoked:
        return [_answered(given, REVOKED if is_owner else INVALID)]
    if goods.verified_at is None:
        own = Fact(item_stream(body["item"]), "code-verified/1", {})
        return [own, _answered(given, VALID)]
    if is_owner:
        return [_answered(given, VERIFIED, first_at=goods.verified_at)]
    # What became of the code before is its owner's business.
    return [_answered(given, VALID)]


def _found(given: Given) -> Item:
    name = given.body["item"]
    found = given.view.stream(item_stream(name))
    if found is None:
        raise UnknownItem(f"item {name} is not registered", item=name)
    return as_item(found.state)


def _answered(given: Given, result: str, *, first_at: int | None = None) -> Fact:
    body = given.body
    first = None if first_at is None else format_time(first_at)
    data: dict[str, Any] = {"check": body["check"], "first_at": first, "result": result}
    return Fact(checks_stream(body["party"]), "check-answered/1", data)


def _after_answer(state: State | None, entry: Entry) -> State:
    checks = as_checks(state)
    pending = tuple([each for each in checks.pending if each != entry.data["check"]])
    if entry.data["result"] not in FAILURES:
        # A code of one's own that is good must not buy more guesses.
        return checks._replace(pending=pending)
    wrong = (*checks.wrong, entry.at)[-LOCK_AFTER_MAX:]
    return checks._replace(pending=pending, wrong=wrong)


def _verified(state: State | None, entry: Entry) -> State:
    item = as_item(state)
    assert item.goods is not None  # noqa: S101 - derive looks at the goods first
    return item._replace(goods=item.goods._replace(verified_at=entry.at))


def _item_found(command: Command) -> tuple[str, ...]:
    item = command.body["item"]
    return () if item is None else (item_stream(item),)


KINDS = (
    Kind(
        REVOKE,
        (("owner",),),
        {"item": schema.item},
        _revoke,
        expects=stream_of_item,
        exact=True,
    ),
    Kind(
        CHECK,
        (("party",),),
        {},
        _ask,
        reads=stream_of_terms,
        sealed=("code", "item"),
        exact=True,
    ),
    Kind(
        ANSWER,
        (("system",),),
        {
            "check": schema.uuid7,
            "found": schema.one_of(FOUND),
            "item": schema.nullable(schema.item),
            "party": schema.identifier,
        },
        _answer,
        reads=_item_found,
        exact=True,
    ),
)
EVENTS = (
    EventType("code-revoked/1", {}, _revoked, "the owner revoked the item's code"),
    EventType("code-asked/1", {}, _asked, "a party asked about a code"),
    EventType("code-verified/1", {}, _verified, "the item's code was verified for the first time"),
    EventType(
        "check-answered/1",
        {
            "check": schema.uuid7,
            "first_at": schema.nullable(schema.time),
            "result": schema.one_of(RESULTS),
        },
        _after_answer,
        "a question about a code was answered",
    ),
)
