"""Reading a request strictly: its body as canonical JSON, its path and query in one spelling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager

from anyio import CapacityLimiter, WouldBlock
from fastapi import Request

from api.errors import BodyTooLarge, BodyTooSlow, ServerBusy, WrongMediaType
from api.submitting import BODY_BYTES_MAX
from ledger.rules.errors import Malformed
from ledger.rules.text import decimal, time_us

PAGE_DEFAULT = 50
PAGE_MAX = 500
SMALL_BODY_BYTES = 64 * 1024
BODY_SECONDS_MAX = 60.0
_QUERY_PAIRS_MAX = 16
_MEDIA_TYPES = frozenset(
    {"application/json", "application/json;charset=utf-8", 'application/json;charset="utf-8"'}
)


@asynccontextmanager
async def body_of(request: Request, large: CapacityLimiter) -> AsyncIterator[bytes]:
    """Give the body of a request, and not one chunk more than may be accepted.

    Args:
        request: Its body has not been read.
        large: How many bodies of more than 64 KiB are in memory at once, until they are done with.

    Raises:
        WrongMediaType: It is not declared as plain, uncompressed `application/json`.
        Malformed: `Content-Length` is not a number, or repeated.
        BodyTooLarge: It has, or announces, more than 8 MiB.
        BodyTooSlow: It did not come within a minute.
        ServerBusy: It is large, and so are too many others.

    """
    _check_media_type(request)
    announced = _announced(request)
    borrower = object()
    try:
        if announced > SMALL_BODY_BYTES:
            _enter(large, borrower)
        yield await _read_in_time(request, large, borrower)
    finally:
        if borrower in large.statistics().borrowers:
            large.release_on_behalf_of(borrower)


async def read_small(request: Request, *, most: int = SMALL_BODY_BYTES) -> bytes:
    """Read the body of a request byte by byte, whatever it is.

    Args:
        request: Its body has not been read.
        most: Bytes that it may have.

    Raises:
        BodyTooLarge: It has more.
        BodyTooSlow: It did not come within a minute.

    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > most:
                    raise BodyTooLarge(f"this request has at most {most} bytes", bytes_max=most)
    except TimeoutError:
        raise BodyTooSlow("the body did not come in time", seconds=int(BODY_SECONDS_MAX)) from None
    return bytes(body)


def _announced(request: Request) -> int:
    lengths = request.headers.getlist("content-length")
    if len(lengths) > 1:
        raise Malformed("content-length", "is given more than once")
    announced = decimal(lengths[0], field="content-length") if lengths else 0
    if announced > BODY_BYTES_MAX:
        raise _too_large()
    return announced


async def _read_in_time(request: Request, large: CapacityLimiter, borrower: object) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            # Counted again: a length may lie, and a chunked body announces none.
            async for chunk in request.stream():
                body += chunk
                if len(body) > BODY_BYTES_MAX:
                    raise _too_large()
                if len(body) > SMALL_BODY_BYTES:
                    _enter(large, borrower)
    except TimeoutError:
        raise BodyTooSlow("the body did not come in time", seconds=int(BODY_SECONDS_MAX)) from None
    return bytes(body)


def _enter(large: CapacityLimiter, borrower: object) -> None:
    """Take a place among the large bodies, once."""
    if borrower in large.statistics().borrowers:
        return
    try:
        large.acquire_on_behalf_of_nowait(borrower)
    except WouldBlock:
        raise ServerBusy(
            "too many large requests at once; send it again", large_at_once=int(large.total_tokens)
        ) from None


def _check_media_type(request: Request) -> None:
    declared = request.headers.getlist("content-type")
    plain = [value.replace(" ", "").replace("\t", "").lower() for value in declared]
    if len(plain) != 1 or plain[0] not in _MEDIA_TYPES:
        raise WrongMediaType("send application/json", declared=", ".join(declared)[:100] or None)
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise WrongMediaType("send the body uncompressed", encoding=coding[:100])


def _too_large() -> BodyTooLarge:
    return BodyTooLarge("a request has at most 8 MiB", bytes_max=BODY_BYTES_MAX)


def read_query(request: Request, known: Collection[str] = ()) -> Mapping[str, str]:
    """Read the query of a request: only parameters that the route knows, each once.

    Raises:
        Malformed: A parameter is unknown or repeated.

    """
    pairs = request.query_params.multi_items()
    if len(pairs) > _QUERY_PAIRS_MAX:
        raise Malformed("query", f"has more than {_QUERY_PAIRS_MAX} parameters")
    found: dict[str, str] = {}
    for name, value in pairs:
        field = f"query.{name[:40]}"
        if name not in known:
            raise Malformed(field, "is not a parameter of this path")
        if name in found:
            raise Malformed(field, "is given more than once")
        found[name] = value
    return found


def read_number(query: Mapping[str, str], name: str) -> int | None:
    """Read a whole number of the query, None where it is not given. Raises `Malformed`."""
    return decimal(query[name], field=f"query.{name}") if name in query else None


def read_time(query: Mapping[str, str], name: str) -> int | None:
    """Read a protocol time of the query in microseconds, None where absent. Raises `Malformed`."""
    return time_us(query[name], field=f"query.{name}") if name in query else None


def read_limit(query: Mapping[str, str]) -> int:
    """Read how many rows a page shall have.

    Raises:
        Malformed: Not a number from 1 to 500.

    """
    limit = read_number(query, "limit")
    if limit is not None and not 1 <= limit <= PAGE_MAX:
        raise Malformed("query.limit", f"is not a number from 1 to {PAGE_MAX}")
    return limit or PAGE_DEFAULT
