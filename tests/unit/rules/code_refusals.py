"""One minimal command for every refusal of the rules of verification codes."""

from __future__ import annotations

from ledger.rules import code_errors
from ledger.rules.codes import HOUR_US, NONE, PENDING_MAX
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
from tests.unit.rules.ordering import TERMS, trading
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.small import Small

CHECKS = TERMS["checks"]


@refusal(code_errors.CodeRevoked)
def _code_revoked() -> Found:
    small = trading()
    small.do(revoking_code(small))
    return expect(small, revoking_code(small), item=CARD)


@refusal(code_errors.ChecksPending)
def _checks_pending() -> Found:
    small = Small()
    small.register("eve")
    for _ in range(PENDING_MAX):
        asked(small)
    return expect(small, checking(small), pending=PENDING_MAX, most=PENDING_MAX)


@refusal(code_errors.ChecksLocked)
def _checks_locked() -> Found:
    small = trading()
    for _ in range(CHECKS["lock_after"]):
        answered(small, NONE)
    until = format_time(checks(small).wrong[-1] + CHECKS["lock_s"] * 1_000_000)
    return expect(small, checking(small), failed=CHECKS["lock_after"], until=until)


@refusal(code_errors.ChecksCapped)
def _checks_capped() -> Found:
    small = trading()
    for _ in range(CHECKS["per_hour"]):
        asked(small)
    until = format_time(checks(small).asked[0] + HOUR_US)
    return expect(small, checking(small), most=CHECKS["per_hour"], until=until)


@refusal(code_errors.CheckUnknown)
def _check_unknown() -> Found:
    small = trading()
    return expect(small, answering(small, NEVER_ASKED), check=NEVER_ASKED, party="eve")
