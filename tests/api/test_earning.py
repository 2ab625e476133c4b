"""The keeper records what orders earned their buyers, once, and levels follow."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import earning
from api.earning import Earner
from api.house import House
from api.keeper import Keeper
from tests.api.card_shop import GIFT, open_card_shop
from tests.api.serving import house_with_keys
from tests.credit import credit_of, grant_credit, level
from tests.databases import sqlite_file_url
from tests.escrow import accept, close_claim, deliver, open_claim
from tests.goods import register_card
from tests.money import top_up
from tests.orders import pay_order, place_order
from tests.unit.projections.markets import entries_of
from tests.worlds import World

PRICE = 9_900
EARNED = PRICE * 100 // 10_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop with five cards, and ben, who has money and lacks little for a level."""
    with World.create(sqlite_file_url(tmp_path), "earning") as opened:
        open_card_shop(opened, "ben")
        for number in range(5):
            register_card(opened, f"cards/{number}", "mia", agent="system")
        top_up(opened, "ben", "kay", 60_000)
        grant_credit(opened, "ben", "kay", 10_000 - EARNED, "CREDIT")
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return house_with_keys(world, tmp_path)


def bought(world: World, *numbers: int) -> str:
    items = [f"cards/{number}" for number in numbers]
    order = place_order(world, "ben", GIFT, *items)
    pay_order(world, order)
    deliver(world, order, *range(1, len(items) + 1))
    return order


def held(world: World) -> dict[str, int]:
    return dict(credit_of(world, "ben").held)


def earnings(world: World) -> int:
    return sum(each.type == "credit-earned/1" for each in entries_of(world.reader))


def test_a_round_records_what_a_line_earned_once_and_the_level_follows(
    world: World, house: House
) -> None:
    order = bought(world, 0)
    failures: list[Any] = []
    keeper = Keeper(house, publish_every_s=0, on_failure=lambda *what: failures.append(what))
    asyncio.run(keeper.round())
    assert (earnings(world), level(world, "ben")) == (0, None)
    accept(world, order, 1)
    for _ in range(3):
        asyncio.run(keeper.round())

    assert failures == []
    assert held(world) == {"CREDIT": 10_000, "POINTS": EARNED}
    assert (earnings(world), level(world, "ben")) == (2, "vip")


def test_what_a_process_left_is_recorded_by_the_next_and_by_one_of_two(
    world: World, house: House
) -> None:
    accept(world, bought(world, 0), 1)
    first, second = Earner(house), Earner(house)
    assert [first.keep_up(), second.keep_up(), Earner(house).keep_up()] == [2, 0, 0]


def test_a_long_log_is_caught_up_with_round_by_round(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        accept(world, bought(world, number), 1)
    monkeypatch.setattr(earning, "BACKLOG", 2)
    earner = Earner(house)

    assert [earner.keep_up() for _ in range(3)] == [4, 2, 0]


def test_a_line_earns_when_its_claim_is_closed_by_what_its_merchant_kept(
    world: World, house: House
) -> None:
    order, earner = bought(world, 0, 1), Earner(house)
    claim = open_claim(world, order, 1, kind="key-invalid")
    accept(world, order, 2)
    assert earner.keep_up() == 2
    close_claim(world, claim, "release", world.signs("ben", "buyer"))
    assert earner.keep_up() == 2
    assert held(world)["POINTS"] == 2 * EARNED

    refunded = bought(world, 2)
    claim = open_claim(world, refunded, 1, kind="key-invalid")
    close_claim(world, claim, "refund", world.signs("mia", "merchant"))
    assert earner.keep_up() == 0


def test_what_another_process_recorded_meanwhile_is_passed_over(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bought(world, 0)
    accept(world, order, 1)
    first, second = Earner(house), Earner(house)
    late = list(second._wanted(f"order/{order}"))
    world.clock.advance(1_000_000)
    assert first.keep_up() == 2

    # What the second wrote before it could know.
    monkeypatch.setattr(second, "_wanted", lambda _stream: iter(late))
    assert second.keep_up() == 0
    assert (second._waiting, earnings(world)) == ({}, 2)
