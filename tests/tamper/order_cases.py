"""What an operator could write of orders if the rules said yes: sold twice, paid twice, kept.

In the market the orders are those of `tests.golden_trade`: the first is ben's and paid, the second
zoe's and paid, the third zoe's and expired, and the last ben's; it has `mias/card-7` and `-6`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ledger.rules.compose import Draft, Sealing
from ledger.rules.entries import read_entry
from ledger.rules.model import Fact
from ledger.rules.text import format_time
from tests.credit import level
from tests.goods import terms_now
from tests.orders import line_of
from tests.tamper.trade_cases import Step, on_item, sell, take_back
from tests.tamper.trade_cases import offer as offering
from tests.tamper.trade_cases import top_up as topping_up
from tests.terms import terms
from tests.worlds import World

FRESH = "01930000-0000-7000-8000-0000000000ff"
FREE, RESERVED = "mias/card-8", "mias/card-6"
PAID, EXPIRED, WAITING = 0, 2, -1
LOTS_US = 900_000_000
Posting = tuple[str, int]


def orders(world: World) -> list[str]:
    """The numbers of all orders, as they were placed."""
    entries = (read_entry(row.entry) for row in world.reader.entries(0, world.size()))
    return [each.stream[6:] for each in entries if each.type == "order-placed/1"]


def card(world: World, **changes: str) -> Step:
    """Register one more card of mia's, and place it with an agent."""
    names = ("card", "code")
    body = {"class": "point-card", "item": FREE, "product": "gift-cards", **changes}
    body |= {"agent": "system", "terms": terms_now(world), "card": "c" * 64, "code": "d" * 64}
    seal = [Sealing(name, "mia", world.dice(32), "text") for name in names]
    draft = Draft("register-card/1", "mia", [world.signs("mia", "owner")], body, seal=seal)
    return draft, [Fact(f"item/{FREE}", "card-registered/1", {"owner": "mia"})]


def place(
    world: World,
    *items: str,
    said: dict[str, Any] | None = None,
    reserved: tuple[str, ...] | None = None,
    price: str = "9900",
    **changes: Any,
) -> Step:
    """Order cards of mia's; `said` and `reserved` stand in the entries instead of the truth."""
    lines = [line_of(world, item, "mias/points", price=price) for item in items]
    body = {
        **{"agreement": terms()["agreement"], "currency": "CNY", "key": None, "lines": lines},
        **{"order": FRESH, "terms": terms_now(world), **changes},
    }
    data = {
        "classes": ["point-card" for _ in items],
        "fees": ["247" for _ in items],
        "labels": [[] for _ in items],
        "pay_by": format_time(world.clock.now() + LOTS_US),
        "tier": level(world, "ben") or "ordinary",
    }
    facts = [Fact(f"order/{FRESH}", "order-placed/1", data | (said or {}))]
    for item in items if reserved is None else reserved:
        facts.append(Fact(f"item/{item}", "item-reserved/1", {"order": FRESH}))
    return Draft("place-order/1", "ben", [world.signs("ben", "buyer")], body), facts


def confirm(world: World, nth: int, outcome: str, *moved: Posting, amount: int) -> Step:
    """Confirm a payment that came in for the nth order, and move it as it is said here."""
    order = orders(world)[nth]
    money = {"amount": str(amount), "currency": "CNY"}
    body = {"amount": money, "order": order, "provider": "alipay"}
    seal = [Sealing("transaction", "ben", world.dice(32), "T-9")]
    draft = Draft("confirm-payment/1", "kay", [world.signs("kay", "cashier")], body, seal=seal)
    return draft, [_paid(world, order, outcome, ("external/alipay", -amount), *moved)]


def _paid(world: World, order: str, outcome: str, *moved: Posting) -> Fact:
    postings = [
        {"account": account.format(order), "amount": str(change), "currency": "CNY"}
        for account, change in sorted(moved)
    ]
    due = [format_time(world.clock.now() + 7_200_000_000)] * 2
    data = {"deliver_by": due if outcome == "funded" else None, "outcome": outcome}
    return Fact(f"order/{order}", "payment-confirmed/1", data | {"postings": postings})


ESCROW = ("escrow/{}/1", 9900), ("escrow/{}/2", 9900)


def pay(world: World, nth: int, by: str) -> Step:
    """Pay the nth order from a party's balance."""
    order = orders(world)[nth]
    body = {"amount": {"amount": "19800", "currency": "CNY"}, "order": order}
    draft = Draft("pay-order/1", by, [world.signs(by, "buyer")], body)
    return draft, [_paid(world, order, "funded", (f"balance/{by}", -19_800), *ESCROW)]


def order_of_kay(world: World) -> Step:
    """Order a card for the cashier."""
    draft, facts = place(world, FREE, said={"tier": "ordinary"})
    return replace(draft, by="kay", signers=[world.signs("kay", "buyer")]), facts


