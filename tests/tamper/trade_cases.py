"""What an operator could write of trade if the rules said yes: no review, a silent price, money.

In the market, `mia` lists game cards in `mias` by the review of `rex`, but licences no more, and
`kay` is the cashier of `ben`, who has 12,500 left.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ledger.rules.compose import Draft, Sealing
from ledger.rules.digests import listing_digest
from ledger.rules.model import Fact
from ledger.rules.text import format_time
from tests.money import money_body
from tests.shops import listing_body
from tests.worlds import World

Step = tuple[Draft, list[Fact]]
GIFT, OFFICE = "mias/gift-100", "mias/office"


def publish(world: World, listing: str, said: dict[str, Any] | None = None, **changes: Any) -> Step:
    """Publish a listing of mia's; `said` is what its entry says of it instead of the truth."""
    body = listing_body(listing, "mia", **changes)
    data = {"material": [], "snapshot": listing_digest(body)} | (said or {})
    draft = Draft("publish-listing/1", "mia", [world.signs("mia", "merchant")], body)
    return draft, [Fact(f"listing/{listing}", "listing-published/1", data)]


def edit(world: World, said: dict[str, Any] | None = None, **changes: Any) -> Step:
    """Edit the listing that stands, as it was published last but for these changes."""
    price = {"amount": "9500", "currency": "CNY"}
    as_it_was = {"price": price, "region": "global", "text": "c" * 64}
    return publish(world, GIFT, said, **{**as_it_was, **changes})


def qualify(world: World, reviewer: str, **changes: Any) -> Step:
    body = {
        "class": "game-card",
        "merchant": "mia",
        "namespace": "mias",
        "origin": None,
        "until": format_time(world.clock.now() + 86_400_000_000),
        **changes,
    }
    places = [world.signs("mia", "merchant"), world.signs(reviewer, "reviewer")]
    names = ("documents", "issuer")
    seal = [Sealing(name, "mia", world.dice(32), "none") for name in names]
    draft = Draft("qualify-merchant/1", "mia", places, body, seal=seal)
    return draft, [Fact("merchant/mia", "merchant-qualified/1", {})]


def top_up(world: World, amount: int, *, outside: int, after: int) -> Step:
    """Top ben's balance up: by so much, of which so much came in, to so much."""
    postings = [("balance/ben", amount), ("external/internal", outside)]
    seal = [Sealing("transaction", "ben", world.dice(32), "T-9")]
    places = [world.signs("kay", "cashier")]
    draft = Draft("top-up/1", "kay", places, money_body("ben", abs(amount)), seal=seal)
    data = {
        "after": [{"amount": str(after), "currency": "CNY"}] if after else [],
        "postings": [
            {"account": account, "amount": str(each), "currency": "CNY"}
            for account, each in postings
        ],
    }
    return draft, [Fact("balance/ben", "balance-topped-up/1", data)]


TRADE_CASES: dict[str, tuple[str, list[Callable[[World], Step]]]] = {
    "a listing of a class whose review was revoked": (
        "qualification",
        [lambda w: publish(w, "mias/office-2", **{"class": "software-key"})],
    ),
    "a listing in a namespace of another": (
        "qualification",
        [lambda w: publish(w, "cards/gift")],
    ),
    "a merchant that moves to a namespace of another": (
        "qualification",
        [lambda w: qualify(w, "rex", namespace="cards")],
    ),
    "an ended listing that is published again": ("listing", [lambda w: publish(w, OFFICE)]),
    "a price that changes without a word": (
        "listing",
        [lambda w: edit(w, price={"amount": "1", "currency": "CNY"})],
    ),
    "a listing under the digest of another": (
        "listing",
        [lambda w: edit(w, {"snapshot": "0" * 64}, text="d" * 64)],
    ),
    "money from nowhere": ("money", [lambda w: top_up(w, 500, outside=-400, after=13_000)]),
    "a payment that is counted twice": (
        "money",
        [lambda w: top_up(w, 500, outside=-500, after=13_500)],
    ),
    "a balance below zero": ("money", [lambda w: top_up(w, -12_501, outside=12_501, after=0)]),
    "a role of a cashier that was never granted": (
        "roles",
        [lambda w: _by(w, "rex", top_up(w, 500, outside=-500, after=13_000))],
    ),
    "a review by who reviews nothing": ("roles", [lambda w: qualify(w, "kay")]),
}


def _by(world: World, party: str, step: Step) -> Step:
    draft, facts = step
    places = [world.signs(party, "cashier")]
    return Draft(draft.kind, party, places, draft.body, seal=draft.seal), facts
