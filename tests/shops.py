"""Merchants and listings for tests: qualified by a reviewer, listed by themselves.

`reviewer` stands for whoever holds that role; documents and issuer are sealed.
"""

from __future__ import annotations

from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft, Sealing
from ledger.rules.text import format_time
from tests.worlds import World

DAY_US = 24 * 3600 * 1_000_000


def qualification_draft(world: World, merchant: str, reviewer: str, **changes: Any) -> Draft:
    """Draft the qualification of a merchant for a class, a year long unless said otherwise."""
    body = {
        "class": "game-card",
        "merchant": merchant,
        "namespace": "cards",
        "origin": None,
        "until": format_time(world.clock.now() + 365 * DAY_US),
        **changes,
    }
    streams = (f"merchant/{merchant}", f"namespace/{body['namespace']}")
    expect = {stream: world.head(stream) for stream in streams}
    places = [world.signs(merchant, "merchant"), world.signs(reviewer, "reviewer")]
    sealed = {"documents": "a licence, scanned", "issuer": "the publisher"}
    seal = [Sealing(name, merchant, world.dice(32), value) for name, value in sealed.items()]
    return Draft("qualify-merchant/1", merchant, places, body, expect, seal=seal)


def qualify(world: World, merchant: str, reviewer: str, **changes: Any) -> Accepted:
    """Qualify a merchant for a class."""
    return world.submit(qualification_draft(world, merchant, reviewer, **changes))


def revoke_qualification(world: World, merchant: str, reviewer: str, item_class: str) -> Accepted:
    """Revoke a qualification; the reason is sealed."""
    seal = [Sealing("reason", merchant, world.dice(32), "see the case")]
    body = {"class": item_class, "ground": "rules-broken", "merchant": merchant}
    places = [world.signs(reviewer, "reviewer")]
    return world.submit(Draft("revoke-qualification/1", reviewer, places, body, seal=seal))


def update_labels(world: World, merchant: str, *labels: str) -> Accepted:
    """Let the system record the labels that a merchant has now."""
    body = {"labels": list(labels), "merchant": merchant}
    return world.submit(Draft("update-labels/1", "system", [world.signs("system", "system")], body))


def listing_body(listing: str, merchant: str, **changes: Any) -> dict[str, Any]:
    """A whole listing, with these fields replaced."""
    return {
        "class": "game-card",
        "listing": listing,
        "merchant": merchant,
        "price": {"amount": "9900", "currency": "CNY"},
        "product": "gift-cards",
        "promises": "a" * 64,
        "region": "cn",
        "text": "b" * 64,
        "validity_days": 365,
        **changes,
    }


def publish_listing(world: World, listing: str, merchant: str, **changes: Any) -> Accepted:
    """Publish a listing, or an edit of it."""
    streams = (f"listing/{listing}", f"merchant/{merchant}")
    expect = {stream: world.head(stream) for stream in streams}
    places = [world.signs(merchant, "merchant")]
    body = listing_body(listing, merchant, **changes)
    return world.submit(Draft("publish-listing/1", merchant, places, body, expect))


def end_listing(world: World, listing: str, merchant: str) -> Accepted:
    """End a listing for good."""
    stream = f"listing/{listing}"
    places = [world.signs(merchant, "merchant")]
    expect = {stream: world.head(stream)}
    return world.submit(Draft("end-listing/1", merchant, places, {"listing": listing}, expect))
