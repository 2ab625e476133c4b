"""Why a command of trade is not accepted.

Refused
├── UnknownMerchant  NamespaceDiffers  QualificationEnded  SupplierNotQualified
├── UnknownListing  ListingEnded  ListingUnchanged
├── BalanceTooLow
├── OrderExists  UnknownOrder  AgreementDiffers  SnapshotDiffers  PriceDiffers  CurrencyMixed
├── ClassWithoutTerms  GoodsDiffer  ItemEscrowed  ItemNotEscrowed  ItemNotForSale  ItemReserved
├── NotBuyer  OrderNotOpen  AmountDiffers  TimerNotDue
├── UnknownLine  LineNotHeld  LineDelivered  LineNotDelivered  NotAgent  DeliveryLate
├── ParcelDiffers  ClaimOpen  RefundTooLarge
├── UnknownClaim  ClaimExists  ClaimClosed  ClaimNotAccepted  OutcomeNotAllowed
├── CardNotSold  CardRevealed  CardSold
├── ItemNotSold  ActivatedAlready
├── LabelsUnchanged  LabelsDiffer
├── DepositAgreed  DepositNotAgreed  DepositTooLow
├── WithdrawalRequested  WithdrawalNotRequested  WithdrawalBlocked
├── AlertExists  ItemFlagged
└── CreditTooLow  CreditNotEarned  LevelUnchanged  LevelDiffers

As in `ledger.rules.errors`, every class has a stable `code`. Specification: docs/spec.md
sections 9.9 to 9.21; what follows them is in `ledger.rules.chargeback_errors` and
`ledger.rules.code_errors`.
"""

from __future__ import annotations

from ledger.rules.errors import Refused


class UnknownMerchant(Refused):
    """No merchant of this name was ever qualified."""

    code = "unknown-merchant"


class NamespaceDiffers(Refused):
    """A merchant lists in the one namespace that it was first qualified with."""

    code = "namespace-differs"


class QualificationEnded(Refused):
    """The qualification would be over before it begins."""

    code = "qualification-ended"


class SupplierNotQualified(Refused):
    """The merchant is not, or no longer, qualified for this class of goods."""

    code = "supplier-not-qualified"


class UnknownListing(Refused):
    """No such listing in this log."""

    code = "unknown-listing"


class ListingEnded(Refused):
    """The listing has ended; an ended one stays so."""

    code = "listing-ended"


class ListingUnchanged(Refused):
    """The edit changes nothing of the listing."""

    code = "listing-unchanged"


class BalanceTooLow(Refused):
    """The balance does not hold as much as is asked of it."""

    code = "balance-too-low"


class OrderExists(Refused):
    """An order of this number was placed already."""

    code = "order-exists"


class UnknownOrder(Refused):
    """No such order in this log."""

    code = "unknown-order"


class AgreementDiffers(Refused):
    """The buyer agreed to another text than that of the trade policy in force."""

    code = "agreement-differs"


class SnapshotDiffers(Refused):
    """The listing is not, or no longer, what the buyer saw."""

    code = "snapshot-differs"


class PriceDiffers(Refused):
    """The listing asks for another price than the buyer signed."""

    code = "price-differs"


class CurrencyMixed(Refused):
    """One order is in one currency."""

    code = "currency-mixed"


class ClassWithoutTerms(Refused):
    """The trade policy says nothing of this class of goods."""

    code = "class-without-terms"


class GoodsDiffer(Refused):
    """The item is not of the class and product that are named."""

    code = "goods-differ"


class ItemEscrowed(Refused):
    """The item is with an agent, who alone may sell it until its owner takes it back."""

    code = "item-escrowed"


class ItemNotEscrowed(Refused):
    """The item is with no agent."""

    code = "item-not-escrowed"


class ItemReserved(Refused):
    """An order is made for the item."""

    code = "item-reserved"


class ItemNotForSale(Refused):
    """The item is in nobody's escrow, so nobody can deliver it."""

    code = "item-not-for-sale"


class NotBuyer(Refused):
    """Only its buyer acts on an order."""

    code = "not-buyer"


