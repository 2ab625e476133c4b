"""What an operator could write of paid lines if the rules said yes: twice, too soon, to itself.

In the market the last order but one is lou's, as `tests.golden_trade` left it: the first of its
three cards is delivered, the second delivered and claimed, the third is awaited. Each cost 9,900,
of which 247 are the fee.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ledger.rules.compose import Draft, Sealing, uuid7
from ledger.rules.entries import read_entry
from ledger.rules.model import Fact
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account
from tests.deposits import claim_counted
from tests.orders import order_of
from tests.tamper.order_cases import orders
from tests.tamper.trade_cases import Step, place
from tests.worlds import World

DELIVERED, CLAIMED, AWAITED = 1, 2, 3
PRICE, FEE = 9900, 247
FRESH = "01930000-0000-7000-8000-0000000000fe"
DAY_US = 86_400_000_000
Moved = dict[str, int]


def order(world: World) -> str:
    """The number of lou's last order."""
    return orders(world)[-2]


def claim(world: World) -> str:
    """The number of the claim that is open."""
    entries = [read_entry(row.entry) for row in world.reader.entries(0, world.size())]
    return [each.stream[6:] for each in entries if each.type == "claim-opened/1"][-1]


def postings(world: World, moved: Moved) -> list[dict[str, str]]:
    """Write postings; `escrow/N` stands for the account of a line of the order."""
    name = order(world)
    return [
        {"account": account, "amount": str(amount), "currency": "CNY"}
        for account, amount in sorted(
            (account.replace("escrow/", f"escrow/{name}/"), amount)
            for account, amount in moved.items()
        )
    ]


def deliver(
    world: World,
    number: int,
    *,
    by: tuple[str, str] = ("system", "agent"),
    to: str = "lou",
    sold: bool = True,
    days: int = 3,
) -> Step:
    """Deliver a line, and say so of its card as it is told here."""
    name = order(world)
    body = {"order": name, "parcels": [{"line": number, "parcel": None}]}
    until = format_time(world.clock.now() + days * DAY_US)
    facts = [Fact(f"order/{name}", "lines-delivered/1", {"inspect_by": [until]})]
    if sold:
        data = {"from": "mia", "order": name, "to": to}
        item = order_of(world, name).lines[number - 1].item
        facts.append(Fact(f"item/{item}", "item-sold/1", data))
    return Draft("deliver-lines/1", by[0], [world.signs(*by)], body), facts


def released(number: int, **changes: int) -> Moved:
    """What moves when a line is released, but for these changes."""
    right = {"balance/mia": PRICE - FEE, f"escrow/{number}": -PRICE, "fees": FEE}
    return right | {account.replace("_", "/"): amount for account, amount in changes.items()}


def release(world: World, number: int, moved: Moved, *, by: str | None = "lou") -> Step:
    """Release a line as its buyer's acceptance, or by the timer."""
    name, at = order(world), format_time(world.clock.now())
    data = {"lines": [number], "postings": postings(world, moved)}
    facts = [Fact(f"order/{name}", "escrow-released/1", data)]
    if by is None:
        places = [world.signs("system", "system")]
        return Draft("release-lines/1", "system", places, {"due": at, "order": name}), facts
    body = {"lines": [number], "order": name}
    return Draft("accept-lines/1", by, [world.signs(by, "buyer")], body), facts


def refund(world: World, number: int, moved: Moved, amount: int, by: str | None = None) -> Step:
    """Refund a line by the timer, or as its merchant gives it."""
    name, at = order(world), format_time(world.clock.now())
    lines = [{"amount": str(amount), "line": number}]
    data = {"lines": lines, "postings": postings(world, moved)}
    facts = [Fact(f"order/{name}", "escrow-refunded/1", data)]
    if by is None:
        places = [world.signs("system", "system")]
        return Draft("refund-lines/1", "system", places, {"due": at, "order": name}), facts
    money = {"amount": str(amount), "currency": "CNY"}
    body = {"amount": money, "line": number, "order": name}
    return Draft("give-refund/1", by, [world.signs(by, "merchant")], body), facts


def back(number: int, amount: int = PRICE, to: str = "lou") -> Moved:
    """What moves when so much of a line goes back."""
    return {f"balance/{to}": amount, f"escrow/{number}": -amount}


def open_claim(world: World, number: int, *, by: str = "lou", says: int | None = None) -> Step:
    """Claim a line; `says` is the line that the order's stream calls frozen."""
    name = order(world)
    body = {"claim": FRESH, "kind": "key-invalid", "line": number, "order": name}
    seal = [Sealing("description", by, world.dice(32), "not good")]
    draft = Draft("open-claim/1", by, [world.signs(by, "buyer")], body, seal=seal)
    data = {"claim": FRESH, "line": says or number}
    return draft, [
        Fact(f"claim/{FRESH}", "claim-opened/1", {}),
        Fact(f"order/{name}", "escrow-frozen/1", data),
        claim_counted(world, "mia", 1),
    ]


