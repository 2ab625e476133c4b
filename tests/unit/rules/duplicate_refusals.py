"""One minimal command for every refusal of the rules of duplicates."""

from __future__ import annotations

from ledger.rules import trade_errors
from tests.unit.rules.duplicating import ALERTS, FIRST, SECOND, THIRD, reported, reporting
from tests.unit.rules.escrowing import delivered
from tests.unit.rules.ordering import line, placing, trading
from tests.unit.rules.refusing import Found, expect, refusal


@refusal(trade_errors.AlertExists)
def _alert_exists() -> Found:
    small = delivered()
    reported(small, FIRST, SECOND)
    return expect(small, reporting(small, FIRST, THIRD), alert=ALERTS[0])


@refusal(trade_errors.ItemFlagged)
def _item_flagged() -> Found:
    small = trading()
    reported(small, FIRST, SECOND)
    return expect(small, placing(small, line(FIRST)), item=FIRST, alert=ALERTS[0])
