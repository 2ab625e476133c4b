"""The platform delivers what is paid and lies with it, at once and once."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.delivering import deliver_paid
from api.house import House
from api.keeper import Keeper
from api.packing import NotPacked
from api.parcels import address_of
from ledger.application import Accepted
from ledger.cards.parcels import open_parcel, parcel_digest
from ledger.errors import ParcelRefused
from ledger.record.database import writing
from ledger.record.facts import ParcelRow
from ledger.record.stored import read_stored
from ledger.rules.errors import KeyNotValid
from ledger.rules.state import Item
from ledger.rules.trade_errors import ParcelDiffers
from tests.api.revealed import register_real_card
from tests.api.serving import house_with_keys
from tests.databases import sqlite_file_url
from tests.escrow import delivery_draft, stand_in
from tests.goods import CARD_CLASS, ITEM_CLASS, place_in_escrow, register_card
from tests.money import top_up
from tests.orders import order_of, pay_order, place_order
from tests.shops import DAY_US, publish_listing, qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

GIFT = "cards/gift"
HOUR_US = 3_600_000_000
PRIVATE = X25519PrivateKey.from_private_bytes(bytes([9] * 32))
KEY = b64encode(PRIVATE.public_key().public_bytes_raw()).decode()


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
        for number in range(2):
            register_real_card(opened, f"cards/real-{number}", "mia", f"KEY-{number}")
        top_up(opened, "ben", "kay", 500_000)
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return house_with_keys(world, tmp_path)


def bought(world: World, *items: str, **changes: str | None) -> str:
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


def opened(world: World, order: str, line: int, private: X25519PrivateKey = PRIVATE) -> str:
    """Open the parcel of a line as its buyer does."""
    named = {each["line"]: each["parcel"] for each in delivery_of(world, order)}
    row = world.recorder.parcel(order, line)
    assert row is not None
    assert row.digest.hex() == named[line] == parcel_digest(row.parcel)
    item = order_of(world, order).lines[line - 1].item
    address = address_of(world.reader, world.origin, item=item, order=order, line=line)
    return open_parcel(address, row.parcel, private=private.private_bytes_raw()).text


def delivery_of(world: World, order: str) -> list[dict[str, Any]]:
    """What the last delivery of an order says of parcels."""
    entries = map(read_stored, world.reader.stream_entries(f"order/{order}"))
    (*_, last) = [each for each in entries if each.type == "lines-delivered/1"]
    assert last.command is not None
    named: list[dict[str, Any]] = last.command.body["parcels"]
    return named


def test_an_order_with_a_key_gets_each_card_in_a_parcel(world: World, house: House) -> None:
    order = bought(world, "cards/real-0", "cards/real-1", key=KEY)

    assert delivered(world, house) == 1
    assert lines(world, order) == [True, True]
    assert [opened(world, order, line) for line in (1, 2)] == ["KEY-0", "KEY-1"]


def test_a_parcel_opens_with_no_other_key_and_on_no_other_line(world: World, house: House) -> None:
    order = bought(world, "cards/real-0", "cards/real-1", key=KEY)
    delivered(world, house)

    with pytest.raises(ParcelRefused):
        opened(world, order, 1, X25519PrivateKey.from_private_bytes(bytes([8] * 32)))
    first, second = (world.recorder.parcel(order, line) for line in (1, 2))
    assert first is not None
    assert second is not None
    item = order_of(world, order).lines[0].item
    address = address_of(world.reader, world.origin, item=item, order=order, line=1)
    with pytest.raises(ParcelRefused):
        open_parcel(address, second.parcel, private=PRIVATE.private_bytes_raw())


def test_a_card_that_the_vault_cannot_give_waits_and_the_rest_is_delivered(
    world: World, house: House
) -> None:
    order = bought(world, "cards/real-0", "cards/0", "cards/real-1", key=KEY)
    told: list[tuple[str, int, str]] = []
    index = world.reader.stream_entries("item/cards/real-0")[0].index
    with writing(world.recorder.engine) as connection:
        connection.exec_driver_sql(
            f"UPDATE disclosure SET box = x'' WHERE \"index\" = {index} AND name = 'card'"
        )
    house.runner.catch_up()

    def tell(name: str, line: int, why: NotPacked) -> None:
        told.append((name, line, why.reason))

    assert deliver_paid(house, tell) == 1
    # The one is lost, and what was sealed for the other is no card at all.
    assert told == [(order, 1, "lost"), (order, 2, "malformed")]
    assert lines(world, order) == [False, False, True]
    assert opened(world, order, 3) == "KEY-1"


def test_a_card_that_is_not_the_one_committed_to_is_not_delivered(
    world: World, house: House
) -> None:
    order = bought(world, "cards/real-0", key=KEY)
    index = world.reader.stream_entries("item/cards/real-0")[0].index
    with writing(world.recorder.engine) as connection:
        connection.exec_driver_sql(
            f"UPDATE disclosure SET box = x'00' WHERE \"index\" = {index} AND name = 'card'"
        )
    told: list[str] = []
    house.runner.catch_up()

    assert deliver_paid(house, lambda _order, _line, why: told.append(why.reason)) == 0
    assert told == ["box-refused"]
    assert (lines(world, order), world.recorder.parcel(order, 1)) == ([False], None)


def test_the_keeper_says_once_that_a_card_cannot_be_delivered(
    world: World, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    order = bought(world, "cards/0", key=KEY)
    keeper = Keeper(house)

    for _ in range(2):
        asyncio.run(keeper.round())

    (said,) = [each.getMessage() for each in caplog.records]
    assert "card-not-delivered" in said
    assert order in said
    assert keeper.failures == {}


def test_parcels_that_the_command_does_not_name_are_refused_whole(
    world: World, house: House
) -> None:
    order = bought(world, "cards/real-0", "cards/real-1", key=KEY)
    draft = delivery_draft(world, order, 1, 2)
    good = (stand_in(1), stand_in(2))
    for parcels in ((stand_in(2), stand_in(1)), good[:1], (*good, b"more"), (b"x", good[1])):
        sent = replace(world.submission(draft), parcels=parcels)
        (refused,) = world.send(sent)
        assert isinstance(refused, ParcelRefused)
        assert refused.evidence == {"named": 2, "given": len(parcels)}
    other = replace(world.submission(world.item_draft("cards/x")), parcels=good)
    assert isinstance(world.send(other)[0], ParcelRefused)

    assert lines(world, order) == [False, False]
    assert world.recorder.parcel(order, 1) is None
    (taken,) = world.send(replace(world.submission(draft), parcels=good))
    assert isinstance(taken, Accepted)
    row = world.recorder.parcel(order, 2)
    assert row == ParcelRow(order, 2, bytes.fromhex(parcel_digest(good[1])), good[1])


def test_a_card_whose_class_is_sold_as_items_by_now_comes_without_a_parcel(
    world: World, house: House
) -> None:
    document = terms()
    (cards,) = [each for each in document["classes"] if each["class"] == CARD_CLASS]
    cards["sells"] = "item"
    publish_terms(world, document, world.clock.now() + 9 * DAY_US)
    world.clock.advance(10 * DAY_US)
    order = bought(world, "cards/real-0", key=KEY)

    assert delivered(world, house) == 1
    assert lines(world, order) == [True]
    assert delivery_of(world, order) == [{"line": 1, "parcel": None}]


def test_an_order_that_the_rules_refuse_to_deliver_holds_up_no_other(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = bought(world, "cards/real-0", key=KEY)
    others = [bought(world, f"cards/{number}") for number in range(2)]
    monkeypatch.setattr("projections.orders.Orders.due.__kwdefaults__", {"after": None, "limit": 1})
    # What no rule expects: a card that goes without the parcel that belongs to it.
    monkeypatch.setattr("api.delivering._sold_as_card", lambda *_: False)

    with pytest.raises(ParcelDiffers):
        delivered(world, house)
    assert lines(world, refused) == [False]
    assert [lines(world, order) for order in others] == [[True], [True]]


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


@pytest.mark.parametrize("key", [None, KEY])
def test_two_processes_deliver_once(
    world: World, house: House, tmp_path: Path, key: str | None
) -> None:
    order = bought(world, "cards/real-0", key=key)
    house.runner.catch_up()
    other = house_with_keys(world, tmp_path)

    assert (deliver_paid(house), deliver_paid(other)) == (1, 0)
    assert lines(world, order) == [True]
    assert key is None or opened(world, order, 1) == "KEY-0"


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
