"""Why a command of trade is not accepted.

Refused
├── UnknownMerchant  NamespaceDiffers  QualificationEnded  SupplierNotQualified
├── UnknownListing  ListingEnded  ListingUnchanged
├── BalanceTooLow
└── ClassWithoutTerms  GoodsDiffer  ItemEscrowed  ItemNotEscrowed  ItemReserved

As in `ledger.rules.errors`, every class has a stable `code`. Specification: docs/spec.md
sections 9.9 to 9.11.
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
