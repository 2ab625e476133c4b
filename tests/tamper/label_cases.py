"""What an operator could write of labels if the rules said yes: called gold, or not what it was.

In the market `mia` has no label: of what `rex` reviewed last, nothing names its origin, and nobody
has made a deposit.
"""

from __future__ import annotations

from collections.abc import Callable

from ledger.rules.compose import Draft
from ledger.rules.model import Fact
from tests.tamper.order_cases import FREE, card, place
from tests.tamper.trade_cases import Step, qualify
from tests.worlds import World

DIRECT, GOLD = "platform-direct", "gold"


def label(world: World, *labels: str) -> Step:
    """Record these labels of mia's."""
    body = {"labels": list(labels), "merchant": "mia"}
    draft = Draft("update-labels/1", "system", [world.signs("system", "system")], body)
    return draft, [Fact("merchant/mia", "labels-changed/1", {})]


def review(world: World) -> Step:
    """Review mia as a direct source."""
    return qualify(world, "rex", origin=DIRECT)


def order(world: World, *labels: str) -> Step:
    """Order a card of mia's as from a merchant that has these labels."""
    return place(world, FREE, said={"labels": [list(labels)]})


DIRECT_SOURCE: list[Callable[[World], Step]] = [review, lambda w: label(w, DIRECT)]
LABEL_CASES: dict[str, tuple[str, list[Callable[[World], Step]]]] = {
    "a merchant that is called gold without a deposit": ("labels", [lambda w: label(w, GOLD)]),
    "a merchant that is called a direct source by no review": (
        "labels",
        [lambda w: label(w, DIRECT)],
    ),
    "a label that no trade policy knows": ("labels", [lambda w: label(w, "trusted")]),
    "labels that change to what they were": ("labels", [label]),
    "a label that is taken from who has a right to it": ("labels", [*DIRECT_SOURCE, label]),
    "an order with a label that its merchant does not have": (
        "order",
        [card, lambda w: order(w, GOLD)],
    ),
    "an order without the label that its merchant has": (
        "order",
        [*DIRECT_SOURCE, card, order],
    ),
}
