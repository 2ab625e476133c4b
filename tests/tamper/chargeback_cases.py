"""What an operator could write of chargebacks if the rules said yes: too much, twice, kept.

In the market the last order but one is lou's: its first line is delivered and holds 9,900, its
third is awaited. `kay` is the cashier, `mia` the merchant.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ledger.rules.model import Fact
from tests.chargebacks import chargeback_draft
from tests.deposits import claim_counted
from tests.orders import order_of
from tests.tamper.escrow_cases import (
    AWAITED,
    DELIVERED,
    FRESH,
    PRICE,
    Moved,
    Steps,
    deliver,
    order,
    postings,
    release,
    released,
)
from tests.tamper.order_cases import orders
from tests.tamper.trade_cases import Step
from tests.worlds import World

TAKEN = {"escrow/1": -PRICE, "external/alipay": PRICE}
GIVEN = {account: -amount for account, amount in TAKEN.items()}
Act = Callable[[World], Step]


def charge(parts: dict[int, int], moved: Moved, *, by: tuple[str, str] = ("kay", "cashier")) -> Act:
    """Let a provider take these amounts of lou's lines, of which so much moves."""

    def act(world: World) -> Step:
        name, signer = order(world), world.signs(*by)
        draft = chargeback_draft(world, name, FRESH, "received", parts, by=signer)
        data = {"postings": postings(world, moved)}
        own = Fact(f"order/{name}", "chargeback-recorded/1", data)
        return draft, [own, claim_counted(world, "mia", 1)]

    return act


def end(stage: str, moved: Moved, *freed: int) -> Act:
    """Let the case end, after which the items of some lines are said to be free."""

    def act(world: World) -> Step:
        name = order(world)
        draft = chargeback_draft(world, name, FRESH, stage)
        data = {"postings": postings(world, moved)}
        own = Fact(f"order/{name}", "chargeback-ended/1", data)
        items = [order_of(world, name).lines[number - 1].item for number in freed]
        gone = [Fact(f"item/{item}", "item-freed/1", {}) for item in items]
        # The world does not hold the case, which the step before received.
        return draft, [own, *gone, claim_counted(world, "mia", 0)]

    return act


def of_another_order(world: World) -> Step:
    """Take the escrow of another order for a case of this one."""
    draft, (fact, *counted) = charge({DELIVERED: PRICE}, TAKEN)(world)
    other = orders(world)[0]
    moved = [
        {**each, "account": each["account"].replace(order(world), other)}
        for each in fact.data["postings"]
    ]
    own = fact._replace(data={"postings": sorted(moved, key=lambda one: one["account"])})
    return draft, [own, *counted]


def counting(act: Act, more: int) -> Act:
    """Let the merchant's deposit say that so many more are open than before all steps."""

    def other(world: World) -> Step:
        draft, facts = act(world)
        return draft, [*facts[:-1], claim_counted(world, "mia", more)]

    return other


def renamed(act: Act) -> Act:
    """Let a stranger to the case be what ends."""

    def other(world: World) -> Step:
        draft, facts = act(world)
        return replace(draft, body={**draft.body, "case": f"{FRESH[:-1]}0"}), facts

    return other


ALL = charge({DELIVERED: PRICE}, TAKEN)
CHARGEBACKS: dict[str, Steps] = {
    "more than a line holds that a provider took": [
        charge({DELIVERED: PRICE + 1}, {"escrow/1": -PRICE - 1, "external/alipay": PRICE + 1})
    ],
    "a chargeback that the operator's fees pay for": [
        charge({DELIVERED: PRICE}, {"fees": -PRICE, "external/alipay": PRICE})
    ],
    "a chargeback of another amount than is said": [
        charge({DELIVERED: PRICE}, {"escrow/1": -5, "external/alipay": 5})
    ],
    "a chargeback that is received twice": [ALL, ALL],
    "what was won that the merchant gets at once": [
        ALL,
        end("won", {"balance/mia": PRICE, "external/alipay": -PRICE}),
    ],
    "what was lost that is given back all the same": [ALL, end("lost", GIVEN)],
    "a case that ends and was never received": [renamed(end("lost", {}))],
    "a case that is won twice": [ALL, end("won", GIVEN), end("won", GIVEN)],
}
CHARGEBACK_CASES: dict[str, tuple[str, Steps]] = {
    **{name: ("chargebacks", steps) for name, steps in CHARGEBACKS.items()},
    "money that is released while a provider disputes it": (
        "claims",
        [
            charge({DELIVERED: 5}, {"escrow/1": -5, "external/alipay": 5}),
            lambda w: release(w, DELIVERED, released(DELIVERED)),
        ],
    ),
    "a deposit that does not count what a provider disputes": ("deposits", [counting(ALL, 0)]),
    "a deposit that still counts a case that was lost": (
        "deposits",
        [ALL, counting(end("lost", {}), 1)],
    ),
    "a chargeback that the buyer records": (
        "roles",
        [charge({DELIVERED: PRICE}, TAKEN, by=("lou", "cashier"))],
    ),
    "an escrow of another order that a provider took": ("chargebacks", [of_another_order]),
    "a card that a provider took the price of and that is delivered": (
        "delivery",
        [
            charge({AWAITED: PRICE}, {"escrow/3": -PRICE, "external/alipay": PRICE}),
            lambda w: deliver(w, AWAITED),
        ],
    ),
    "an item that is kept from sale after its price is lost": (
        "order",
        [
            charge({AWAITED: PRICE}, {"escrow/3": -PRICE, "external/alipay": PRICE}),
            end("lost", {}),
            lambda w: release(w, DELIVERED, released(DELIVERED)),
        ],
    ),
}
