"""Cards and escrow for tests: registered by commitments, placed with an agent, taken back.

What is committed to is sealed as some text: whether it opens the commitment is not a question of
the rules.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft, Sealing
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Terms
from tests.worlds import World

CARD_CLASS, ITEM_CLASS = "point-card", "virtual-equipment"


def commitment(what: str, item: str) -> str:
    """A stand-in for the commitment to an item's card or code: any 32 bytes are one."""
    return sha256(f"{what} of {item}".encode()).hexdigest()


def card_body(item: str, **changes: Any) -> dict[str, Any]:
    """The body that registers a card, with no agent unless one is named."""
    return {
        "agent": None,
        "card": commitment("card", item),
        "class": CARD_CLASS,
        "code": commitment("code", item),
        "item": item,
        "product": "gift-cards",
        "terms": None,
        **changes,
    }


def placing_body(item: str, **changes: Any) -> dict[str, Any]:
    """The body that places an item with an agent."""
    return {
        "agent": "ann",
        "class": ITEM_CLASS,
        "item": item,
        "product": "swords",
        "terms": "0" * 64,
        **changes,
    }


def terms_now(world: World) -> str:
    """Digest of the trade policy in force."""
    found = world.ledger.stream(TERMS_STREAM)
    assert found is not None
    assert isinstance(found.state, Terms)
    return found.state.at(world.clock.now()).digest


def card_draft(world: World, item: str, owner: str, **changes: Any) -> Draft:
    """Draft the registration of a card; with an agent it is under the terms in force."""
    if changes.get("agent") is not None:
        changes.setdefault("terms", terms_now(world))
    body = card_body(item, **changes)
    sealed = [
        Sealing(name, owner, world.dice(32), f"{name} of {item}") for name in ("card", "code")
    ]
    return Draft("register-card/1", owner, [world.signs(owner, "owner")], body, seal=sealed)


def register_card(world: World, item: str, owner: str, **changes: Any) -> Accepted:
    """Register a card."""
    return world.submit(card_draft(world, item, owner, **changes))


def place_in_escrow(world: World, item: str, owner: str, agent: str, **changes: Any) -> Accepted:
    """Place an item with an agent under the terms in force."""
    body = placing_body(item, agent=agent, **{"terms": terms_now(world), **changes})
    return world.submit(_on_item(world, "place-in-escrow/1", owner, body))


def withdraw_from_escrow(world: World, item: str, owner: str) -> Accepted:
    """Take an item back from its agent."""
    return world.submit(_on_item(world, "withdraw-from-escrow/1", owner, {"item": item}))


def _on_item(world: World, kind: str, owner: str, body: dict[str, Any]) -> Draft:
    stream = f"item/{body['item']}"
    expect = {stream: world.head(stream)}
    return Draft(kind, owner, [world.signs(owner, "owner")], body, expect)
