"""The trade policy: what it says, since when, and what takes its place with notice.

It lives on a stream of its own. An order names the digest of the one that governs it, so superseded
ones stay in the state. Specification: docs/spec.md section 9.8.
"""

from __future__ import annotations

from typing import Any

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.digests import terms_digest
from ledger.rules.entries import Entry
from ledger.rules.errors import (
    Malformed,
    NoticeTooLong,
    NoticeTooShort,
    PolicyNotInForce,
    PolicyPending,
    PolicyUnchanged,
)
from ledger.rules.model import TERMS_STREAM, EventType, Fact, Given, Kind
from ledger.rules.state import Published, State, Terms
from ledger.rules.terms_document import NOTICE_DAYS_MIN, trade_policy
from ledger.rules.text import format_time, time_us

DAY_US = 24 * 3600 * 1_000_000
AHEAD_DAYS_MAX = 730
# Three years at the shortest notice: longer than any line of an order waits for a deadline.
OLD_KEPT = 160


def stream_of_terms(_command: Command) -> tuple[str, ...]:
    """Name the stream of the trade policies, for kinds that read or expect it alone."""
    return (TERMS_STREAM,)


def terms_in_force(given: Given) -> Published | None:
    """Return the trade policy in force at the time of the entry, if any was published."""
    terms = _terms(given)
    return None if terms is None else terms.at(given.at)


def terms_of(given: Given, digest: str) -> Published | None:
    """Return the trade policy of this digest, if the log has kept it."""
    terms = _terms(given)
    return None if terms is None else terms.of(digest)


def class_terms(terms: Published, item_class: str) -> dict[str, Any] | None:
    """Return what a trade policy says of a class of goods, if anything."""
    classes: list[dict[str, Any]] = terms.document["classes"]
    for each in classes:
        if each["class"] == item_class:
            return each
    return None


def _terms(given: Given) -> Terms | None:
    found = given.view.stream(TERMS_STREAM)
    return found.state if found is not None and isinstance(found.state, Terms) else None


def _publish(given: Given) -> list[Fact]:
    body = given.body
    if (body["replaces"] is None) != (body["effective_at"] is None):
        raise Malformed("command.body.effective_at", "is null exactly where replaces is")
    in_force = terms_in_force(given)
    digest = None if in_force is None else in_force.digest
    if body["replaces"] != digest:
        raise PolicyNotInForce(
            "the trade policy names another one to replace",
            named=body["replaces"],
            in_force=digest,
        )
    if in_force is not None:
        _check_successor(given, in_force)
    return [Fact(TERMS_STREAM, "trade-policy-published/1", {})]


def _check_successor(given: Given, in_force: Published) -> None:
    if terms_digest(given.body["policy"]) == in_force.digest:
        raise PolicyUnchanged("this trade policy is in force already", policy=in_force.digest)
    terms = _terms(given)
    pending = terms.waiting(given.at) if terms else None
    if pending is not None:
        raise PolicyPending(
            "another trade policy waits for its day",
            pending=pending.digest,
            effective_at=format_time(pending.effective_at),
        )
    effective_at = time_us(given.body["effective_at"], field="command.body.effective_at")
    notice = max(NOTICE_DAYS_MIN, in_force.document["notice_days"])
    earliest = given.at + notice * DAY_US
    if effective_at < earliest:
        raise NoticeTooShort(
            f"a trade policy takes effect {notice} days after it is published, or later",
            effective_at=given.body["effective_at"],
            earliest=format_time(earliest),
        )
    latest = given.at + AHEAD_DAYS_MAX * DAY_US
    if effective_at > latest:
        raise NoticeTooLong(
            f"a trade policy takes effect within {AHEAD_DAYS_MAX} days",
            effective_at=given.body["effective_at"],
            latest=format_time(latest),
        )


def _published(state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body = entry.command.body
    digest = terms_digest(body["policy"])
    if not isinstance(state, Terms):
        return Terms(Published(digest, entry.at, body["policy"]))
    effective_at = time_us(body["effective_at"], field="command.body.effective_at")
    # Nothing is published while another one waits: a pending one has taken effect by now.
    passed = () if state.pending is None else (state.in_force,)
    old = (*state.old, *passed)[-OLD_KEPT:]
    pending = Published(digest, effective_at, body["policy"])
    return Terms(state.at(entry.at), pending, old)


KINDS = (
    Kind(
        "publish-trade-policy/1",
        (("root",),),
        {
            "effective_at": schema.nullable(schema.time),
            "policy": trade_policy,
            "replaces": schema.nullable(schema.hex32),
        },
        _publish,
        expects=stream_of_terms,
        exact=True,
        risky=True,
    ),
)
EVENTS = (EventType("trade-policy-published/1", {}, _published, "a trade policy was published"),)
