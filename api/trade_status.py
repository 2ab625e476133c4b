"""With which HTTP status each refusal of trade is answered; see `api.errors`."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from ledger.rules import chargeback_errors as chargebacks
from ledger.rules import code_errors as codes
from ledger.rules import trade_errors as trade
from ledger.rules.errors import RuleError

_WHO, _CLASH, _NEVER = HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT, HTTPStatus.UNPROCESSABLE_ENTITY

TRADE_STATUS: Final[Mapping[type[RuleError], HTTPStatus]] = {
    chargebacks.ChargebackEnded: _CLASH,
    chargebacks.ChargebackExists: _CLASH,
    chargebacks.ChargebackTooLarge: _CLASH,
    chargebacks.NothingToRecover: _CLASH,
    chargebacks.UnknownChargeback: _CLASH,
    codes.CheckUnknown: _CLASH,
    codes.ChecksLocked: _CLASH,
    codes.ChecksCapped: HTTPStatus.TOO_MANY_REQUESTS,
    codes.ChecksPending: HTTPStatus.TOO_MANY_REQUESTS,
    codes.CodeRevoked: _CLASH,
    trade.ActivatedAlready: _CLASH,
    trade.AgreementDiffers: _CLASH,
    trade.AlertExists: _CLASH,
    trade.AmountDiffers: _NEVER,
    trade.BalanceTooLow: _CLASH,
    trade.ClaimClosed: _CLASH,
    trade.ClaimExists: _CLASH,
    trade.ClaimNotAccepted: _NEVER,
    trade.ClaimOpen: _CLASH,
    trade.CardNotSold: _CLASH,
    trade.CardRevealed: _CLASH,
    trade.CardSold: _CLASH,
    trade.ClassWithoutTerms: _NEVER,
    trade.CreditNotEarned: _CLASH,
    trade.CreditTooLow: _CLASH,
    trade.CurrencyMixed: _NEVER,
    trade.DeliveryLate: _CLASH,
    trade.DepositAgreed: _CLASH,
    trade.DepositNotAgreed: _CLASH,
    trade.DepositTooLow: _CLASH,
    trade.GoodsDiffer: _CLASH,
    trade.ItemEscrowed: _CLASH,
    trade.ItemFlagged: _CLASH,
    trade.ItemNotEscrowed: _CLASH,
    trade.ItemNotForSale: _CLASH,
    trade.ItemNotSold: _CLASH,
    trade.ItemReserved: _CLASH,
    trade.LabelsDiffer: _CLASH,
    trade.LabelsUnchanged: _CLASH,
    trade.LevelDiffers: _CLASH,
    trade.LevelUnchanged: _CLASH,
    trade.LineDelivered: _CLASH,
    trade.LineNotDelivered: _CLASH,
    trade.LineNotHeld: _CLASH,
    trade.ListingEnded: _CLASH,
    trade.ListingUnchanged: _CLASH,
    trade.NamespaceDiffers: _CLASH,
    trade.NotAgent: _WHO,
    trade.NotBuyer: _WHO,
    trade.OrderExists: _CLASH,
    trade.OrderNotOpen: _CLASH,
    trade.OutcomeNotAllowed: _WHO,
    trade.ParcelDiffers: _NEVER,
    trade.PriceDiffers: _CLASH,
    trade.QualificationEnded: _NEVER,
    trade.RefundTooLarge: _CLASH,
    trade.SnapshotDiffers: _CLASH,
    trade.SupplierNotQualified: _CLASH,
    trade.TimerNotDue: _CLASH,
    trade.UnknownClaim: _CLASH,
    trade.UnknownLine: _NEVER,
    trade.UnknownListing: _CLASH,
    trade.UnknownMerchant: _CLASH,
    trade.UnknownOrder: _CLASH,
    trade.WithdrawalBlocked: _CLASH,
    trade.WithdrawalNotRequested: _CLASH,
    trade.WithdrawalRequested: _CLASH,
}
