"""Timers of orders: nothing due is missed, nothing fires twice, and the soonest is first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from typing import Any

import pytest

from api.house import House
from api.keeper import Keeper
from api.timers import act_on_orders, fire_due
from ledger.rules.errors import KeyNotValid, TooLarge
from ledger.rules.order_state import EXPIRED, HELD, PAID, REFUNDED, RELEASED
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account
from projections.orders import Orders
from tests import golden_trade
from tests.api.serving import house_with_keys
from tests.codes import answer, checks_of
from tests.databases import sqlite_file_url
from tests.escrow import deliver
from tests.goods import register_card
from tests.money import top_up
from tests.orders import order_of, pay_order, place_order
from tests.unit.projections.markets import entries_of
from tests.worlds import World

WEEK_US = 7 * 86_400_000_000
MINUTE_US = 60_000_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "timers") as opened:
        golden_trade.play(opened)
        # The cards of the story do not open: nobody could look up what waits to be answered.
        for check in checks_of(opened, "zoe").pending:
            answer(opened, "zoe", check, None)
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    found = house_with_keys(world, tmp_path)
    found.runner.catch_up()
    return found


def waiting(world: World, house: House, count: int) -> list[str]:
    """Place some orders, a minute after each other, that nobody will pay."""
    placed = []
    for number in range(count):
        item = f"mias/late-{number}"
        register_card(world, item, "mia", agent="system")
        placed.append(place_order(world, "zoe", "mias/points", item))
        world.clock.advance(MINUTE_US)
    house.runner.catch_up()
    return placed


def lines_due(world: World, house: House) -> int:
    """How many orders of the story have a line that is due now."""
    rules = ["order-inspected", "order-undelivered"]
    return len(Orders(house.reader).due(world.clock.now(), rules))


def fired(house: House) -> list[tuple[str, str, str]]:
    """What expired: the order, what was due, and when it fired."""
    return [
        (each.stream[6:], each.command.body["due"], each.document["at"])
        for each in entries_of(house.reader)
        if each.type == "order-expired/1" and each.command is not None
    ]


def test_after_a_week_everything_that_is_overdue_fires_soonest_first_and_says_when(
    world: World, house: House
) -> None:
    before = len(fired(house))
    placed = [Orders(house.reader).due(1 << 62, ["order-unpaid"])[0].order_id]
    placed += waiting(world, house, 3)
    dues = [format_time(order_of(world, order).pay_by) for order in placed]
    world.clock.advance(WEEK_US)
    now = format_time(world.clock.now())

    assert fire_due(house) == 4 + lines_due(world, house)
    done = [(order, due, now) for order, due in zip(placed, dues, strict=True)]
    assert fired(house)[before:] == done
    house.runner.catch_up()
    # The last order of the story had two timers, of two of its lines.
    assert fire_due(house) == 1
    house.runner.catch_up()
    assert fire_due(house) == 0


def test_lines_are_refunded_and_released_by_themselves_and_a_claimed_one_waits(
    world: World, house: House
) -> None:
    order = next(
        each.stream[6:]
        for each in reversed(entries_of(house.reader))
        if each.type == "lines-delivered/1"
    )
    delivered, claimed, awaited = order_of(world, order).lines
    assert awaited.deliver_by is not None
    assert delivered.inspect_by is not None
    for due, right in (
        (awaited.deliver_by, (HELD, HELD, REFUNDED)),
        (delivered.inspect_by, (RELEASED, HELD, REFUNDED)),
    ):
        for moment in (due - 1, due):
            world.clock.advance(moment - world.clock.now())
            house.runner.catch_up()
            fire_due(house)
        assert tuple(line.state for line in order_of(world, order).lines) == right
    assert claimed.claims == order_of(world, order).lines[1].claims != ()


def test_nothing_fires_before_its_time(world: World, house: House) -> None:
    (order,) = waiting(world, house, 1)
    due = order_of(world, order).pay_by
    world.clock.advance(due - 1 - world.clock.now())
    act_on_orders(house)
    assert order_of(world, order).state != EXPIRED

    world.clock.advance(1)
    act_on_orders(house)
    assert order_of(world, order).state == EXPIRED


def test_what_another_process_did_first_is_left_alone(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(world, house, 2)
    world.clock.advance(WEEK_US)
    stale = Orders(house.reader).due(world.clock.now(), ["order-unpaid"])
    lines = lines_due(world, house)
    assert act_on_orders(house) - lines == len(stale) == 3
    world.clock.advance(MINUTE_US)
    answers = [stale, []]
    monkeypatch.setattr(Orders, "due", lambda *_, **__: answers.pop(0))

    size = world.size()
    assert act_on_orders(house) == 0
    assert world.size() == size


def test_an_order_that_was_paid_in_the_last_moment_is_left_alone(
    world: World, house: House
) -> None:
    (order,) = waiting(world, house, 1)
    found = order_of(world, order)
    top_up(world, "zoe", "kay", found.total)
    pay_order(world, order)
    world.clock.advance(WEEK_US)

    # The views do not show the payment yet.
    act_on_orders(house)
    assert order_of(world, order).state == PAID


def test_however_many_are_due_they_fire_in_batches(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(world, house, 4)
    world.clock.advance(WEEK_US)
    lines = lines_due(world, house)
    monkeypatch.setattr(Orders, "due", partialmethod(Orders.due, limit=2))

    assert act_on_orders(house) == 5 + lines


def test_a_timer_that_is_refused_for_another_reason_is_a_failure(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting(world, house, 1)
    world.clock.advance(WEEK_US)
    monkeypatch.setattr(house, "signer", lambda _name: world.key("stranger"))

    with pytest.raises(KeyNotValid):
        act_on_orders(house)


def test_a_merchant_whose_balance_can_hold_no_more_holds_up_no_other_timer(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_card(world, "mias/paid", "mia", agent="system")
    bought = place_order(world, "zoe", "mias/points", "mias/paid")
    top_up(world, "zoe", "kay", order_of(world, bought).total)
    pay_order(world, bought)
    deliver(world, bought)
    account = world.ledger.stream("balance/mia")
    held = account.state.held("CNY") if account and isinstance(account.state, Account) else 0
    top_up(world, "mia", "kay", 10**38 - 1 - held)
    world.clock.advance(WEEK_US)
    (after,) = waiting(world, house, 1)
    world.clock.advance(WEEK_US)
    house.runner.catch_up()
    monkeypatch.setattr(Orders, "due", partialmethod(Orders.due, limit=1))

    with pytest.raises(TooLarge):
        act_on_orders(house)
    assert order_of(world, after).state == EXPIRED


def test_the_keeper_lets_timers_fire(world: World, house: House) -> None:
    (order,) = waiting(world, house, 1)
    world.clock.advance(WEEK_US)
    failures: list[Any] = []
    keeper = Keeper(house, publish_every_s=0, on_failure=lambda *what: failures.append(what))

    asyncio.run(keeper.round())
    assert failures == []
    assert order_of(world, order).state == EXPIRED
