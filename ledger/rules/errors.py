"""Why a command is not accepted.

RuleError
├── Malformed                 not in the one accepted form
│   └── UnknownVersion        of a version or with an algorithm that is not known here
└── Refused                   well formed, but a rule says no; nothing is recorded
    ├── WrongLog  Expired  NotYetValid  OtherView  PolicyNotInForce
    ├── TooLarge  UnknownKind  WrongSigners  KeyNotValid  KeyCoolingDown  RoleMissing
    ├── MissingExpectation  StaleExpectation  CommandCancelled  CommandConflict
    ├── PartyExists  UnknownParty  KeyUsed  WeakKey  LastKey  ChangePending  NoSuchChange
    ├── ChangeNotDue  RoleHeld  RoleNotHeld  SecondPartyNeeded  WitnessNotIndependent
    ├── NamespaceTaken  NotNamespaceOwner  UnknownNamespace
    ├── ItemExists  UnknownItem  NotOwner  ItemFrozen  ItemNotFrozen  OfferPending  NoSuchOffer
    ├── OfferEnded  NotRecipient  SameParty  UnknownCurrency
    ├── ItemUnderSignature  OutOfOrder  SalePresent  ImportedPartyClaimed
    ├── PolicyUnchanged  PolicyPending  NoticeTooShort  NoticeTooLong  AlreadyOpen
    └── those of trade        ledger.rules.trade_errors

Every class has a stable `code`; the same codes appear in the API, the command line and a
verifier's evidence. Specification: docs/spec.md section 9.
"""

from __future__ import annotations

from typing import ClassVar

Evidence = str | int | bool | None


class RuleError(Exception):
    """Base of everything this room raises."""

    code: ClassVar[str] = "rule-error"


class Malformed(RuleError):
    """Bytes or text that are not in the one accepted form."""

    code = "malformed"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


class UnknownVersion(Malformed):
    """A version or an algorithm that this version of the program does not know."""

    code = "unknown-version"


class Refused(RuleError):
    """A rule says no; `evidence` holds the values that decided."""

    code = "refused"

    def __init__(self, message: str, **evidence: Evidence) -> None:
        super().__init__(message)
        self.message = message
        self.evidence: dict[str, Evidence] = evidence


class WrongLog(Refused):
    """The command names another log."""

    code = "wrong-log"


class Expired(Refused):
    """The command's `not_after` has passed, or lies too far from its `at`."""

    code = "expired"


class NotYetValid(Refused):
    """The command's `at` lies too far ahead of the ledger's time."""

    code = "not-yet-valid"


class OtherView(Refused):
    """`seen` names a size and root that this log never published."""

    code = "other-view"


class PolicyNotInForce(Refused):
    """The command pins another ledger policy than the one in force, or replaces another one."""

    code = "policy-not-in-force"


class TooLarge(Refused):
    """The command, or what it would derive, exceeds its limit."""

    code = "too-large"


class UnknownKind(Refused):
    """No such command kind in this version of the protocol."""

    code = "unknown-kind"


class WrongSigners(Refused):
    """`signers` is not the tuple of roles that the kind asks for."""

    code = "wrong-signers"


class KeyNotValid(Refused):
    """A signing key is not registered to its party, or was revoked."""

    code = "key-not-valid"


class KeyCoolingDown(Refused):
    """A later key may not yet do risky acts."""

    code = "key-cooling-down"


class RoleMissing(Refused):
    """A signer does not hold the role it signs in."""

    code = "role-missing"


class MissingExpectation(Refused):
    """`expect` does not name a stream that this kind must name."""

    code = "missing-expectation"


class StaleExpectation(Refused):
    """A stream's head is not the one the signer decided on."""

    code = "stale-expectation"


class CommandCancelled(Refused):
    """One of its signers cancelled this command."""

    code = "command-cancelled"


class CommandConflict(Refused):
    """The same party used this command id for other bytes."""

    code = "command-conflict"


class PartyExists(Refused):
    """The party id is registered already."""

    code = "party-exists"


class UnknownParty(Refused):
    """No such party in this log."""

    code = "unknown-party"


class KeyUsed(Refused):
    """The public key was registered in this log before, by anyone."""

    code = "key-used"


class WeakKey(Refused):
    """The public key is not a canonical point of full order on its curve."""

    code = "weak-key"


class LastKey(Refused):
    """The change would leave the party without a key."""

    code = "last-key"


class ChangePending(Refused):
    """Another key change of this party waits for its delay."""

    code = "change-pending"


class NoSuchChange(Refused):
    """No such key change is pending."""

    code = "no-such-change"


class ChangeNotDue(Refused):
    """The delay of the pending key change has not passed."""

    code = "change-not-due"


class RoleHeld(Refused):
    """The party holds this role already."""

    code = "role-held"


class RoleNotHeld(Refused):
    """The party does not hold this role."""

    code = "role-not-held"


class SecondPartyNeeded(Refused):
    """A role that can move property needs a second party's signature."""

    code = "second-party-needed"


class WitnessNotIndependent(Refused):
    """The second party is named in entry 0, or signs already."""

    code = "witness-not-independent"


class NamespaceTaken(Refused):
    """The namespace is owned already."""

    code = "namespace-taken"


class NotNamespaceOwner(Refused):
    """Only the owner of a namespace registers or imports items in it."""

    code = "not-namespace-owner"


class UnknownNamespace(Refused):
    """Nobody has opened this namespace."""

    code = "unknown-namespace"


class ItemExists(Refused):
    """The item is registered already."""

    code = "item-exists"


class UnknownItem(Refused):
    """No such item in this log."""

    code = "unknown-item"


class NotOwner(Refused):
    """The signer is not the item's owner."""

    code = "not-owner"


class ItemFrozen(Refused):
    """A frozen item does not move."""

    code = "item-frozen"


class ItemNotFrozen(Refused):
    """The item is not frozen."""

    code = "item-not-frozen"


class OfferPending(Refused):
    """The item is on offer already."""

    code = "offer-pending"


class NoSuchOffer(Refused):
    """No such offer stands on this item."""

    code = "no-such-offer"


class OfferEnded(Refused):
    """The offer's `until` has passed."""

    code = "offer-ended"


class NotRecipient(Refused):
    """The offer was made to another party."""

    code = "not-recipient"


class SameParty(Refused):
    """A transfer needs two different parties."""

    code = "same-party"


class UnknownCurrency(Refused):
    """The ledger policy names no exponent for this currency."""

    code = "unknown-currency"


class ItemUnderSignature(Refused):
    """An importer may not move what a key holder signed for."""

    code = "item-under-signature"


class OutOfOrder(Refused):
    """The sale is older than the item's last imported sale."""

    code = "out-of-order"


class SalePresent(Refused):
    """The sale is in the ledger already."""

    code = "sale-present"


class ImportedPartyClaimed(Refused):
    """The imported party is bound to a key already."""

    code = "imported-party-claimed"


class PolicyUnchanged(Refused):
    """The policy published is the one in force."""

    code = "policy-unchanged"


class PolicyPending(Refused):
    """A trade policy is published already that is not in force yet."""

    code = "policy-pending"


class NoticeTooShort(Refused):
    """A trade policy would take effect before the notice that its readers are owed."""

    code = "notice-too-short"


class NoticeTooLong(Refused):
    """A trade policy would take effect so late that no other could be published for years."""

    code = "notice-too-long"


class AlreadyOpen(Refused):
    """The log has its entry 0 already."""

    code = "already-open"
