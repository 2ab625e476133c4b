"""One minimal command for every refusal of the rules of trade."""

from __future__ import annotations

from ledger.rules import errors
from ledger.rules.digests import terms_digest
from ledger.rules.text import format_time
from tests.terms import terms
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.small import Small
from tests.unit.rules.test_terms import DAY_US, publish, publishing


@refusal(errors.NoticeTooShort)
def _notice_too_short() -> Found:
    small = Small()
    publish(small, terms())
    at = small.at + 7 * DAY_US
    asked, earliest = format_time(at - 1), format_time(at)
    return expect(
        small, publishing(small, terms(id="b"), at - 1), effective_at=asked, earliest=earliest
    )


@refusal(errors.NoticeTooLong)
def _notice_too_long() -> Found:
    small = Small()
    publish(small, terms())
    at = small.at + 730 * DAY_US
    asked, latest = format_time(at + 1), format_time(at)
    return expect(
        small, publishing(small, terms(id="b"), at + 1), effective_at=asked, latest=latest
    )


@refusal(errors.PolicyPending)
def _policy_pending() -> Found:
    small = Small()
    publish(small, terms())
    due = small.at + 8 * DAY_US
    publish(small, terms(id="b"), due)
    again = publishing(small, terms(id="c"), due + 8 * DAY_US)
    return expect(small, again, pending=terms_digest(terms(id="b")), effective_at=format_time(due))


@refusal(errors.PolicyUnchanged)
def _policy_unchanged() -> Found:
    small = Small()
    publish(small, terms())
    again = publishing(small, terms(), small.at + 8 * DAY_US)
    return expect(small, again, policy=terms_digest(terms()))
