"""The port: what every provider of payments must be able to say, in one form.

A provider tells of a payment by a notice. Its adapter believes nothing before the provider's own
signature holds over the bytes as they were received, and then reads what it needs strictly: each
field once, amounts as whole minor units. What a payment is for stands in the reference that the
shop gave when it was begun. Decision: docs/adr/0038.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from api.errors import NoticeSignatureInvalid, NoticeStale, NoticeUnassigned
from ledger.rules.errors import Malformed
from ledger.rules.text import check_id, check_uuid7

CNY: Final = "CNY"
SECOND_US: Final = 1_000_000
AHEAD_US: Final = 300 * SECOND_US
"""How far a provider's clock may be ahead of ours."""
AMOUNT_LIMIT: Final = 10**15
"""More minor units than any provider moves at once."""
_BALANCE: Final = "balance/"
_ORDER: Final = "order/"
_YUAN: Final = re.compile(r"(0|[1-9][0-9]{0,12})(?:\.([0-9]{1,2}))?", re.ASCII)
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[+-][0-9]{2}:[0-9]{2}"
)
_ORDER_NUMBER: Final = re.compile(r"[0-9a-f]{32}")
_NUMBER: Final = re.compile(r"[A-Za-z0-9_|*-]{1,64}")

Fields = Mapping[str, Sequence[str]]
"""Header fields of a request: names in lower case, and every value that was sent."""


class State(StrEnum):
    """What a notice says of a payment: only the first moves money here."""

    PAID = "paid"
    REFUNDED = "refunded"
    """At the provider, whole or in part."""
    PENDING = "pending"
    """Not paid, or never."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A verified notice.

    Attributes:
        provider: Whose it is.
        transaction: The provider's own number of the payment.
        reference: The shop's number of it.
        order: What it pays: `order/ID` or `balance/PARTY`.
        amount: In minor units, more than zero.
        currency: Of it.
        state: What became of the payment.
        at: When, by the provider's clock, in microseconds.

    """

    provider: str
    transaction: str
    reference: str
    order: str
    amount: int
    currency: str
    state: State
    at: int


class Port(Protocol):
    """A provider of payments."""

    @property
    def provider(self) -> str:
        """Its name, as commands have it."""
        ...

    @property
    def party(self) -> str:
        """The party of the ledger that signs for it, a cashier."""
        ...

    def verify(self, headers: Fields, body: bytes, *, now: int) -> Notice:
        """Find out what a notice says, if the provider said it.

        Args:
            headers: As they came.
            body: As it came, byte by byte.
            now: The time of this server, in microseconds.

        Raises:
            Malformed: It is not in the provider's form.
            NoticeSignatureInvalid: The provider did not sign these bytes.
            NoticeStale: It is too old, or dated ahead.
            NoticeNotOurs: It is about another shop.
            NoticeUnassigned: It does not say what was paid for.

        """
        ...


def check_rsa(key: RSAPublicKey, signature: bytes, message: bytes) -> None:
    """Check a SHA256withRSA signature. Raises `NoticeSignatureInvalid`."""
    try:
        key.verify(signature, message, PKCS1v15(), SHA256())
    except InvalidSignature:
        raise NoticeSignatureInvalid(
            "the provider's signature does not hold over what this server received"
        ) from None


def read_base64(text: str | bytes, field: str) -> bytes:
    """Read base64 in its one spelling. Raises `Malformed`."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed(field, "is not base64") from None
    sent = text if isinstance(text, bytes) else text.encode()
    if base64.b64encode(value) != sent:
        raise Malformed(field, "is not base64 in its one spelling")
    return value


def only(headers: Fields, name: str) -> str:
    """Return a header field that must be there once. Raises `Malformed`."""
    values = headers.get(name, ())
    if len(values) != 1:
        raise Malformed(name, "is given more than once" if values else "is missing")
    return values[0]


def check_age(said: int, now: int, *, most_us: int) -> None:
    """Accept a time that is neither too long ago nor ahead. Raises `NoticeStale`."""
    if not now - most_us <= said <= now + AHEAD_US:
        raise NoticeStale(
            "the notice was not made lately, or its provider's clock and this server's differ",
            seconds_ago=(now - said) // SECOND_US,
            seconds_max=most_us // SECOND_US,
        )


def yuan(text: str, field: str) -> int:
    """Read an amount with at most two decimals as whole minor units. Raises `Malformed`."""
    match = _YUAN.fullmatch(text)
    if match is None:
        raise Malformed(field, "is not an amount with at most two decimals")
    return int(match[1]) * 100 + int((match[2] or "").ljust(2, "0"))


def time_told(text: str, field: str) -> int:
    """Read a whole second with its offset from UTC, in microseconds. Raises `Malformed`."""
    try:
        if _TIME.fullmatch(text) is not None:
            return calendar.timegm(datetime.fromisoformat(text).utctimetuple()) * SECOND_US
    except (ValueError, OverflowError):
        # No such day, or none in UTC.
        pass
    raise Malformed(field, "is not a time in the provider's form")


def number(text: str, field: str) -> str:
    """Accept a provider's or a shop's number of a payment. Raises `Malformed`."""
    if _NUMBER.fullmatch(text) is None:
        raise Malformed(field, "is not 1 to 64 letters, digits or _|*-")
    return text


def order_of(reference: str, carried: str | None) -> str:
    """Find out what a payment is for: what the notice carries back, or else the reference.

    Args:
        reference: The shop's number of the payment.
        carried: What the shop had the provider hand back: `order/ID` or `balance/PARTY`.

    Raises:
        NoticeUnassigned: Neither names an order or a balance.

    """
    if carried is None:
        found = order_number(reference)
        if found is None:
            raise NoticeUnassigned("the notice names neither an order nor a balance")
        return found
    try:
        if carried.startswith(_ORDER):
            return _ORDER + check_uuid7(carried.removeprefix(_ORDER), field="order")
        if carried.startswith(_BALANCE):
            return _BALANCE + check_id(carried.removeprefix(_BALANCE), field="party")
    except Malformed:
        pass
    raise NoticeUnassigned("what the notice carries names neither an order nor a balance")


def order_number(reference: str) -> str | None:
    """Read a reference of 32 hexadecimal digits as the order whose id they are; else None."""
    if _ORDER_NUMBER.fullmatch(reference) is None:
        return None
    parts = (reference[:8], reference[8:12], reference[12:16], reference[16:20], reference[20:])
    try:
        return _ORDER + check_uuid7("-".join(parts), field="order")
    except Malformed:
        return None


def positive(amount: int, field: str) -> int:
    """Accept an amount that somebody can have paid. Raises `Malformed`."""
    if not 1 <= amount < AMOUNT_LIMIT:
        raise Malformed(field, f"is not more than zero and less than {AMOUNT_LIMIT}")
    return amount
