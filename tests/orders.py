"""Orders and payments for tests: placed by buyers, paid from balances or from outside.

The lines of an order are what is listed now, at its price and digest; a timer fires at the time of
the world's clock, whatever is due.
"""

from __future__ import annotations

from typing import Any

from ledger.application import Accepted
from ledger.rules.compose import Draft, Sealing, compose, uuid7
from ledger.rules.digests import timer_id
from ledger.rules.model import TERMS_STREAM
from ledger.rules.order_state import Order
from ledger.rules.state import Published, Terms
from ledger.rules.text import format_time
from ledger.rules.trade_state import Listing
from tests.worlds import World


def terms_in_force(world: World) -> Published:
    """The trade policy in force now."""
    found = world.ledger.stream(TERMS_STREAM)
    assert found is not None
    assert isinstance(found.state, Terms)
    return found.state.at(world.clock.now())


def listed(world: World, listing: str) -> Listing:
    """A listing as it stands."""
    found = world.ledger.stream(f"listing/{listing}")
    assert found is not None
    assert isinstance(found.state, Listing)
    return found.state


def order_of(world: World, order: str) -> Order:
    """State of an order that was placed."""
    found = world.ledger.stream(f"order/{order}")
    assert found is not None
    assert isinstance(found.state, Order)
    return found.state


def line_of(world: World, item: str, listing: str, **changes: Any) -> dict[str, Any]:
    """A line of an order: this item, as the listing stands."""
    found = listed(world, listing)
    return {
        "item": item,
        "listing": listing,
        "merchant": found.merchant,
        "price": found.terms["price"]["amount"],
        "snapshot": found.snapshot,
        **changes,
    }


def order_draft(
    world: World, order: str, buyer: str, lines: list[dict[str, Any]], **changes: Any
) -> Draft:
    """Draft an order of these lines under the terms in force."""
    terms = terms_in_force(world)
    body = {
        "agreement": terms.document["agreement"],
        "currency": "CNY",
        "key": None,
        "lines": lines,
        "order": order,
        "terms": terms.digest,
        **changes,
    }
    names = [
        *(f"item/{line['item']}" for line in lines),
        *(f"listing/{line['listing']}" for line in lines),
        *(f"merchant/{line['merchant']}" for line in lines),
    ]
    expect = {name: world.head(name) for name in names}
    return Draft("place-order/1", buyer, [world.signs(buyer, "buyer")], body, expect)


def place_order(world: World, buyer: str, listing: str, *items: str, **changes: Any) -> str:
    """Order these items at a listing, and return the number of the order."""
    order = uuid7(world.clock.now(), world.dice(10))
    lines = [line_of(world, item, listing) for item in items]
    world.submit(order_draft(world, order, buyer, lines, **changes))
    return order


def pay_order(world: World, order: str, amount: int | None = None) -> Accepted:
    """Pay an order from its buyer's balance."""
    found = order_of(world, order)
    total = found.total if amount is None else amount
    body = {"amount": {"amount": str(total), "currency": found.currency}, "order": order}
    stream = f"order/{order}"
    places = [world.signs(found.buyer, "buyer")]
    expect = {stream: world.head(stream)}
    return world.submit(Draft("pay-order/1", found.buyer, places, body, expect))


def confirm_payment(
    world: World, order: str, cashier: str, amount: int, *, provider: str = "alipay"
) -> Accepted:
    """Let a cashier confirm a payment that came in for an order."""
    body = {
        "amount": {"amount": str(amount), "currency": "CNY"},
        "order": order,
        "provider": provider,
    }
    seal = [Sealing("transaction", order_of(world, order).buyer, world.dice(32), "T-2")]
    places = [world.signs(cashier, "cashier")]
    return world.submit(Draft("confirm-payment/1", cashier, places, body, seal=seal))


def fire(world: World, kind: str, rule: str, order: str, due: int) -> Accepted:
    """Let a timer of an order fire."""
    body = {"due": format_time(due), "order": order}
    draft = Draft(kind, "system", [world.signs("system", "system")], body)
    identifier = timer_id(f"order/{order}", rule, body["due"])
    (outcome,) = world.send(world.sign(compose(world.context(), identifier, draft)))
    if not isinstance(outcome, Accepted):
        raise outcome
    return outcome


def expire_order(world: World, order: str) -> Accepted:
    """Let an order that nobody paid expire."""
    return fire(world, "expire-order/1", "order-unpaid", order, order_of(world, order).pay_by)
