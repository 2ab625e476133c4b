"""One minimal command for every refusal of the rules of deposits."""

from __future__ import annotations

from ledger.rules import trade_errors
from ledger.rules.deposits import COOL_DOWN
from ledger.rules.text import format_time
from tests.unit.rules.depositing import TERMS_DIGEST, asked, depositing, funded, rich
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.small import HOUR_US


@refusal(trade_errors.DepositAgreed)
def _deposit_agreed() -> Found:
    small = funded()
    draft = depositing(small, "agree", terms=TERMS_DIGEST)
    return expect(small, draft, merchant="shop", terms=TERMS_DIGEST)


@refusal(trade_errors.DepositNotAgreed)
def _deposit_not_agreed() -> Found:
    small = rich()
    return expect(small, depositing(small, "fund", amount=5), merchant="shop")


@refusal(trade_errors.DepositTooLow)
def _deposit_too_low() -> Found:
    small = funded()
    draft = depositing(small, "request", amount=2_001)
    return expect(small, draft, currency="CNY", available="2000", asked="2001")


@refusal(trade_errors.WithdrawalRequested)
def _withdrawal_requested() -> Found:
    small = asked()
    since = format_time(small.entries[-1].at)
    draft = depositing(small, "request", amount=5)
    return expect(small, draft, merchant="shop", requested_at=since)


@refusal(trade_errors.WithdrawalNotRequested)
def _withdrawal_not_requested() -> Found:
    small = funded()
    return expect(small, depositing(small, "withdraw"), merchant="shop")


@refusal(trade_errors.WithdrawalBlocked)
def _withdrawal_blocked() -> Found:
    small = asked()
    due = format_time(small.entries[-1].at + HOUR_US)
    return expect(small, depositing(small, "withdraw"), reason=COOL_DOWN, due=due)
