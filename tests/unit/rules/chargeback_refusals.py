"""One minimal command for every refusal of the rules of chargebacks."""

from __future__ import annotations

from ledger.rules import chargeback_errors
from tests.unit.rules.depositing import deposit
from tests.unit.rules.escrowing import delivered
from tests.unit.rules.ordering import PRICE, recovering
from tests.unit.rules.recovering import owing, penniless
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.test_chargebacks import CASES, charging, ending


@refusal(chargeback_errors.ChargebackExists)
def _chargeback_exists() -> Found:
    small = delivered()
    small.do(charging(small, (1, 5)))
    return expect(small, charging(small, (1, 5)), case=CASES[0])


@refusal(chargeback_errors.UnknownChargeback)
def _unknown_chargeback() -> Found:
    small = delivered()
    return expect(small, ending(small, "lost"), case=CASES[0])


@refusal(chargeback_errors.ChargebackEnded)
def _chargeback_ended() -> Found:
    small = delivered()
    small.do(charging(small, (1, 5)))
    small.do(ending(small, "lost"))
    return expect(small, ending(small, "won"), case=CASES[0])


@refusal(chargeback_errors.ChargebackTooLarge)
def _chargeback_too_large() -> Found:
    small = delivered()
    return expect(small, charging(small, (1, PRICE + 1)), line=1, left=str(PRICE))


@refusal(chargeback_errors.NothingToRecover)
def _nothing_to_recover() -> Found:
    small = owing((1, 5000))
    penniless(small)
    (owed,) = deposit(small).owed
    small.at = owed.due
    evidence = {"merchant": "shop", "currency": "CNY", "owed": str(owed.amount)}
    return expect(small, recovering(small, owed.due), **evidence)
