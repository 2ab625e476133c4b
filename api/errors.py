"""The one place where an error becomes an HTTP answer (RFC 9457 problem details).

ApiError
├── RouteNotFound        nothing is served under this path
├── MethodNotAllowed     the path knows other methods
├── EntryNotFound        no entry at this index
├── ItemNotFound         no such item, or not yet at that index
├── PartyNotFound        no such party, or not yet at that index
├── MerchantNotFound     no such merchant
├── ListingNotFound      no such listing
├── OrderNotFound        no such order
├── CheckpointNotFound   no checkpoint of this size was published
├── TileNotFound         no tile or bundle of this width was published
├── ProofNotAvailable    the proof asked for lies outside the published tree
├── RequestUnsigned      what is asked for is restricted, and nobody signed the request
├── RequestSignatureInvalid  the signature of a request is not in order, or its key not valid
├── RequestStale         a signed request was not made within a minute of now
├── RequestReplayed      the nonce of a signed request was used before
├── NotAuthorised        the signer may not read this
├── BodyTooLarge         more bytes than a request may have
├── BodyIncomplete       the client went away in the middle of its request
├── BodyTooSlow          the body did not come within a minute
├── ServerBusy           too many large bodies at once
├── WrongMediaType       the body is not declared as plain `application/json`
├── BadRequest           the web framework refused the request
└── InternalError        a bug; it is logged, and the answer tells nothing more

The other trees are `ledger.rules.errors`, `ledger.errors`, `ledger.record.errors`,
`ledger.log.errors` and `projections.errors`.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import ClassVar

from api.trade_status import TRADE_STATUS
from ledger import errors as ledger
from ledger.domain.invariants import InvariantBroken
from ledger.errors import LedgerError
from ledger.log import errors as log
from ledger.log.errors import LogError
from ledger.record import errors as record
from ledger.record.errors import RecordError
from ledger.rules import errors as rules
from ledger.rules.errors import RuleError
from projections import errors as views
from projections.errors import ProjectionError


class ApiError(Exception):
    """Base of every error that only the web side knows."""

    code: ClassVar[str] = "api-error"

    def __init__(self, message: str, **evidence: str | int | None) -> None:
        super().__init__(message)
        self.message = message
        self.evidence: dict[str, str | int | None] = evidence


class RouteNotFound(ApiError):
    """Nothing is served under this path."""

    code = "not-found"


class MethodNotAllowed(ApiError):
    """The path knows other methods."""

    code = "method-not-allowed"


class EntryNotFound(ApiError):
    """The log has no entry at this index."""

    code = "entry-not-found"


class ItemNotFound(ApiError):
    """The log holds no such item, or did not at that index."""

    code = "item-not-found"


class PartyNotFound(ApiError):
    """The log holds no such party, or did not at that index."""

    code = "party-not-found"


class MerchantNotFound(ApiError):
    """The log holds no merchant of this name."""

    code = "merchant-not-found"


class ListingNotFound(ApiError):
    """The log holds no such listing."""

    code = "listing-not-found"


class OrderNotFound(ApiError):
    """The log holds no such order."""

    code = "order-not-found"


class CheckpointNotFound(ApiError):
    """No checkpoint of this size was published."""

    code = "checkpoint-not-found"


class TileNotFound(ApiError):
    """No tile or bundle of this width was published."""

    code = "tile-not-found"


class ProofNotAvailable(ApiError):
    """The proof asked for lies outside the published tree."""

    code = "proof-not-available"


class RequestUnsigned(ApiError):
    """What is asked for is restricted, and nobody signed the request."""

    code = "request-unsigned"


class RequestSignatureInvalid(ApiError):
    """The signature of a request is not in order, does not hold, or its key is not valid."""

    code = "request-signature-invalid"


class RequestStale(ApiError):
    """A signed request was not made within a minute of the server's time."""

    code = "request-stale"


class RequestReplayed(ApiError):
    """The nonce of a signed request was used before."""

    code = "request-replayed"


class NotAuthorised(ApiError):
    """The signer of a request may not read what it asks for."""

    code = "not-authorised"


class BodyTooLarge(ApiError):
    """A request's body has more bytes than are read."""

    code = "body-too-large"


class BodyIncomplete(ApiError):
    """The client went away in the middle of its request."""

    code = "body-incomplete"


class BodyTooSlow(ApiError):
    """The body did not come in time."""

    code = "body-too-slow"


