"""A card shop in a test's log: mia lists cards that rex reviewed, and kay sees money come in."""

from __future__ import annotations

from tests.goods import CARD_CLASS
from tests.shops import publish_listing, qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

GIFT = "cards/gift"


def open_card_shop(world: World, *members: str) -> None:
    """Register who works there and these members; list cards, of which none is there yet."""
    for party in ("mia", "rex", "kay", *members):
        world.register(party)
    world.grant("rex", "reviewer")
    world.grant("kay", "cashier", second="rex")
    world.open_namespace("cards", "mia")
    publish_terms(world, terms())
    qualify(world, "mia", "rex", **{"class": CARD_CLASS})
    publish_listing(world, GIFT, "mia", **{"class": CARD_CLASS})
