"""Why a command about a chargeback is not accepted.

Refused
├── ChargebackExists  UnknownChargeback  ChargebackEnded  ChargebackTooLarge
└── NothingToRecover

As in `ledger.rules.errors`, every class has a stable `code`. Specification: docs/spec.md sections
9.22 and 9.24.
"""

from __future__ import annotations

from ledger.rules.errors import Refused


class ChargebackExists(Refused):
    """A chargeback of this number was recorded for the order."""

    code = "chargeback-exists"


class UnknownChargeback(Refused):
    """No chargeback of this number was recorded for the order."""

    code = "unknown-chargeback"


class ChargebackEnded(Refused):
    """The chargeback was won or lost; it stays so."""

    code = "chargeback-ended"


class ChargebackTooLarge(Refused):
    """Less is left of the line than a provider is said to have taken back."""

    code = "chargeback-too-large"


class NothingToRecover(Refused):
    """Neither the balance nor the deposit holds anything of the currency in which is owed."""

    code = "nothing-to-recover"
