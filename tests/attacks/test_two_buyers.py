"""Two servers, one shop: a card is sold once, an order funded once, and never paid and expired."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from ledger.application import Accepted, Outcome
from ledger.rules.compose import Draft, Sealing, compose, uuid7
from ledger.rules.digests import timer_id
from ledger.rules.errors import StaleExpectation
from ledger.rules.order_state import EXPIRED, PAID
from ledger.rules.text import format_time
from ledger.rules.trade_errors import OrderNotOpen, TimerNotDue
from ledger.submission import Submission
from tests import golden_trade
from tests.goods import register_card
from tests.money import top_up
from tests.orders import line_of, order_draft, order_of, place_order
from tests.unit.projections.markets import entries_of
from tests.worlds import World

ROUNDS = 12


@pytest.fixture
def servers(database_url: str) -> Iterator[tuple[World, World]]:
    """The golden shop, and a second process on its database, with clocks that agree."""
    with (
        World.create(database_url, "two-buyers") as first,
        World.join(database_url, "two-buyers", process="second") as second,
    ):
        golden_trade.play(first)
        for name in ("ben", "zoe", "kay", "mia", "system"):
            second.key(name)
        second.clock.advance(first.clock.now() - second.clock.now())
        yield first, second


def at_once(*sent: tuple[World, Submission]) -> list[Outcome]:
    """Hand one submission to each server at the same time."""
    outcomes: dict[int, Outcome] = {}
    barrier = threading.Barrier(len(sent))

    def hand_in(place: int, world: World, submission: Submission) -> None:
        barrier.wait()
        (outcomes[place],) = world.ledger.submit([submission])

    threads = [
        threading.Thread(target=hand_in, args=(place, *one)) for place, one in enumerate(sent)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [outcomes[place] for place in range(len(sent))]


def test_a_card_that_two_order_at_once_is_sold_to_one(servers: tuple[World, World]) -> None:
    first, second = servers
    for number in range(ROUNDS):
        item = f"mias/race-{number}"
        register_card(first, item, "mia", agent="system")
        sent = []
        for world, buyer in ((first, "ben"), (second, "zoe")):
            order = uuid7(world.clock.now(), world.dice(10))
            lines = [line_of(first, item, "mias/points")]
            draft = order_draft(first, order, buyer, lines)
            sent.append((world, world.submission(draft)))

        outcomes = at_once(*sent)
        assert sum(isinstance(one, Accepted) for one in outcomes) == 1
        (refused,) = (one for one in outcomes if not isinstance(one, Accepted))
        assert isinstance(refused, StaleExpectation)
        assert refused.evidence["stream"] == f"item/{item}"


def payment(world: World, order: str, total: int) -> Submission:
    """What a cashier signs who saw the whole price come in."""
    money = {"amount": str(total), "currency": "CNY"}
    body = {"amount": money, "order": order, "provider": "alipay"}
    seal = [Sealing("transaction", "zoe", world.dice(32), "T-3")]
    places = [world.signs("kay", "cashier")]
    return world.submission(Draft("confirm-payment/1", "kay", places, body, seal=seal))


def test_an_order_that_two_servers_see_paid_is_funded_once(servers: tuple[World, World]) -> None:
    first, second = servers
    for number in range(ROUNDS):
        item = f"mias/race-{number}"
        register_card(first, item, "mia", agent="system")
        order = place_order(first, "zoe", "mias/points", item)
        before = held(first)

        outcomes = at_once(*((world, payment(world, order, 9900)) for world in servers))
        assert all(isinstance(one, Accepted) for one in outcomes)
        told = [
            entry.data["outcome"]
            for entry in entries_of(first.reader)
            if entry.stream == f"order/{order}" and entry.type == "payment-confirmed/1"
        ]
        assert told == ["funded", "surplus"]
        assert held(second) == before + 9900


def held(world: World) -> int:
    """What lies on zoe's balance, whoever wrote it last."""
    last = world.reader.last_of_stream("balance/zoe")
    assert last is not None
    found = {one["currency"]: one["amount"] for one in json.loads(last.entry)["data"]["after"]}
    return int(found["CNY"])


def test_an_order_that_expires_while_it_is_paid_is_one_of_the_two(
    servers: tuple[World, World],
) -> None:
    first, second = servers
    top_up(first, "ben", "kay", 9900 * ROUNDS)
    seen = set()
    for number in range(ROUNDS):
        item = f"mias/race-{number}"
        register_card(first, item, "mia", agent="system")
        order = place_order(first, "ben", "mias/points", item)
        found = order_of(first, order)
        for world in servers:
            world.clock.advance(found.pay_by - world.clock.now())
        stream, due = f"order/{order}", format_time(found.pay_by)
        money = {"amount": "9900", "currency": "CNY"}
        body = {"amount": money, "order": order}
        expect = {stream: first.head(stream)}
        paying = Draft("pay-order/1", "ben", [first.signs("ben", "buyer")], body, expect)
        body = {"due": due, "order": order}
        firing = Draft("expire-order/1", "system", [second.signs("system", "system")], body)
        timer = compose(second.context(), timer_id(stream, "order-unpaid", due), firing)

        paid, expired = at_once((first, first.submission(paying)), (second, second.sign(timer)))
        assert isinstance(paid, Accepted) != isinstance(expired, Accepted)
        if isinstance(paid, Accepted):
            assert isinstance(expired, TimerNotDue)
        else:
            assert isinstance(paid, StaleExpectation | OrderNotOpen)
        seen.add(order_of(second, order).state)
    assert seen <= {PAID, EXPIRED}
