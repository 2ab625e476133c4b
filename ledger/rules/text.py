"""One value, one spelling: strict readers for the text forms of the protocol.

Every reader takes the field's name for its error and raises `Malformed`. Lengths are checked
before work. Specification: docs/spec.md section 2.
"""

from __future__ import annotations

import binascii
import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache, wraps
from typing import Protocol

from ledger.rules.errors import Malformed

TIME_LENGTH = 27
DIGITS_MAX = 19
_TIMES_KEPT = 4096
_SECOND_LENGTH = 19
_SECONDS_KEPT = 256
_TEXTS_KEPT = 16_384
SIZE_LIMIT = 1 << 63
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_HEX32 = re.compile(r"[0-9a-f]{64}")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_ID = re.compile(r"[A-Za-z0-9._:~-]{1,128}")
_AMOUNT = re.compile(r"0|[1-9][0-9]{0,37}")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_SIGNED = re.compile(r"0|-?[1-9][0-9]{0,37}")
_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{1,9}")
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_LINE = re.compile(r"[1-9][0-9]{0,3}")
_ORIGIN = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}(/[A-Za-z0-9._~-]{1,63}){0,6}")
_BASE64_MAX = 1 << 22


def b64encode(raw: bytes) -> str:
    """Write bytes as base64, RFC 4648 section 4, padded."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def b64decode(text: object, *, field: str, size: int | None = None) -> bytes:
    """Read base64 that re-encodes to the same text.

    Args:
        text: The text, at most 4 MiB.
        field: Name for the error.
        size: Exact length wanted, in bytes.

    Raises:
        Malformed: Not a string, not base64, a second spelling, or another length.

    """
    if not isinstance(text, str) or len(text) > _BASE64_MAX:
        raise Malformed(field, "is not a short base64 string")
    try:
        raw = binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        raise Malformed(field, "is not base64") from None
    # Bits beyond the last byte, which strict mode lets pass.
    if b64encode(raw) != text:
        raise Malformed(field, "is base64 with a second spelling")
    if size is not None and len(raw) != size:
        raise Malformed(field, f"holds {len(raw)} bytes, expected {size}")
    return raw


def hex32(text: object, field: str) -> bytes:
    """Read 64 lower-case hex digits as 32 bytes.

    Raises:
        Malformed: Anything else.

    """
    return bytes.fromhex(check_hex32(text, field))


def check_hex32(text: object, field: str) -> str:
    """Accept 64 lower-case hex digits. Raises `Malformed` otherwise."""
    if not isinstance(text, str) or not _HEX32.fullmatch(text):
        raise Malformed(field, "is not 64 lower-case hex digits")
    return text


def decimal(text: object, *, field: str) -> int:
    """Read ASCII decimal digits: no sign, no leading zero, below 2**63.

    Raises:
        Malformed: Anything else.

    """
    # The length comes first: int("9" * 5000) raises a bare ValueError.
    if not isinstance(text, str) or not 1 <= len(text) <= DIGITS_MAX:
        raise Malformed(field, "is not a short run of ASCII digits")
    if not (text.isascii() and text.isdigit()):
        raise Malformed(field, "is not a short run of ASCII digits")
    value = int(text)
    if str(value) != text:
        raise Malformed(field, "has more than one spelling")
    if value >= SIZE_LIMIT:
        raise Malformed(field, "does not fit in 63 bits")
    return value


def time_us(text: object, field: str) -> int:
    """Read a protocol time as microseconds since 1970-01-01 UTC.

    Raises:
        Malformed: Not `YYYY-MM-DDTHH:MM:SS.ffffffZ`, or no such moment.

    """
    if not isinstance(text, str) or len(text) != TIME_LENGTH:
        raise Malformed(field, "is not a UTC time with microseconds")
    try:
        return _time_us(text)
    except Malformed as bad:
        raise Malformed(field, bad.message) from None


@lru_cache(maxsize=_TIMES_KEPT)
def _time_us(text: str) -> int:
    # Kept for a while: a time stands in a command's schema, in its reading and in its entry.
    if _TIME.fullmatch(text) is None:
        raise Malformed("time", "is not a UTC time with microseconds")
    return _second_us(text[:_SECOND_LENGTH]) + int(text[_SECOND_LENGTH + 1 : -1])


@lru_cache(maxsize=_SECONDS_KEPT)
def _second_us(text: str) -> int:
    """Read `YYYY-MM-DDTHH:MM:SS`, of digits, as microseconds since 1970-01-01 UTC."""
    # Not strptime: it takes three times as long, and every entry holds three times or more.
    year, month, day, hour, minute, second = map(int, re.split("[-T:]", text))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Malformed("time", "names no moment") from None
    return (moment - EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=_TIMES_KEPT)
def format_time(us: int) -> str:
    """Write microseconds since 1970-01-01 UTC as a protocol time.

    Raises:
        Malformed: The moment lies past the year 9999, as a delay added to a time can.

    """
    seconds, micro = divmod(us, 1_000_000)
    return f"{_second(seconds)}.{micro:06}Z"


@lru_cache(maxsize=_SECONDS_KEPT)
def _second(seconds: int) -> str:
    # Kept for a while: thousands of entries are written within one.
    try:
        moment = EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        raise Malformed("time", "lies past the year 9999") from None
    # Not strftime: it writes the year 987 with three digits.
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def check_time(text: object, field: str) -> str:
    """Accept a protocol time. Raises `Malformed` otherwise."""
    time_us(text, field)
    return str(text)


class Reader(Protocol):
    """Accepts a text, or raises `Malformed` with the name of its field."""

    def __call__(self, text: object, field: str) -> str:
        """Return the text."""
        ...


def _remembered(check: Reader) -> Reader:
    """Remember what was accepted: names of parties and streams come again and again."""
    accepted: set[str] = set()

    @wraps(check)
    def remembered(text: object, field: str) -> str:
        if type(text) is str and text in accepted:
            return text
        found = check(text, field)
        if len(accepted) >= _TEXTS_KEPT:
            accepted.clear()
        accepted.add(found)
        return found

    return remembered


def _match(pattern: re.Pattern[str], text: object, field: str, what: str) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise Malformed(field, f"is not {what}")
    return text


def check_namespace(text: object, field: str) -> str:
    """Accept a namespace, `[a-z0-9][a-z0-9._-]{0,62}`. Raises `Malformed` otherwise."""
    return _match(_NAMESPACE, text, field, "a namespace")


@_remembered
def check_id(text: object, field: str) -> str:
    """Accept an id: 1 to 128 of `[A-Za-z0-9._:~-]`, not `.` or `..`. Raises `Malformed`."""
    if isinstance(text, str) and text in {".", ".."}:
        raise Malformed(field, "is not an id")
    return _match(_ID, text, field, "an id")


def check_uuid7(text: object, field: str) -> str:
    """Accept a lower-case UUID of version 7. Raises `Malformed` otherwise."""
    return _match(_UUID7, text, field, "a UUIDv7")


def check_name(text: object, field: str) -> str:
    """Accept a name in a policy's sense, `[a-z][a-z0-9-]{0,39}`. Raises `Malformed` otherwise."""
    what = "a name: a small letter, then up to 39 small letters, digits or -"
    return _match(_NAME, text, field, what)


