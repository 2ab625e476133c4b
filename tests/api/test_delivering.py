"""The platform delivers what is paid and lies with it, at once and once."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.delivering import deliver_paid
from api.house import House
from api.keeper import Keeper
from ledger.rules.errors import KeyNotValid
from ledger.rules.state import Item
from tests.api.serving import house_of
from tests.databases import sqlite_file_url
from tests.goods import CARD_CLASS, ITEM_CLASS, place_in_escrow, register_card
from tests.money import top_up
from tests.orders import order_of, pay_order, place_order
from tests.shops import publish_listing, qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

GIFT = "cards/gift"
HOUR_US = 3_600_000_000
KEY = b64encode(bytes([9] * 32)).decode()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop whose cards lie with the platform, and a member with money."""
    with World.create(sqlite_file_url(tmp_path), "delivering") as opened:
        for party in ("mia", "rex", "kay", "ben"):
            opened.register(party)
        opened.grant("rex", "reviewer")
        opened.grant("rex", "freezer")
        opened.grant("kay", "cashier", second="rex")
        opened.open_namespace("cards", "mia")
        publish_terms(opened, terms())
        for each in (CARD_CLASS, ITEM_CLASS):
            qualify(opened, "mia", "rex", **{"class": each})
        publish_listing(opened, GIFT, "mia", **{"class": CARD_CLASS})
        for number in range(4):
            register_card(opened, f"cards/{number}", "mia", agent="system")
        top_up(opened, "ben", "kay", 500_000)
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    found = house_of(world, tmp_path)
    found.signer = world.key  # type: ignore[method-assign,assignment] # no key file in a test
    return found


def bought(world: World, *items: str, **changes: str) -> str:
    order = place_order(world, "ben", GIFT, *items, **changes)
    pay_order(world, order)
    return order


def delivered(world: World, house: House) -> int:
    house.runner.catch_up()
    return deliver_paid(house)


def lines(world: World, order: str) -> list[bool]:
    return [line.delivered for line in order_of(world, order).lines]


def test_every_line_of_a_paid_order_is_delivered_once(world: World, house: House) -> None:
    first, second = bought(world, "cards/0", "cards/1"), bought(world, "cards/2")

    assert delivered(world, house) == 2
    assert (lines(world, first), lines(world, second)) == ([True, True], [True])
    assert world.item("cards/0").owner == "ben"
    size = world.size()
    assert delivered(world, house) == 0
    assert world.size() == size


def test_what_is_not_paid_is_not_delivered(world: World, house: House) -> None:
    order = place_order(world, "ben", GIFT, "cards/0")

    assert delivered(world, house) == 0
    assert lines(world, order) == [False]


def test_an_order_with_a_key_of_its_own_waits_for_its_parcel(world: World, house: House) -> None:
    order = bought(world, "cards/0", key=KEY)

    assert delivered(world, house) == 0
    assert lines(world, order) == [False]


def test_what_is_frozen_waits_and_the_rest_is_delivered(world: World, house: House) -> None:
    order = bought(world, "cards/0", "cards/1")
    world.freeze("cards/0", by="rex")
    assert delivered(world, house) == 1
    assert lines(world, order) == [False, True]

    world.unfreeze("cards/0", by="rex")
    assert delivered(world, house) == 1
    assert lines(world, order) == [True, True]


def test_a_card_that_lies_with_its_merchant_is_the_merchants_to_deliver(
    world: World, house: House
) -> None:
    register_card(world, "cards/own", "mia", agent="mia")
    order = bought(world, "cards/own")

    assert delivered(world, house) == 0
    assert lines(world, order) == [False]


def test_a_thing_is_not_handed_over_by_a_program(world: World, house: House) -> None:
    publish_listing(world, "cards/sword", "mia", **{"class": ITEM_CLASS, "product": "swords"})
    world.register_item("cards/blade")
    place_in_escrow(world, "cards/blade", "mia", "system")
    order = place_order(world, "ben", "cards/sword", "cards/blade")
    pay_order(world, order)

    assert delivered(world, house) == 0
    assert lines(world, order) == [False]


def test_what_was_not_delivered_in_time_is_not_delivered_late(world: World, house: House) -> None:
    order = bought(world, "cards/0")
    house.runner.catch_up()
    world.clock.advance(3 * HOUR_US)

    assert deliver_paid(house) == 0
    assert lines(world, order) == [False]


def test_two_processes_deliver_once(world: World, house: House, tmp_path: Path) -> None:
    order = bought(world, "cards/0")
    house.runner.catch_up()
    other = house_of(world, tmp_path)
    other.signer = world.key  # type: ignore[method-assign,assignment] # no key file in a test

    assert (deliver_paid(house), deliver_paid(other)) == (1, 0)
    assert lines(world, order) == [True]


def test_a_platform_whose_key_is_no_longer_valid_says_so(world: World, house: House) -> None:
    bought(world, "cards/0")
    house.runner.catch_up()
    house.signer = lambda _name: world.key("forger")  # type: ignore[method-assign,assignment]

    with pytest.raises(KeyNotValid):
        deliver_paid(house)


def test_the_keeper_delivers_in_its_rounds(world: World, house: House) -> None:
    order = bought(world, "cards/0")

    keeper = Keeper(house)
    asyncio.run(keeper.round())
    assert keeper.failures == {}
    assert lines(world, order) == [True]
    state: Item = world.item("cards/0")
    assert (state.owner, state.goods is not None and state.goods.escrow) == ("ben", None)