def serve_kay(world: World) -> Step:
    """Let the cashier confirm that a cent came in for its own order."""
    draft, _ = confirm(world, PAID, "short", amount=1)
    moved = ("external/alipay", -1), ("balance/kay", 1)
    return replace(draft, body=draft.body | {"order": FRESH}), [
        _paid(world, FRESH, "short", *moved)
    ]


def expire(world: World, nth: int) -> Step:
    """Let the nth order expire, and say so of its first card."""
    order = orders(world)[nth]
    body = {"due": format_time(world.clock.now()), "order": order}
    draft = Draft("expire-order/1", "system", [world.signs("system", "system")], body)
    freed = Fact(f"item/{RESERVED}", "item-freed/1", {})
    return draft, [Fact(f"order/{order}", "order-expired/1", {}), freed]


def drain(world: World) -> Step:
    """Top ben's balance up with what lies in escrow for his own order."""
    draft, (fact,) = topping_up(world, 9900, outside=0, after=22_400)
    postings = [
        {"account": "balance/ben", "amount": "9900", "currency": "CNY"},
        {"account": f"escrow/{orders(world)[PAID]}/1", "amount": "-9900", "currency": "CNY"},
    ]
    return draft, [Fact(fact.stream, fact.type, fact.data | {"postings": postings})]


def frozen(world: World) -> Step:
    """Freeze what may be ordered."""
    seal = [Sealing("reason", "fred", world.dice(32), "seen")]
    body = {"ground": "in-dispute", "item": FREE}
    draft = Draft("freeze-item/1", "fred", [world.signs("fred", "freezer")], body, seal=seal)
    return draft, [Fact(f"item/{FREE}", "item-frozen/1", {})]


def withdrawn(world: World) -> Step:
    return on_item(world, "withdraw-from-escrow/1", "item-withdrawn/1", {"item": FREE}, by="mia")


FORGED: dict[str, list[Callable[[World], Step]]] = {
    "a card that is sold to two": [lambda w: place(w, RESERVED)],
    "a card that one order has twice": [
        card,
        lambda w: place(w, FREE, FREE),
    ],
    "a card that is frozen and sold": [card, frozen, lambda w: place(w, FREE)],
    "a card that is with no agent and sold": [card, withdrawn, lambda w: place(w, FREE)],
    "a card at a price that nobody listed": [card, lambda w: place(w, FREE, price="1")],
    "an order under another trade policy": [card, lambda w: place(w, FREE, terms="0" * 64)],
    "an order to another agreement": [card, lambda w: place(w, FREE, agreement=None)],
    "an order with a fee of nothing": [card, lambda w: place(w, FREE, said={"fees": ["0"]})],
    "an order that waits for ever": [
        card,
        lambda w: place(w, FREE, said={"pay_by": "2099-01-01T00:00:00.000000Z"}),
    ],
    "a card of another product than was listed": [
        lambda w: card(w, product="other-cards"),
        lambda w: place(w, FREE),
    ],
    "a card of another class than was listed": [
        lambda w: card(w, **{"class": "game-card"}),
        lambda w: place(w, FREE),
    ],
    "an order that nothing is reserved for": [
        card,
        lambda w: place(w, FREE, reserved=()),
        frozen,
    ],
    "an order that has what it does not name": [
        card,
        lambda w: place(w, FREE, reserved=(RESERVED,)),
    ],
    "a paid order that expires": [lambda w: expire(w, PAID)],
    "an order that expires and frees another's": [lambda w: expire(w, EXPIRED)],
    "a reserved card that its owner sells": [lambda w: sell(w, RESERVED)],
    "a reserved card that its owner offers": [lambda w: offering(w, RESERVED)],
    "a reserved card that its owner takes back": [lambda w: take_back(w, RESERVED)],
}
PAYMENTS: dict[str, list[Callable[[World], Step]]] = {
    "a payment that funds an order twice": [
        lambda w: confirm(w, PAID, "funded", *ESCROW, amount=19_800)
    ],
    "a second payment that the platform keeps": [
        lambda w: confirm(w, PAID, "surplus", ("fees", 19_800), amount=19_800)
    ],
    "a late payment that the merchant gets": [
        lambda w: confirm(w, EXPIRED, "late", ("balance/mia", 19_800), amount=19_800)
    ],
    "a late payment that funds": [lambda w: confirm(w, EXPIRED, "funded", *ESCROW, amount=19_800)],
    "a payment of less than came in": [
        lambda w: confirm(w, PAID, "surplus", ("balance/ben", 19_700), ("fees", 100), amount=19_800)
    ],
    "a payment that a cashier confirms for itself": [card, order_of_kay, serve_kay],
    "an order that another's balance pays": [lambda w: pay(w, WAITING, "zoe")],
    "an order that is paid again from a balance": [lambda w: pay(w, PAID, "ben")],
}
ORDER_CASES: dict[str, tuple[str, list[Callable[[World], Step]]]] = {
    **{name: ("order", steps) for name, steps in FORGED.items()},
    **{name: ("payment", steps) for name, steps in PAYMENTS.items()},
    "money in escrow that a cashier gives away": ("held", [drain]),
}
