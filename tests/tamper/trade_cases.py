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
from tests.goods import card_body, placing_body, terms_now
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


def serve_itself(world: World) -> Step:
    """Let kay top up her own balance."""
    seal = [Sealing("transaction", "kay", world.dice(32), "T-9")]
    draft = Draft(
        "top-up/1", "kay", [world.signs("kay", "cashier")], money_body("kay", 5), seal=seal
    )
    moved = [("balance/kay", "5"), ("external/internal", "-5")]
    data = {
        "after": [{"amount": "5", "currency": "CNY"}],
        "postings": [{"account": to, "amount": each, "currency": "CNY"} for to, each in moved],
    }
    return draft, [Fact("balance/kay", "balance-topped-up/1", data)]


def card(world: World, item: str, *, by: str = "mia", **changes: Any) -> Step:
    """Register a card; mia owns the namespace `mias`."""
    body = card_body(item, **changes)
    seal = [Sealing(name, by, world.dice(32), "text") for name in ("card", "code")]
    draft = Draft("register-card/1", by, [world.signs(by, "owner")], body, seal=seal)
    return draft, [Fact(f"item/{item}", "card-registered/1", {"owner": by})]


def on_item(world: World, kind: str, type_: str, body: dict[str, Any], *, by: str) -> Step:
    """Place an item with an agent, or take it back."""
    draft = Draft(kind, by, [world.signs(by, "owner")], body)
    return draft, [Fact(f"item/{body['item']}", type_, {})]


def place(world: World, item: str, *, by: str = "mia") -> Step:
    body = placing_body(item, agent="ben", terms=terms_now(world))
    return on_item(world, "place-in-escrow/1", "item-escrowed/1", body, by=by)


def take_back(world: World, item: str, *, by: str = "mia") -> Step:
    body = {"item": item}
    return on_item(world, "withdraw-from-escrow/1", "item-withdrawn/1", body, by=by)


def sell(world: World, item: str) -> Step:
    """Transfer an item from mia to ben, past the agent that it is with."""
    places = [world.signs("mia", "owner"), world.signs("ben", "recipient")]
    draft = Draft("transfer-item/1", "mia", places, {"item": item, "price": None})
    data = {"from": "mia", "to": "ben"}
    return draft, [Fact(f"item/{item}", "item-transferred/1", data)]


def offer(world: World, item: str) -> Step:
    """Offer an item of mia's to ben, past the agent that it is with."""
    until = format_time(world.clock.now() + 3_600_000_000)
    body = {"item": item, "price": None, "to": "ben", "until": until}
    draft = Draft("offer-transfer/1", "mia", [world.signs("mia", "owner")], body)
    return draft, [Fact(f"item/{item}", "transfer-offered/1", {"from": "mia"})]


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
    "money that a cashier tops up for itself": ("money", [serve_itself]),
    "a card that is placed as something else": (
        "escrow",
        [lambda w: place(w, "mias/card-3", by="ben")],
    ),
    "a role of a cashier that was never granted": (
        "roles",
        [lambda w: _by(w, "rex", top_up(w, 500, outside=-500, after=13_000))],
    ),
    "a card that is registered twice": ("owner", [lambda w: card(w, "mias/card-1")]),
    "a card in a namespace of another": ("owner", [lambda w: card(w, "cards/card-9")]),
    "a card that is sold past its agent": ("escrow", [lambda w: sell(w, "mias/card-1")]),
    "a card that is offered past its agent": ("escrow", [lambda w: offer(w, "mias/card-2")]),
    "a thing that is with an agent and placed again": (
        "escrow",
        [lambda w: place(w, "mias/sword")],
    ),
    "a thing that another party places": (
        "escrow",
        [
            lambda w: take_back(w, "mias/sword"),
            lambda w: place(w, "mias/sword", by="ben"),
        ],
    ),
    "a card that another party takes back": (
        "escrow",
        [lambda w: take_back(w, "mias/card-1", by="ben")],
    ),
    "a card that is taken back from nobody": (
        "escrow",
        [lambda w: take_back(w, "mias/card-3", by="ben")],
    ),
    "a review by who reviews nothing": ("roles", [lambda w: qualify(w, "kay")]),
}


def _by(world: World, party: str, step: Step) -> Step:
    draft, facts = step
    places = [world.signs(party, "cashier")]
    return Draft(draft.kind, party, places, draft.body, seal=draft.seal), facts
