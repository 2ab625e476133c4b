"""The keeper takes what merchants lost by chargebacks once it is due, as far as it is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import recourse
from api.house import House
from api.keeper import Keeper
from api.recourse import LOOK_AGAIN_US, Recoverer
from ledger.rules.entries import Entry
from ledger.rules.errors import CommandConflict
from ledger.rules.order_state import Order
from ledger.rules.recourse import AGAIN_US
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account
from tests.api.card_shop import GIFT, open_card_shop
from tests.api.serving import house_with_keys
from tests.chargebacks import charge_back, end_chargeback, recover
from tests.databases import sqlite_file_url
from tests.deposits import agree_deposit, deposit_of, fund_deposit
from tests.escrow import accept, deliver
from tests.goods import register_card
from tests.money import pay_out, top_up
from tests.orders import order_of, pay_order, place_order
from tests.unit.projections.markets import entries_of
from tests.worlds import World

PRICE, DAY_US = 9_900, 86_400_000_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A shop of mia's that sold ben two cards, which he accepted."""
    with World.create(sqlite_file_url(tmp_path), "recourse") as opened:
        open_card_shop(opened, "ben")
        for number in range(4):
            register_card(opened, f"cards/{number}", "mia", agent="system")
        top_up(opened, "ben", "kay", 4 * PRICE)
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return house_with_keys(world, tmp_path)


def bought(world: World, *numbers: int) -> str:
    order = place_order(world, "ben", GIFT, *(f"cards/{number}" for number in numbers))
    pay_order(world, order)
    lines = range(1, len(numbers) + 1)
    deliver(world, order, *lines)
    accept(world, order, *lines)
    return order


def net(order: Order) -> int:
    """What mia got of a line and lost."""
    return PRICE - order.lines[0].fee


def lose(world: World, order: str, line: int = 1) -> None:
    end_chargeback(world, order, charge_back(world, order, {line: PRICE}), "lost")


def held(world: World) -> int:
    found = world.ledger.stream("balance/mia")
    assert found is not None
    assert isinstance(found.state, Account)
    return found.state.held("CNY")


def penniless(world: World) -> None:
    pay_out(world, "mia", "kay", held(world))


def taken(world: World) -> list[Entry]:
    return [each for each in entries_of(world.reader) if each.type == "recourse-taken/1"]


def owed(world: World) -> int:
    return sum(each.amount for each in deposit_of(world, "mia").owed)


def test_a_round_takes_what_is_due_and_not_before_and_says_when_it_was_due_and_taken(
    world: World, house: House
) -> None:
    order = bought(world, 0)
    lose(world, order)
    had, loss, failures = held(world), net(order_of(world, order)), list[Any]()
    (debt,) = deposit_of(world, "mia").owed
    assert debt.amount == loss
    keeper = Keeper(house, publish_every_s=0, on_failure=lambda *what: failures.append(what))
    asyncio.run(keeper.round())
    assert taken(world) == []

    # A week of downtime.
    world.clock.advance(7 * DAY_US)
    for _ in range(3):
        asyncio.run(keeper.round())
    assert failures == []
    (entry,) = taken(world)
    assert entry.command is not None
    assert entry.command.body["due"] == format_time(debt.due)
    assert entry.at >= debt.due + 6 * DAY_US
    assert (held(world), owed(world)) == (had - loss, 0)


def test_who_has_nothing_is_left_alone_and_looked_at_again(world: World, house: House) -> None:
    lose(world, bought(world, 0))
    penniless(world)
    recoverer = Recoverer(house)
    world.clock.advance(DAY_US)
    size = world.size()
    assert [recoverer.keep_up() for _ in range(3)] == [0, 0, 0]
    assert world.size() == size
    top_up(world, "mia", "kay", 40)
    assert recoverer.keep_up() == 0
    world.clock.advance(LOOK_AGAIN_US)
    before = owed(world)
    assert [recoverer.keep_up() for _ in range(2)] == [1, 0]
    assert (held(world), owed(world)) == (0, before - 40)

    # The rest is due a day after that.
    top_up(world, "mia", "kay", 40)
    world.clock.advance(AGAIN_US - 2_000_000)
    assert recoverer.keep_up() == 0
    world.clock.advance(2_000_000)
    assert recoverer.keep_up() == 1
    assert owed(world) == before - 80


def test_the_deposit_pays_what_the_balance_lacks(world: World, house: House) -> None:
    order = bought(world, 0)
    top_up(world, "mia", "kay", 2 * PRICE)
    agree_deposit(world, "mia")
    fund_deposit(world, "mia", 2 * PRICE)
    lose(world, order)
    penniless(world)
    world.clock.advance(DAY_US)
    assert Recoverer(house).keep_up() == 1
    deposit, loss = deposit_of(world, "mia"), net(order_of(world, order))
    assert deposit.available == (("CNY", 2 * PRICE - loss),)
    assert (deposit.forfeited, deposit.owed) == ((("CNY", loss),), ())


def test_what_a_process_left_is_taken_by_the_next_and_by_one_of_two(
    world: World, house: House
) -> None:
    lose(world, bought(world, 0))
    world.clock.advance(DAY_US)
    first, second = Recoverer(house), Recoverer(house)
    assert [first.keep_up(), second.keep_up(), Recoverer(house).keep_up()] == [1, 0, 0]


def test_what_another_process_took_meanwhile_is_passed_over(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(world, bought(world, 0))
    world.clock.advance(DAY_US)
    recoverer = Recoverer(house)
    recoverer._learn()
    due = recoverer._due("mia", world.clock.now())
    recover(world, "mia")
    monkeypatch.setattr(recoverer, "_due", lambda _merchant, _now: due)
    recoverer._debtors["mia"] = 0
    assert recoverer.keep_up() == 0
    assert len(taken(world)) == 1
    assert CommandConflict in recourse._PASSED


def test_a_long_log_is_caught_up_with_round_by_round(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = bought(world, 0, 1)
    for _ in range(3):
        end_chargeback(world, order, charge_back(world, order, {1: 1}), "won")
    lose(world, order)
    world.clock.advance(DAY_US)
    monkeypatch.setattr(recourse, "BACKLOG", 3)
    recoverer = Recoverer(house)
    # Two entries a case: whoever owes in the end is found at once, by what its stream says now.
    assert [recoverer.keep_up() for _ in range(3)] == [1, 0, 0]
