"""Who signed a request: checked before anything is looked up for it.

A route that depends on `Signed` answers nobody whose signature does not hold. The order of the
checks gives nothing away and costs little: form, log, time and body are free; the key is looked up
and the signature checked before the nonce is written, so that only a registered party can write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request
from fastapi.routing import APIRoute

from api.access import EXTENSION, Caller, Reach
from api.errors import BodyTooLarge, BodyTooSlow, RequestReplayed, RequestSignatureInvalid
from api.headers import method_of
from api.problems import tell_beside
from api.reading import BODY_SECONDS_MAX, SMALL_BODY_BYTES
from api.rooms import Here, Rooms
from api.signatures import Claim, Fields, Target, authority_of, challenge, read_claim
from ledger.proof.errors import VerificationError
from ledger.proof.keys import verify
from ledger.rules.errors import Malformed
from ledger.rules.text import b64decode


async def caller_of(request: Request, rooms: Here) -> Caller:
    """Find out who signed a request that has no body.

    Raises:
        RequestUnsigned: Nobody did.
        RequestSignatureInvalid: The signature does not hold, or its key is not valid now.
        RequestStale: It is too old, or dated ahead.
        QuotaExceeded: Its signer reads more than it may.
        RequestReplayed: It came before.
        Malformed: It has a body.
        BodyTooLarge: Likewise, and of more than 64 KiB.
        BodyTooSlow: Likewise, and it did not come within a minute.

    """
    house = rooms.house
    tell_beside(request, challenge(house.origin))
    fields = Fields(
        *map(request.headers.getlist, ("signature-input", "signature", "content-digest"))
    )
    # Nothing is read for somebody who did not even try.
    signed = bool(fields.signature_input or fields.signature)
    body = await _body(request) if signed else b""
    target = _target(request, rooms.settings.public_url, body)
    claim = read_claim(fields, target, origin=house.origin, now=house.clock.now())
    caller = await rooms.identify(identify, rooms, claim)
    if body:
        raise Malformed("body", "must be empty")
    return caller


Signed = Annotated[Caller, Depends(caller_of)]


def identify(rooms: Rooms, claim: Claim) -> Caller:
    """Check the signature of a request and take its nonce; blocks.

    Raises:
        RequestSignatureInvalid: Nobody has the key, the signature does not hold, or the key is
            revoked.
        QuotaExceeded: The party reads more than it may.
        RequestReplayed: The nonce was used before.

    """
    house = rooms.house
    party = house.parties.of_key(claim.key_id)
    key = None if party is None else party.key(claim.key_id)
    if party is None or key is None:
        raise RequestSignatureInvalid("no party of this log has the key", field="keyid")
    public = b64decode(key.public, field="key.public")
    try:
        verify(key.alg, public=public, signature=claim.signature, message=claim.message)
    except VerificationError:
        raise RequestSignatureInvalid(
            "the signature does not hold over what this server received", field="signature"
        ) from None
    if key.revoked:
        raise RequestSignatureInvalid("the key is revoked", field="keyid")
    if rooms.read_quota is not None:
        rooms.read_quota.admit(party.party)
    now = house.clock.now()
    if not house.nonces.spend(party.party, claim.nonce, created=claim.created, now=now):
        raise RequestReplayed("this request came before: sign another one", nonce=claim.nonce)
    return Caller(party.party, frozenset(role.name for role in party.roles))


def row_of(request: Request) -> Mapping[str, Reach]:
    """Find the row of the matrix for the route that serves a request."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)  # noqa: S101 - only such routes depend on a caller
    row: Mapping[str, Reach] = (route.openapi_extra or {})[EXTENSION]
    return row


def check_declared(router: APIRouter) -> None:
    """Check that every route of a router says whom it lets in.

    Raises:
        LookupError: One does not: it would be served without anybody having decided that.

    """
    for route in router.routes:
        if not isinstance(route, APIRoute) or EXTENSION not in (route.openapi_extra or {}):
            message = f"{getattr(route, 'path', route)} does not say {EXTENSION}"
            raise LookupError(message)


def _target(request: Request, public_url: str | None, body: bytes) -> Target:
    """Say what was asked for, in the words of whoever signed it.

    The name of the server is never the request's own word for it: somebody else's server could
    then hand on, under its name, what a party signed for it.
    """
    path = request.scope["raw_path"].decode("latin-1")
    query = request.scope["query_string"].decode("latin-1")
    asked = f"{path}?{query}" if query else path
    method = method_of(request.scope)
    if public_url is not None:
        known = urlsplit(public_url)
        authority = authority_of(known.netloc, known.scheme)
        return Target(method, known.scheme, authority, f"{known.path}{asked}", body)
    scheme, hosts = request.scope["scheme"], request.headers.getlist("host")
    authority = authority_of(hosts[0], scheme) if len(hosts) == 1 else ""
    if authority not in {authority_of(name, scheme) for name in _own_names(request)}:
        raise RequestSignatureInvalid(
            "this server does not go by that name; its operator tells it by --public-url",
            field="host",
        )
    return Target(method, scheme, authority, asked, body)


def _own_names(request: Request) -> list[str]:
    """Name the address that the request came to; none where that was a socket without one."""
    host, port = request.scope.get("server") or (None, None)
    if host is None or port is None:
        return []
    try:
        address = ip_address(host)
    except ValueError:
        return [f"{host}:{port}"]
    names = [f"[{host}]:{port}" if ":" in host else f"{host}:{port}"]
    return [*names, f"localhost:{port}"] if address.is_loopback else names


async def _body(request: Request) -> bytes:
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            async for chunk in request.stream():
                body += chunk
                if len(body) > SMALL_BODY_BYTES:
                    raise BodyTooLarge("this request has no body", bytes_max=0)
    except TimeoutError:
        raise BodyTooSlow("the body did not come in time", seconds=int(BODY_SECONDS_MAX)) from None
    return bytes(body)