class ServerBusy(ApiError):
    """Too many large bodies are being read or written."""

    code = "server-busy"


class WrongMediaType(ApiError):
    """The body is not declared as plain `application/json`."""

    code = "wrong-media-type"


class BadRequest(ApiError):
    """The web framework refused the request."""

    code = "bad-request"


class InternalError(ApiError):
    """A bug; it is logged, and the answer tells nothing more."""

    code = "internal-error"


Coded = RuleError | LedgerError | RecordError | LogError | ProjectionError | ApiError
Answered = (
    type[RuleError]
    | type[LedgerError]
    | type[RecordError]
    | type[LogError]
    | type[ProjectionError]
    | type[ApiError]
)
TREES = (RuleError, LedgerError, RecordError, LogError, ProjectionError, ApiError)

_BAD, _WHO, _NONE = HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND
_CLASH, _LARGE = HTTPStatus.CONFLICT, HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_NEVER, _LATER = HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.SERVICE_UNAVAILABLE
_BUG, _SIGN = HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.UNAUTHORIZED

# 400 not in the one form; 401 not signed in order; 403 not by this signer; 409 not in the present
# state; 413 too large; 422 well formed and never acceptable; 429 too much at once; 503 not now.
STATUS_OF: Mapping[Answered, HTTPStatus] = {
    rules.Malformed: _BAD,
    rules.UnknownVersion: _BAD,
    rules.Refused: _CLASH,
    rules.WrongLog: _NEVER,
    rules.Expired: _NEVER,
    rules.NotYetValid: _NEVER,
    rules.OtherView: _CLASH,
    rules.PolicyNotInForce: _CLASH,
    rules.TooLarge: _LARGE,
    rules.UnknownKind: _NEVER,
    rules.WrongSigners: _NEVER,
    rules.KeyNotValid: _WHO,
    rules.KeyCoolingDown: _WHO,
    rules.RoleMissing: _WHO,
    rules.MissingExpectation: _NEVER,
    rules.StaleExpectation: _CLASH,
    rules.CommandCancelled: _CLASH,
    rules.CommandConflict: _CLASH,
    rules.PartyExists: _CLASH,
    rules.UnknownParty: _CLASH,
    rules.KeyUsed: _CLASH,
    rules.WeakKey: _NEVER,
    rules.LastKey: _CLASH,
    rules.ChangePending: _CLASH,
    rules.NoSuchChange: _CLASH,
    rules.ChangeNotDue: _CLASH,
    rules.RoleHeld: _CLASH,
    rules.RoleNotHeld: _CLASH,
    rules.SecondPartyNeeded: _WHO,
    rules.WitnessNotIndependent: _WHO,
    rules.NamespaceTaken: _CLASH,
    rules.NotNamespaceOwner: _WHO,
    rules.UnknownNamespace: _CLASH,
    rules.ItemExists: _CLASH,
    rules.UnknownItem: _CLASH,
    rules.NotOwner: _WHO,
    rules.ItemFrozen: _CLASH,
    rules.ItemNotFrozen: _CLASH,
    rules.OfferPending: _CLASH,
    rules.NoSuchOffer: _CLASH,
    rules.OfferEnded: _CLASH,
    rules.NotRecipient: _WHO,
    rules.SameParty: _NEVER,
    rules.UnknownCurrency: _NEVER,
    rules.ItemUnderSignature: _CLASH,
    rules.OutOfOrder: _CLASH,
    rules.SalePresent: _CLASH,
    rules.ImportedPartyClaimed: _CLASH,
    rules.PolicyUnchanged: _CLASH,
    rules.PolicyPending: _CLASH,
    **dict(TRADE_STATUS.items()),
    rules.NoticeTooShort: _NEVER,
    rules.NoticeTooLong: _NEVER,
    rules.AlreadyOpen: _CLASH,
    InvariantBroken: _BUG,
    ledger.SignatureInvalid: _WHO,
    ledger.SignatureCount: _NEVER,
    ledger.DisclosureInvalid: _NEVER,
    ledger.AlreadyAppended: _CLASH,
    ledger.WriteLocked: _LATER,
    ledger.DiskLow: HTTPStatus.INSUFFICIENT_STORAGE,
    ledger.WriteContended: _LATER,
    ledger.QueueFull: HTTPStatus.TOO_MANY_REQUESTS,
    ledger.QuotaExceeded: HTTPStatus.TOO_MANY_REQUESTS,
    ledger.TooManyUnpaid: HTTPStatus.TOO_MANY_REQUESTS,
    ledger.WriterStopped: _LATER,
    ledger.BackupRefused: _CLASH,
    ledger.MarkNotAdopted: _CLASH,
    ledger.BackupDamaged: _CLASH,
    ledger.LedgerNotOpen: _LATER,
    ledger.LedgerExists: _CLASH,
    ledger.KeyFileInvalid: _BUG,
    ledger.HardwareKeyUnavailable: _LATER,
    ledger.CommitmentDiffers: _NEVER,
    ledger.CardDuplicate: _CLASH,
    ledger.CardRejected: _CLASH,
    ledger.UploadsCapped: HTTPStatus.TOO_MANY_REQUESTS,
    ledger.CardIndexUnavailable: _LATER,
    ledger.ParcelRefused: _NEVER,
    record.DatabaseUnavailable: _LATER,
    record.DatabaseDamaged: _LATER,
    record.EntryDamaged: _LATER,
    record.UnsafeDatabase: _LATER,
    record.SchemaTooNew: _LATER,
    record.SchemaTooOld: _LATER,
    record.FactsDisagree: _BUG,
    record.ReadTooWide: _BAD,
    record.OutcomeUnknown: _LATER,
    record.HeadMoved: _LATER,
    record.TransactionAborted: _LATER,
    record.DuplicateCommand: _CLASH,
    record.CheckpointConflict: _LATER,
    record.TileConflict: _LATER,
    record.CopyDiffers: _CLASH,
    record.VaultError: _LATER,
    record.KeyMissing: _LATER,
    record.KeyDamaged: _LATER,
    record.KeyNotStored: _LATER,
    record.BoxRefused: _LATER,
    RouteNotFound: _NONE,
    MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    EntryNotFound: _NONE,
    ItemNotFound: _NONE,
    PartyNotFound: _NONE,
    MerchantNotFound: _NONE,
    ListingNotFound: _NONE,
    OrderNotFound: _NONE,
    CheckpointNotFound: _NONE,
    TileNotFound: _NONE,
    ProofNotAvailable: _NONE,
    RequestUnsigned: _SIGN,
    RequestSignatureInvalid: _SIGN,
    RequestStale: _SIGN,
    RequestReplayed: _SIGN,
    NotAuthorised: _WHO,
    BodyTooLarge: _LARGE,
    BodyIncomplete: _BAD,
    BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    ServerBusy: _LATER,
    WrongMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    BadRequest: _BAD,
    log.StorageError: _LATER,
    log.EntryMissing: _LATER,
    log.ReadBackDiffers: _LATER,
    log.MemberSignatureLost: _LATER,
    log.RuleDiffers: _LATER,
    log.HeadBehind: _LATER,
    log.CheckpointDamaged: _LATER,
    log.RootDiffers: _LATER,
    log.SignerError: _LATER,
    log.MarkMissing: _LATER,
    log.MarkMoved: _LATER,
    log.TreeDisagrees: _LATER,
    log.SignatureFaulty: _LATER,
    log.NoteDiffers: _LATER,
    log.SignerUnavailable: _LATER,
    log.SignerRefused: _LATER,
    log.ProtocolBroken: _LATER,
    log.WrongCheckpointKey: _BUG,
    log.MarkDamaged: _LATER,
    log.SignLocked: _LATER,
    log.MirrorUnusable: _LATER,
    log.MirrorRefused: _LATER,
    log.NotPublished: _NONE,
    log.NothingToProve: _NONE,
    log.ProofTooLarge: _NEVER,
    log.ExportConflict: _CLASH,
    views.LogUnreadable: _LATER,
    views.ViewsDamaged: _LATER,
    views.ViewBehind: _LATER,
    InternalError: _BUG,
}

# The very same request may be accepted later.
RETRYABLE: frozenset[Answered] = frozenset(
    {
        BodyTooSlow,
        ServerBusy,
        views.ViewBehind,
        ledger.CardIndexUnavailable,
        ledger.DiskLow,
        ledger.WriteContended,
        ledger.QueueFull,
        ledger.QuotaExceeded,
        ledger.WriterStopped,
        log.NotPublished,
        record.DatabaseUnavailable,
        record.HeadMoved,
        record.KeyNotStored,
        record.OutcomeUnknown,
        record.TransactionAborted,
        rules.ChangeNotDue,
        rules.KeyCoolingDown,
        rules.NotYetValid,
    }
)