def close(
    world: World,
    outcome: str,
    moved: Moved,
    by: tuple[str, str],
    *,
    said: dict[str, Any] | None = None,
    name: str | None = None,
) -> Step:
    """Close a claim, the one that is open unless another is named."""
    name = name or claim(world)
    seal = [Sealing("reason", by[0], world.dice(32), "decided")]
    body = {"claim": name, "outcome": outcome, "to_buyer": None}
    draft = Draft("close-claim/1", by[0], [world.signs(*by)], body, seal=seal)
    settled = {
        "claim": name,
        "deliver_by": None,
        "inspect_by": None,
        "line": CLAIMED,
        "outcome": outcome,
    }
    amounts = {"refunded": "0", "released": "0"}
    return draft, [
        Fact(f"claim/{name}", "claim-closed/1", {"postings": postings(world, moved)}),
        Fact(f"order/{order(world)}", "escrow-settled/1", {**settled, **amounts, **(said or {})}),
        claim_counted(world, "mia", -1),
    ]


def reveal(world: World, item: str, *, by: str = "lou", sold: str | None = None) -> Step:
    """Ask to see a card; `sold` is the order that the entry says sold it."""
    name = sold or order(world)
    body = {"item": item, "line": DELIVERED, "order": name}
    draft = Draft("reveal-card/1", by, [world.signs(by, "owner")], body)
    return draft, [Fact(f"item/{item}", "card-revealed/1", {"order": name})]


def activate(
    world: World,
    item: str = "mias/paid-18",
    *,
    by: tuple[str, str] = ("lou", "buyer"),
    named: str | None = None,
    late: bool = False,
) -> Step:
    """Record that an item works; `late` is what the entry says, `named` the order."""
    body = {
        "item": item,
        "order": named or order(world),
        "outcome": "success",
        "platform": "game-shop",
        "time": format_time(world.clock.now()),
    }
    names = ("account", "error", "evidence")
    seal = [Sealing(name, by[0], world.dice(32), "text") for name in names]
    draft = Draft("record-activation/1", by[0], [world.signs(*by)], body, seal=seal)
    return draft, [Fact(f"item/{item}", "activation-recorded/1", {"late": late})]


def refund_all(world: World) -> Step:
    """Let the merchant refund all of the delivered line, as it may."""
    draft, facts = refund(world, DELIVERED, back(DELIVERED), PRICE, by="mia")
    held = world.ledger.stream("balance/lou")
    before = held.state.held("CNY") if held and isinstance(held.state, Account) else 0
    after = [{"amount": str(before + PRICE), "currency": "CNY"}]
    return draft, [*facts, Fact("balance/lou", "balance-changed/1", {"after": after})]


def freeze(world: World, item: str) -> Step:
    seal = [Sealing("reason", "fred", world.dice(32), "seen")]
    body = {"ground": "in-dispute", "item": item}
    draft = Draft("freeze-item/1", "fred", [world.signs("fred", "freezer")], body, seal=seal)
    return draft, [Fact(f"item/{item}", "item-frozen/1", {})]


def signed_for(step: Step, **body: Any) -> Step:
    """Let a command say something else in its body than what is recorded of it."""
    draft, facts = step
    return replace(draft, body={**draft.body, **body}), facts


