"""Which trade policies a log holds, and publishing the next one by the operator's key."""

from __future__ import annotations

from typing import Any

from api.desk import Order, send
from api.enrolment import root_hand
from api.house import House
from ledger.application import Accepted
from ledger.log.reader import LogReader
from ledger.rules.digests import terms_digest
from ledger.rules.entries import read_entry
from ledger.rules.errors import Malformed
from ledger.rules.evolve import evolve
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Published, Stream, Terms
from ledger.rules.terms import DAY_US
from ledger.rules.text import format_time

# From composing a command to its entry; the notice counts from the entry.
_MARGIN_US = 10 * 60 * 1_000_000


def terms_recorded(reader: LogReader) -> Terms | None:
    """Read the trade policies that are recorded; None before the first."""
    found: Stream | None = None
    for row in reader.stream_entries(TERMS_STREAM):
        found = evolve(found, read_entry(row.entry), command=row.command.hex())
    return found.state if found is not None and isinstance(found.state, Terms) else None


def described(terms: Terms | None, at: int) -> dict[str, Any]:
    """Write the trade policies as of a time: in force, pending, and superseded, newest first."""
    if terms is None:
        return {"in_force": None, "pending": None, "superseded": []}
    in_force, waiting = terms.at(at), terms.waiting(at)
    passed = [*terms.old, terms.in_force]
    superseded = [each for each in reversed(passed) if each is not in_force]
    return {
        "in_force": _written(in_force),
        "pending": None if waiting is None else _written(waiting),
        "superseded": [_written(each) for each in superseded],
    }


def publish(house: House, document: dict[str, Any], *, effective_at: int | None) -> Accepted:
    """Publish a trade policy, signed by the operator as root.

    Args:
        house: The ledger.
        document: The policy.
        effective_at: When it takes effect, in microseconds; by default as soon as the notice of
            the one in force allows, and ten minutes. The first takes effect at once.

    Raises:
        Malformed: The first is given a day of its own, or the document is not in order.
        RuleError: The ledger refused it; nothing was recorded.
        LedgerError: It could not be written.

    """
    now, terms = house.clock.now(), terms_recorded(house.reader)
    if terms is None and effective_at is not None:
        raise Malformed("effective_at", "cannot be chosen: the first takes effect at once")
    in_force = None if terms is None else terms.at(now)
    if in_force is not None and effective_at is None:
        effective_at = now + in_force.document["notice_days"] * DAY_US + _MARGIN_US
    body = {
        "effective_at": None if effective_at is None else format_time(effective_at),
        "policy": document,
        "replaces": None if in_force is None else in_force.digest,
    }
    expect = {TERMS_STREAM: house.head_of(TERMS_STREAM)}
    hands = [root_hand(house, "root")]
    return send(house, Order("publish-trade-policy/1", hands, body, expect=expect))


def when(terms: Terms, document: dict[str, Any]) -> int:
    """Say when a policy that was just published takes effect."""
    found = terms.of(terms_digest(document))
    assert found is not None  # noqa: S101 - it was just published
    return found.effective_at


def _written(policy: Published) -> dict[str, Any]:
    return {
        "digest": policy.digest,
        "effective_at": format_time(policy.effective_at),
        "policy": policy.document,
    }
