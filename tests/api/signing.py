"""Signed requests to a small real ledger."""

from __future__ import annotations

from itertools import count
from typing import Any

from api.signatures import Target, sign_request
from ledger.application import Accepted
from ledger.rules.compose import Draft, Sealing
from ledger.signer import LocalSigner
from tests.api.serving import Served
from tests.worlds import World

HOST = "testserver"
_numbers = count(1)


def headers_for(
    world: World,
    path: str,
    key: LocalSigner,
    *,
    method: str = "GET",
    host: str = HOST,
    scheme: str = "http",
    **changes: Any,
) -> dict[str, str]:
    """Sign a request without sending it, with a nonce of its own unless one is given."""
    chosen: dict[str, Any] = {
        "origin": world.origin,
        "created": world.clock.now(),
        "nonce": f"{next(_numbers):032x}",
        **changes,
    }
    return sign_request(Target(method, scheme, host, path), key, **chosen)


def ask(served: Served, path: str, party: str, *, method: str = "GET", **changes: Any) -> Any:
    """Send a request that a party signed with its first key."""
    headers = headers_for(served.world, path, served.world.key(party), method=method, **changes)
    return served.client.request(method, path, headers=headers)


def seal_about(world: World, item: str, subject: str, value: str) -> Accepted:
    """Register an item whose sealed name is about any party."""
    owner = world.owner_of(item.partition("/")[0])
    seal = [Sealing("name", subject, world.dice(32), value)]
    body = {"class": "other", "item": item}
    return world.submit(
        Draft("register-item/1", owner, [world.signs(owner, "owner")], body, seal=seal)
    )


def path_of(index: int) -> str:
    return f"/v1/entries/{index}/disclosures"