BUYER, MERCHANT, ARBITRATOR = ("lou", "buyer"), ("mia", "merchant"), ("ari", "arbitrator")
Steps = list[Callable[[World], Step]]
DELIVERY: dict[str, Steps] = {
    "a card that is delivered twice": [lambda w: deliver(w, DELIVERED)],
    "a card that is delivered to another buyer": [lambda w: deliver(w, AWAITED, to="ben")],
    "a card that a stranger delivers": [lambda w: deliver(w, AWAITED, by=("kay", "agent"))],
    "a card that the operator may inspect for the buyer": [lambda w: deliver(w, AWAITED, days=0)],
}
RELEASE: dict[str, Steps] = {
    "money for a card that was never delivered": [lambda w: release(w, AWAITED, released(AWAITED))],
    "money that is released before the card was inspected": [
        lambda w: release(w, DELIVERED, released(DELIVERED), by=None)
    ],
    "money that another accepts for the buyer": [
        lambda w: release(w, DELIVERED, released(DELIVERED), by="ben")
    ],
    "money of an order that the operator takes": [
        lambda w: release(w, DELIVERED, {"fees": PRICE, "escrow/1": -PRICE})
    ],
    "a fee that is larger than was agreed": [
        lambda w: release(
            w, DELIVERED, released(DELIVERED, balance_mia=PRICE - FEE - 1, fees=FEE + 1)
        )
    ],
}
REFUND: dict[str, Steps] = {
    "a refund of a card that was delivered": [
        lambda w: refund(w, DELIVERED, back(DELIVERED), PRICE)
    ],
    "a refund while the card may still come": [lambda w: refund(w, AWAITED, back(AWAITED), PRICE)],
    "a refund that another merchant gives": [
        lambda w: refund(w, DELIVERED, back(DELIVERED, 5), 5, by="ben")
    ],
    "a refund of more than was paid": [
        lambda w: refund(w, DELIVERED, back(DELIVERED, PRICE + 1), PRICE + 1, by="mia")
    ],
    "a refund that another party gets": [
        lambda w: refund(w, DELIVERED, back(DELIVERED, 5, to="ben"), 5, by="mia")
    ],
}
CLAIMS: dict[str, Steps] = {
    "frozen money that is released": [lambda w: release(w, CLAIMED, released(CLAIMED))],
    "frozen money that the merchant refunds": [
        lambda w: refund(w, CLAIMED, back(CLAIMED, 5), 5, by="mia")
    ],
    "a claim of another party": [lambda w: open_claim(w, DELIVERED, by="ben")],
    "a claim that the trade policy does not take": [
        lambda w: signed_for(open_claim(w, DELIVERED), kind="stolen-item")
    ],
    "a claim that freezes another line": [
        lambda w: open_claim(w, DELIVERED, says=AWAITED),
    ],
    "a claim that the merchant decides for itself": [
        lambda w: close(w, "release", released(CLAIMED), MERCHANT)
    ],
    "a claim that the buyer decides for itself": [
        lambda w: close(w, "refund", back(CLAIMED), BUYER)
    ],
    "a claim that a stranger closes for the merchant": [
        lambda w: close(w, "refund", back(CLAIMED), ("kay", "merchant"))
    ],
    "a claim whose money goes elsewhere": [
        lambda w: close(w, "refund", back(CLAIMED, to="ben"), ARBITRATOR)
    ],
    "a claim that nobody opened": [lambda w: close(w, "none", {}, BUYER, name=uuid7(0, bytes(10)))],
    "a claim after which the order says another outcome": [
        lambda w: close(w, "none", {}, BUYER, said={"inspect_by": "2099-01-01T00:00:00.000000Z"})
    ],
}
REVEAL: dict[str, Steps] = {
    "a card that its buyer places to be sold again": [lambda w: place(w, "mias/paid-18", by="lou")],
    "a card that another party reveals": [lambda w: reveal(w, "mias/paid-18", by="ben")],
    "a card that is revealed for another order": [
        lambda w: reveal(w, "mias/paid-18", sold=orders(w)[0])
    ],
    "a card that is revealed before it was sold": [
        lambda w: reveal(w, "mias/paid-20", by="mia", sold=orders(w)[0])
    ],
    "a card that is revealed after all of its price went back": [
        refund_all,
        lambda w: reveal(w, "mias/paid-18"),
    ],
    "a frozen card that is revealed": [
        lambda w: freeze(w, "mias/paid-18"),
        lambda w: reveal(w, "mias/paid-18"),
    ],
    "a card that is revealed by the line of another": [
        lambda w: signed_for(reveal(w, "mias/paid-18"), line=AWAITED),
    ],
    "a card that is revealed twice": [
        lambda w: reveal(w, "mias/paid-18"),
        lambda w: reveal(w, "mias/paid-18"),
    ],
}
ACTIVATION: dict[str, Steps] = {
    "an item that is activated twice": [activate, activate],
    "an item that another party activates": [lambda w: activate(w, by=("ben", "buyer"))],
    "an activation for another order": [lambda w: activate(w, named=orders(w)[0])],
    "an activation before the item was sold": [lambda w: activate(w, "mias/paid-20")],
    "an activation in time that is called late": [lambda w: activate(w, late=True)],
}
PLACE: dict[str, Steps] = {
    "an acceptance of one order that stands on another": [
        lambda w: signed_for(release(w, DELIVERED, released(DELIVERED)), order=orders(w)[0])
    ],
    "a card that is revealed where another was asked for": [
        lambda w: signed_for(reveal(w, "mias/paid-18"), item="mias/paid-20")
    ],
}
ESCROW_CASES: dict[str, tuple[str, Steps]] = {
    **{name: ("delivery", steps) for name, steps in DELIVERY.items()},
    "a delivery after which the card is not the buyer's": (
        "order",
        [
            lambda w: deliver(w, AWAITED, sold=False),
            lambda w: release(w, DELIVERED, released(DELIVERED)),
        ],
    ),
    **{name: ("release", steps) for name, steps in RELEASE.items()},
    **{name: ("refund", steps) for name, steps in REFUND.items()},
    **{name: ("claims", steps) for name, steps in CLAIMS.items()},
    **{name: ("cards", steps) for name, steps in REVEAL.items()},
    **{name: ("place", steps) for name, steps in PLACE.items()},
    **{name: ("activation", steps) for name, steps in ACTIVATION.items()},
}
