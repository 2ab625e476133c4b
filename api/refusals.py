"""What only the web side refuses, each with its code and evidence.

ApiError
├── RouteNotFound        nothing is served under this path
├── MethodNotAllowed     the path knows other methods
├── EntryNotFound        no entry at this index
├── ItemNotFound         no such item, or not yet at that index
├── PartyNotFound        no such party, or not yet at that index
├── MerchantNotFound     no such merchant
├── ListingNotFound      no such listing
├── OrderNotFound        no such order
├── ParcelNotFound       no parcel is kept for this line
├── CheckpointNotFound   no checkpoint of this size was published
├── TileNotFound         no tile or bundle of this width was published
├── ProofNotAvailable    the proof asked for lies outside the published tree
├── RequestUnsigned      what is asked for is restricted, and nobody signed the request
├── RequestSignatureInvalid  the signature of a request is not in order, or its key not valid
├── RequestStale         a signed request was not made within a minute of now
├── RequestReplayed      the nonce of a signed request was used before
├── NotAuthorised        the signer may not read this
├── ProviderNotConfigured  no such provider of payments is set up here
├── PaymentsMisconfigured  what is set up for payments cannot be used
├── NoticeSignatureInvalid  a provider's notice is not signed by that provider
├── NoticeStale          a provider's notice was not made lately
├── NoticeNotOurs        a provider's notice is for another shop
├── NoticeUnassigned     a provider's notice does not say what was paid for
├── BodyTooLarge         more bytes than a request may have
├── BodyIncomplete       the client went away in the middle of its request
├── BodyTooSlow          the body did not come within a minute
├── ServerBusy           too many large bodies at once
├── WrongMediaType       the body is not declared as plain `application/json`
├── BadRequest           the web framework refused the request
└── InternalError        a bug; it is logged, and the answer tells nothing more
"""

from __future__ import annotations

from typing import ClassVar


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


class ParcelNotFound(ApiError):
    """There is no parcel for this line here."""

    code = "parcel-not-found"


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


class ProviderNotConfigured(ApiError):
    """No such provider of payments is set up here."""

    code = "provider-not-configured"


class PaymentsMisconfigured(ApiError):
    """What is set up for a provider of payments cannot be used."""

    code = "payments-misconfigured"


class NoticeSignatureInvalid(ApiError):
    """A provider's notice is not signed by that provider."""

    code = "notice-signature-invalid"


class NoticeStale(ApiError):
    """A provider's notice was not made lately, or is dated ahead."""

    code = "notice-stale"


class NoticeNotOurs(ApiError):
    """A provider's notice is for another application or merchant."""

    code = "notice-not-ours"


class NoticeUnassigned(ApiError):
    """A provider's notice names neither an order nor a balance."""

    code = "notice-unassigned"


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
