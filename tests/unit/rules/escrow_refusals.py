"""One minimal command for every refusal of the rules of delivery, escrow and claims."""

from __future__ import annotations

from ledger.rules import trade_errors
from ledger.rules.text import format_time
from tests.unit.rules.escrowing import (
    BOTH,
    CLAIMS,
    accepting,
    claimed,
    claiming,
    closing,
    delivered,
    delivering,
    giving,
    lines_of,
    paid,
)
from tests.unit.rules.ordering import ORDER, PRICE, placed
from tests.unit.rules.refusing import Found, expect, refusal
from tests.unit.rules.test_activations import activating
from tests.unit.rules.test_reveals import CARD, SWORD, placing_again, revealing


@refusal(trade_errors.UnknownLine)
def _unknown_line() -> Found:
    small = paid()
    return expect(small, delivering(small, 3), line=3, lines=2)


@refusal(trade_errors.LineNotHeld)
def _line_not_held() -> Found:
    small = placed(*BOTH)
    return expect(small, delivering(small), line=1, state="unfunded")


@refusal(trade_errors.LineDelivered)
def _line_delivered() -> Found:
    small = delivered()
    return expect(small, delivering(small), line=1)


@refusal(trade_errors.LineNotDelivered)
def _line_not_delivered() -> Found:
    small = paid()
    return expect(small, accepting(small), line=1)


@refusal(trade_errors.NotAgent)
def _not_agent() -> Found:
    small = paid()
    draft = delivering(small, by="eve")
    return expect(small, draft, line=1, agent="system", merchant="shop", signer="eve")


@refusal(trade_errors.DeliveryLate)
def _delivery_late() -> Found:
    small = paid()
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due + 1
    return expect(small, delivering(small), line=1, deliver_by=format_time(due))


@refusal(trade_errors.ParcelDiffers)
def _parcel_differs() -> Found:
    small = paid()
    return expect(small, delivering(small, 1, parcel="9" * 64), line=1, wanted=False)


@refusal(trade_errors.ClaimOpen)
def _claim_open() -> Found:
    small = claimed()
    return expect(small, accepting(small), line=1, claim=CLAIMS[0])


@refusal(trade_errors.RefundTooLarge)
def _refund_too_large() -> Found:
    small = delivered()
    return expect(small, giving(small, PRICE + 1), line=1, left=str(PRICE))


@refusal(trade_errors.UnknownClaim)
def _unknown_claim() -> Found:
    small = claimed()
    return expect(small, closing(small, "none", claim=1), claim=CLAIMS[1])


@refusal(trade_errors.ClaimExists)
def _claim_exists() -> Found:
    small = claimed()
    return expect(small, claiming(small), claim=CLAIMS[0])


@refusal(trade_errors.ClaimClosed)
def _claim_closed() -> Found:
    small = claimed()
    small.do(closing(small, "none"))
    return expect(small, closing(small, "none"), claim=CLAIMS[0])


@refusal(trade_errors.ClaimNotAccepted)
def _claim_not_accepted() -> Found:
    small = delivered()
    draft = claiming(small, kind="counterfeit")
    return expect(small, draft, kind="counterfeit", taken="key-invalid, not-delivered")


@refusal(trade_errors.OutcomeNotAllowed)
def _outcome_not_allowed() -> Found:
    small = claimed()
    draft = closing(small, "none", by=("shop", "merchant"))
    return expect(small, draft, outcome="none", allowed="refund")


@refusal(trade_errors.CardNotSold)
def _card_not_sold() -> Found:
    small = delivered()
    return expect(small, revealing(small, item=SWORD, line=2), item=SWORD, sold=None)


@refusal(trade_errors.CardRevealed)
def _card_revealed() -> Found:
    small = delivered()
    small.do(revealing(small))
    return expect(small, revealing(small), item=CARD, order=ORDER)


@refusal(trade_errors.CardSold)
def _card_sold() -> Found:
    small = delivered()
    return expect(small, placing_again(small), item=CARD, order=ORDER)


@refusal(trade_errors.ItemNotSold)
def _item_not_sold() -> Found:
    small = paid()
    return expect(small, activating(small), item=CARD, sold=None)


@refusal(trade_errors.ActivatedAlready)
def _activated_already() -> Found:
    small = delivered()
    small.do(activating(small))
    return expect(small, activating(small), item=CARD, order=ORDER)
