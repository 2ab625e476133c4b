"""One minimal command for every refusal of the rules of verification codes."""

from __future__ import annotations

from ledger.rules import code_errors
from ledger.rules.codes import FAILURES_MAX, LOCK_US, NONE, PENDING_MAX
from ledger.rules.text import format_time
from tests.unit.rules.coding import (
    CARD,
    NEVER_ASKED,
    answered,
    answering,
    asked,
    checking,
    checks,
    revoking_code,
)
from tests.unit.rules.ordering import trading
from tests.unit.rules.refusing import Found, expect, refusal


@refusal(code_errors.CodeRevoked)
def _code_revoked() -> Found:
    small = trading()
    small.do(revoking_code(small))
    return expect(small, revoking_code(small), item=CARD)


@refusal(code_errors.ChecksPending)
def _checks_pending() -> Found:
    small = trading()
    for _ in range(PENDING_MAX):
        asked(small)
    return expect(small, checking(small), pending=PENDING_MAX, most=PENDING_MAX)


@refusal(code_errors.ChecksLocked)
def _checks_locked() -> Found:
    small = trading()
    for _ in range(FAILURES_MAX):
        answered(small, NONE)
    since = checks(small).since
    assert since is not None
    until = format_time(since + LOCK_US)
    return expect(small, checking(small), failed=FAILURES_MAX, until=until)


@refusal(code_errors.CheckUnknown)
def _check_unknown() -> Found:
    small = trading()
    return expect(small, answering(small, NEVER_ASKED), check=NEVER_ASKED, party="eve")