def check_currency(text: object, field: str) -> str:
    """Accept a currency code, `[A-Z][A-Z0-9]{1,9}`. Raises `Malformed` otherwise."""
    return _match(_CURRENCY, text, field, "a currency code")


def check_amount(text: object, field: str) -> str:
    """Accept a non-negative amount in minor units, at most 38 digits. Raises `Malformed`."""
    return _match(_AMOUNT, text, field, "a whole number of minor units")


def check_signed(text: object, field: str) -> str:
    """Accept an amount in minor units that may be below zero. Raises `Malformed` otherwise."""
    return _match(_SIGNED, text, field, "a whole number of minor units, with - below zero")


@_remembered
def check_origin(text: object, field: str) -> str:
    """Accept a log origin: a host name and up to six path parts. Raises `Malformed`."""
    return _match(_ORIGIN, text, field, "a log origin")


@_remembered
def check_party(text: object, field: str) -> str:
    """Accept a party: a plain id, or `imported/NS/ID`. Raises `Malformed` otherwise."""
    if isinstance(text, str) and text.startswith("imported/"):
        _, _, rest = text.partition("/")
        namespace, _, identifier = rest.partition("/")
        check_namespace(namespace, field=field)
        check_id(identifier, field=field)
        return text
    return check_id(text, field=field)


def is_imported(party: str) -> bool:
    """Say whether a party comes from imported history."""
    return party.startswith("imported/")


def party_stream(party: str) -> str:
    """Name the stream that holds a party's keys and roles."""
    return party if party.startswith("imported/") else f"party/{party}"


@_remembered
def check_item(text: object, field: str) -> str:
    """Accept an item reference, `NS/ID`. Raises `Malformed` otherwise."""
    if not isinstance(text, str):
        raise Malformed(field, "is not an item")
    namespace, slash, identifier = text.partition("/")
    if not slash:
        raise Malformed(field, "is not an item (NAMESPACE/ID)")
    check_namespace(namespace, field=field)
    check_id(identifier, field=field)
    return text


_NUMBERED = ("alert", "claim", "order")
_STREAM_PARTS = {
    **dict.fromkeys(("imported", "item", "listing"), 2),
    **dict.fromkeys(("balance", "checks", "credit", "deposit", "merchant"), 1),
    **dict.fromkeys(("namespace", "party", "policy", *_NUMBERED), 1),
    "log": 0,
}


@_remembered
def check_stream(text: object, field: str) -> str:
    """Accept the name of a stream. Raises `Malformed` otherwise."""
    if not isinstance(text, str):
        raise Malformed(field, "is not a stream")
    room, *parts = text.split("/")
    if room not in _STREAM_PARTS or len(parts) != _STREAM_PARTS[room]:
        raise Malformed(field, "is not a stream of this version")
    if _STREAM_PARTS[room] == 2:  # noqa: PLR2004 - a namespace and an id
        check_item("/".join(parts), field=field)
    elif room == "namespace":
        check_namespace(parts[0], field=field)
    elif room in _NUMBERED:
        check_uuid7(parts[0], field=field)
    elif parts:
        check_id(parts[0], field=field)
    return text


PROVIDERS = ("alipay", "internal", "wechat")
_SINGLE_ACCOUNTS = frozenset({"fees", "fund", "issued"})


@_remembered
def check_account(text: object, field: str) -> str:
    """Accept the name of an account that postings move money on. Raises `Malformed` otherwise."""
    if not isinstance(text, str):
        raise Malformed(field, "is not an account")
    room, _, rest = text.partition("/")
    if room in {"balance", "credit", "deposit", "receivable"}:
        check_id(rest, field=field)
    elif room == "escrow":
        order, _, line = rest.partition("/")
        check_uuid7(order, field=field)
        _match(_LINE, line, field, "an account of a line of an order")
    elif (room != "external" or rest not in PROVIDERS) and text not in _SINGLE_ACCOUNTS:
        raise Malformed(field, "is not an account")
    return text
