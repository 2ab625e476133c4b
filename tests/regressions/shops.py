"""A card shop: who is in it, what is free in it, and what ann bought."""

from __future__ import annotations

from typing import Any

from api.delivering import deliver_paid
from ledger.record.stored import read_stored
from ledger.rules.entries import Entry
from tests.api.serving import Served
from tests.api.test_payments import paid_by, post
from tests.goods import CARD_CLASS
from tests.orders import order_of, place_order
from tests.shops import publish_listing as list_goods
from tests.shops import qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

GIFT, PRICE = "cards/gift", 9_900
CARDS = tuple(f"cards/{number}" for number in range(8))
SECRET, OTHER_SECRET = "STEAM-5F3A-99QX", "STEAM-0000-0000"


def furnish(world: World) -> None:
    """A merchant who lists cards, two buyers, and who reviews, takes money and arbitrates."""
    for party in ("mia", "ann", "eve", "rex", "kay", "ari", "wex"):
        world.register(party)
    world.grant("rex", "reviewer")
    world.grant("ari", "arbitrator", second="rex")
    for cashier in ("kay", "wex"):
        world.grant(cashier, "cashier", second="rex")
    world.open_namespace("cards", "mia")
    publish_terms(world, terms())
    qualify(world, "mia", "rex", **{"class": CARD_CLASS})
    list_goods(world, GIFT, "mia", **{"class": CARD_CLASS})


def stock(shop: Served) -> set[str]:
    """What the API says is free to order."""
    shop.catch_up()
    found = shop.client.get(f"/v1/listings/{GIFT}/stock").json()["data"]
    return {each["item"] for each in found}


def bought(shop: Served, item: str, **changes: Any) -> str:
    """Let ann order a card, and WeChat Pay say that it was paid."""
    order = place_order(shop.world, "ann", GIFT, item, **changes)
    assert post(shop, "wechat", paid_by(shop, "wechat", order, PRICE, order)).status_code == 204
    return order


def delivered(shop: Served, item: str) -> str:
    """Let ann buy a card, and get it."""
    order = bought(shop, item)
    shop.catch_up()
    deliver_paid(shop.app.state.rooms.house)  # or the application's own rounds, whoever is first
    assert all(line.delivered for line in order_of(shop.world, order).lines)
    return order


def entries(world: World, start: int) -> list[Entry]:
    """The entries of the log from an index on."""
    return [read_stored(row) for row in world.reader.entries(start, world.size())]
