"""One minimal command for every refusal of the rules of credit and levels."""

from __future__ import annotations

from ledger.rules import trade_errors
from tests.unit.rules.crediting import crediting, earning, levelling, redeeming
from tests.unit.rules.escrowing import delivered
from tests.unit.rules.ordering import trading
from tests.unit.rules.refusing import Found, expect, refusal


@refusal(trade_errors.CreditTooLow)
def _credit_too_low() -> Found:
    small = trading()
    small.do(crediting(small, "grant", 5))
    return expect(small, redeeming(small, 6), unit="CREDIT", held="5", asked="6")


@refusal(trade_errors.CreditNotEarned)
def _credit_not_earned() -> Found:
    small = delivered()
    return expect(small, earning(small, 99), line=1, unit="CREDIT", earned="0")


@refusal(trade_errors.LevelUnchanged)
def _level_unchanged() -> Found:
    small = trading()
    return expect(small, levelling(small, "ordinary"), party="bob", level="ordinary")


@refusal(trade_errors.LevelDiffers)
def _level_differs() -> Found:
    small = trading()
    return expect(small, levelling(small, "vip"), party="bob", level="ordinary")
