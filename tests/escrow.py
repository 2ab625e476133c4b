"""Delivery, escrow and claims for tests: what becomes of paid orders.

Lines are named by their numbers, from 1. A timer fires at the time of the world's clock, whatever
is due.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.application import Accepted
from ledger.cards.parcels import parcel_digest
from ledger.rules.commands import Signer
from ledger.rules.compose import Draft, Sealing, uuid7
from ledger.rules.text import format_time
from tests.orders import fire, order_of
from tests.worlds import World


def delivery_draft(world: World, order: str, *numbers: int, by: Signer | None = None) -> Draft:
    """Draft the delivery of lines, in parcels where the order brought a key and they are cards."""
    found = order_of(world, order)
    numbers = numbers or tuple(range(1, len(found.lines) + 1))
    parcels = [{"line": number, "parcel": parcel_of(world, order, number)} for number in numbers]
    signer = by or world.signs("system", "agent")
    body = {"order": order, "parcels": parcels}
    return Draft("deliver-lines/1", signer.party, [signer], body)


def parcel_of(world: World, order: str, number: int) -> str | None:
    """The digest of what is delivered, where a parcel belongs."""
    found = order_of(world, order)
    cards = found.lines[number - 1].item_class == "point-card"
    return parcel_digest(stand_in(number)) if found.key is not None and cards else None


def stand_in(number: int) -> bytes:
    """What goes for the parcel of a line: it opens with no key."""
    return b"a parcel for line %d" % number


def deliver(world: World, order: str, *numbers: int, by: Signer | None = None) -> Accepted:
    """Deliver lines, all of them unless they are named; the platform hands in their parcels."""
    draft = delivery_draft(world, order, *numbers, by=by)
    submission = world.submission(draft)
    if draft.by == "system":
        named = [each["line"] for each in draft.body["parcels"] if each["parcel"] is not None]
        submission = replace(submission, parcels=tuple(map(stand_in, named)))
    (outcome,) = world.send(submission)
    if not isinstance(outcome, Accepted):
        raise outcome
    return outcome


def accept_draft(world: World, order: str, *numbers: int) -> Draft:
    """Draft that the buyer accepts lines."""
    body = {"lines": list(numbers), "order": order}
    return _on_order(world, "accept-lines/1", order, order_of(world, order).buyer, "buyer", body)


def accept(world: World, order: str, *numbers: int) -> Accepted:
    """Let the buyer accept lines."""
    return world.submit(accept_draft(world, order, *numbers))


def _on_order(
    world: World, kind: str, order: str, party: str, role: str, body: dict[str, Any]
) -> Draft:
    expect = {f"order/{order}": world.head(f"order/{order}")}
    return Draft(kind, party, [world.signs(party, role)], body, expect)


def release_lines(world: World, order: str, number: int = 1) -> Accepted:
    """Let the time to inspect a line be over."""
    due = order_of(world, order).lines[number - 1].inspect_by
    assert due is not None
    return fire(world, "release-lines/1", "order-inspected", order, due)


def refund_lines(world: World, order: str, number: int = 1) -> Accepted:
    """Let the time to deliver a line be over."""
    due = order_of(world, order).lines[number - 1].deliver_by
    assert due is not None
    return fire(world, "refund-lines/1", "order-undelivered", order, due)


def give_refund(world: World, order: str, number: int, amount: int) -> Accepted:
    """Let the merchant of a line refund an amount."""
    found = order_of(world, order)
    money = {"amount": str(amount), "currency": found.currency}
    body = {"amount": money, "line": number, "order": order}
    merchant = found.lines[number - 1].merchant
    return world.submit(_on_order(world, "give-refund/1", order, merchant, "merchant", body))


def open_claim(world: World, order: str, number: int, *, kind: str = "key-invalid") -> str:
    """Let the buyer claim a line, and return the number of the claim."""
    claim = uuid7(world.clock.now(), world.dice(10))
    buyer = order_of(world, order).buyer
    body = {"claim": claim, "kind": kind, "line": number, "order": order}
    draft = _on_order(world, "open-claim/1", order, buyer, "buyer", body)
    seal = [Sealing("description", buyer, world.dice(32), "it does not work")]
    world.submit(replace(draft, seal=seal))
    return claim


def close_claim(
    world: World, claim: str, outcome: str, by: Signer, to_buyer: int | None = None
) -> Accepted:
    """Close a claim."""
    body = {
        "claim": claim,
        "outcome": outcome,
        "to_buyer": None if to_buyer is None else str(to_buyer),
    }
    stream = f"claim/{claim}"
    seal = [Sealing("reason", by.party, world.dice(32), "as it was")]
    expect = {stream: world.head(stream)}
    return world.submit(Draft("close-claim/1", by.party, [by], body, expect, seal=seal))


def reveal_card(world: World, item: str) -> Accepted:
    """Let the owner of a card that was sold ask to see it."""
    state = world.item(item)
    assert state.goods is not None
    assert state.goods.sold is not None
    order = state.goods.sold
    names = [line.item for line in order_of(world, order).lines]
    body = {"item": item, "line": names.index(item) + 1, "order": order}
    expect = {f"item/{item}": world.head(f"item/{item}")}
    places = [world.signs(state.owner, "owner")]
    return world.submit(Draft("reveal-card/1", state.owner, places, body, expect))


def record_activation(
    world: World, item: str, outcome: str = "success", *, by: Signer | None = None
) -> Accepted:
    """Let the buyer of an item that was sold, or somebody else, say what came of using it."""
    goods = world.item(item).goods
    assert goods is not None
    assert goods.sold is not None
    signer = by or world.signs(order_of(world, goods.sold).buyer, "buyer")
    body = {
        "item": item,
        "order": goods.sold,
        "outcome": outcome,
        "platform": "game-shop",
        "time": format_time(world.clock.now()),
    }
    sealed = {"account": "lou-1990", "error": "none" if outcome == "success" else "E17: used"}
    seal = [
        Sealing(name, signer.party, world.dice(32), text)
        for name, text in {**sealed, "evidence": "0" * 64}.items()
    ]
    expect = {f"item/{item}": world.head(f"item/{item}")}
    return world.submit(
        Draft("record-activation/1", signer.party, [signer], body, expect, seal=seal)
    )