class OrderNotOpen(Refused):
    """The order is paid, has expired, or its time to pay is over."""

    code = "order-not-open"


class AmountDiffers(Refused):
    """The amount is not what is owed."""

    code = "amount-differs"


class TimerNotDue(Refused):
    """There is nothing that this timer could do, or not yet."""

    code = "timer-not-due"


class UnknownLine(Refused):
    """The order has no line of this number."""

    code = "unknown-line"


class LineNotHeld(Refused):
    """Nothing is in escrow for the line: it was never paid, or its money has left."""

    code = "line-not-held"


class LineDelivered(Refused):
    """The line was delivered; nothing is delivered twice."""

    code = "line-delivered"


class LineNotDelivered(Refused):
    """The line was not delivered yet."""

    code = "line-not-delivered"


class NotAgent(Refused):
    """Only the agent that the owner named, or the merchant, delivers an item."""

    code = "not-agent"


class DeliveryLate(Refused):
    """The time to deliver is over; the buyer gets its money back."""

    code = "delivery-late"


class ParcelDiffers(Refused):
    """A card goes in a parcel where the order brought a key, and only there."""

    code = "parcel-differs"


class ClaimOpen(Refused):
    """A claim is open on the line, which is frozen until it is closed."""

    code = "claim-open"


class RefundTooLarge(Refused):
    """More would be refunded than the line has left."""

    code = "refund-too-large"


class UnknownClaim(Refused):
    """No such claim in this log."""

    code = "unknown-claim"


class ClaimExists(Refused):
    """A claim of this number was opened already."""

    code = "claim-exists"


class ClaimClosed(Refused):
    """The claim is closed; a closed one stays so."""

    code = "claim-closed"


class ClaimNotAccepted(Refused):
    """The order's trade policy takes no claim of this kind."""

    code = "claim-not-accepted"


class OutcomeNotAllowed(Refused):
    """Whoever closes this claim cannot end it like this."""

    code = "outcome-not-allowed"


class CardNotSold(Refused):
    """The item was not sold as a card by the order that is named."""

    code = "card-not-sold"


class CardRevealed(Refused):
    """The card was revealed before."""

    code = "card-revealed"


class CardSold(Refused):
    """The card was sold once; no agent sells it again."""

    code = "card-sold"


class ItemNotSold(Refused):
    """The order that is named is not the one that sold the item last."""

    code = "item-not-sold"


class ActivatedAlready(Refused):
    """The item was activated before."""

    code = "activated-already"


class LabelsUnchanged(Refused):
    """The merchant has these very labels."""

    code = "labels-unchanged"


class LabelsDiffer(Refused):
    """The trade policy in force does not give the merchant these labels."""

    code = "labels-differ"


class DepositAgreed(Refused):
    """The merchant agreed to a deposit under this very trade policy."""

    code = "deposit-agreed"


class DepositNotAgreed(Refused):
    """The merchant agreed to no deposit."""

    code = "deposit-not-agreed"


class DepositTooLow(Refused):
    """What is available of the deposit is less than what is asked."""

    code = "deposit-too-low"


class WithdrawalRequested(Refused):
    """The merchant has asked for a part of its deposit, and may take that back first."""

    code = "withdrawal-requested"


class WithdrawalNotRequested(Refused):
    """The merchant has asked for no part of its deposit."""

    code = "withdrawal-not-requested"


class WithdrawalBlocked(Refused):
    """A deposit is not paid back now; `reason` in the evidence says what stands against it."""

    code = "withdrawal-blocked"


class AlertExists(Refused):
    """An alert of this number was raised before."""

    code = "alert-exists"


class ItemFlagged(Refused):
    """The item's card key turned out to be another item's too; nobody sells it any more."""

    code = "item-flagged"


class CreditTooLow(Refused):
    """The member does not have as much credit, or as many points."""

    code = "credit-too-low"


class CreditNotEarned(Refused):
    """The line of the order has not earned its buyer this amount, or nothing yet."""

    code = "credit-not-earned"


class LevelUnchanged(Refused):
    """The member has this very level."""

    code = "level-unchanged"


class LevelDiffers(Refused):
    """The trade policy in force does not give the member this level."""

    code = "level-differs"
