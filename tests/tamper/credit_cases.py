"""What an operator could write of credit if the rules said yes: from nowhere, another's, as money.

In the market `ben` was given 12,000 credit, which made it a VIP, and has 80 points; `kay` is a
cashier, and `zoe` a member of the lowest level that has nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from ledger.rules.model import Fact
from tests.credit import credit_draft, credit_of, earned_by, earning_draft, level_draft
from tests.golden_trade import EARNING
from tests.orders import order_of
from tests.tamper.escrow_cases import Steps
from tests.tamper.order_cases import FREE, card, place
from tests.tamper.trade_cases import Step
from tests.worlds import World

BEN = "credit/ben"
TYPES = {
    "grant-credit/1": "credit-granted/1",
    "claw-back-credit/1": "credit-clawed-back/1",
    "redeem-credit/1": "credit-redeemed/1",
}
Posting = tuple[str, int]


def units(credit: int, points: int = 0) -> list[dict[str, str]]:
    each = (("CREDIT", credit), ("POINTS", points))
    return [{"amount": str(amount), "currency": unit} for unit, amount in each if amount]


def act(
    world: World,
    kind: str,
    amount: int,
    *moved: Posting,
    by: str = "kay",
    party: str = "ben",
    unit: str = "CREDIT",
    **says: Any,
) -> Step:
    """Say that so much was given or taken, and move what is said here."""
    draft = credit_draft(world, kind, by, party, amount)
    postings = [
        {"account": account, "amount": str(change), "currency": unit}
        for account, change in sorted(moved)
    ]
    after = {"held": units(12_000, 80), "owed": [], **says}
    return draft, [Fact(f"credit/{party}", TYPES[kind], {"after": after, "postings": postings})]


def grant(world: World, amount: int, *moved: Posting, **how: Any) -> Step:
    return act(world, "grant-credit/1", amount, *moved, **how)


def claw_back(world: World, amount: int, *moved: Posting, **how: Any) -> Step:
    return act(world, "claw-back-credit/1", amount, *moved, **how)


def redeem(world: World, amount: int, *moved: Posting, **how: Any) -> Step:
    return act(world, "redeem-credit/1", amount, *moved, **{"by": "ben", **how})


def level(world: World, party: str, name: str, stream: str | None = None) -> Step:
    """Record a level of a member's."""
    return level_draft(world, party, name), [
        Fact(stream or f"party/{party}", "level-changed/1", {})
    ]


def given(amount: int) -> tuple[Posting, Posting]:
    return (BEN, amount), ("issued", -amount)


def earn(world: World, item: str, change: int = 0, *, party: str = "lou") -> Step:
    """Say that the first line of the order that sold an item earned its buyer credit."""
    goods = world.item(item).goods
    assert goods is not None
    assert goods.sold is not None
    numbers = [line.item for line in order_of(world, goods.sold).lines]
    line = numbers.index(item) + 1
    amount = earned_by(world, goods.sold, line) + change
    had = Counter(dict(credit_of(world, party).held if party == "lou" else ()))
    postings = [
        {"account": account, "amount": str(sign * amount), "currency": "CREDIT"}
        for account, sign in ((f"credit/{party}", 1), ("issued", -1))
    ]
    after = {"held": units(had["CREDIT"] + amount, had["POINTS"]), "owed": []}
    fact = Fact(f"credit/{party}", "credit-earned/1", {"after": after, "postings": postings})
    return earning_draft(world, goods.sold, line, amount, party=party), [fact]


CREDITS: dict[str, Steps] = {
    "credit that a line earns twice": [lambda w: earn(w, EARNING)],
    "credit that a line earns before it ended": [lambda w: earn(w, "mias/paid-18", 99)],
    "credit that a line earns in another amount": [lambda w: earn(w, "mias/paid-16", 1)],
    "credit that another than the buyer earns": [lambda w: earn(w, "mias/paid-16", party="zoe")],
    "credit that is given as money": [lambda w: grant(w, 5, *given(5), unit="CNY")],
    "credit that comes from a merchant's balance": [
        lambda w: grant(w, 5, (BEN, 5), ("balance/mia", -5)),
    ],
    "credit that another member gets": [lambda w: grant(w, 5, ("credit/zoe", 5), ("issued", -5))],
    "more credit than was signed": [lambda w: grant(w, 5, *given(6), held=units(12_006, 80))],
    "credit that says more than it is": [lambda w: grant(w, 5, *given(5), held=units(12_006, 80))],
    "credit that says it is owed": [
        lambda w: grant(w, 5, *given(5), held=units(12_005, 80), owed=units(1))
    ],
    "credit that a cashier gives itself": [
        lambda w: grant(w, 5, ("credit/kay", 5), ("issued", -5), party="kay", held=units(5))
    ],
    "credit that another redeems": [
        lambda w: redeem(w, 5, *given(-5), by="mia", held=units(11_995, 80))
    ],
    "credit that is owed while there is some": [
        lambda w: claw_back(
            w, 5, ("receivable/ben", -5), ("issued", 5), held=units(12_000, 80), owed=units(5)
        )
    ],
    "credit that is redeemed and owed": [
        lambda w: redeem(
            w,
            12_001,
            (BEN, -12_000),
            ("issued", 12_001),
            ("receivable/ben", -1),
            held=units(0, 80),
            owed=units(1),
        )
    ],
}
LEVELS: dict[str, Steps] = {
    "a level that credit does not reach": [lambda w: level(w, "ben", "diamond")],
    "a level of who has no credit": [lambda w: level(w, "zoe", "vip")],
    "a level that is taken from who has a right to it": [lambda w: level(w, "ben", "ordinary")],
    "a level that changes to what it was": [lambda w: level(w, "ben", "vip")],
    "a level that no trade policy knows": [lambda w: level(w, "ben", "gold")],
    "an order of a level that its buyer does not have": [
        card,
        lambda w: place(w, FREE, said={"tier": "diamond"}),
    ],
    "an order that leaves out its buyer's level": [
        card,
        lambda w: place(w, FREE, said={"tier": "ordinary"}),
    ],
}
CREDIT_CASES: dict[str, tuple[str, Steps]] = {
    **{name: ("credit", steps) for name, steps in CREDITS.items()},
    **{name: ("level", steps) for name, steps in LEVELS.items()},
    "a level of another member than is named": (
        "place",
        [lambda w: level(w, "ben", "ordinary", "party/zoe")],
    ),
    "credit that falls below nothing": (
        "money",
        [lambda w: redeem(w, 12_001, *given(-12_001), held=units(0, 80))],
    ),
    "money of a balance that is credit": (
        "credit",
        [
            lambda w: (
                credit_draft(w, "grant-credit/1", "kay", "ben", 5),
                [
                    Fact(
                        "balance/ben",
                        "balance-topped-up/1",
                        {
                            "after": units(5),
                            "postings": [
                                {"account": name, "amount": amount, "currency": "CREDIT"}
                                for name, amount in (
                                    ("balance/ben", "5"),
                                    ("external/internal", "-5"),
                                )
                            ],
                        },
                    )
                ],
            )
        ],
    ),
}
