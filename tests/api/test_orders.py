"""Reading orders and stock over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.rules.text import format_time
from tests.api.card_shop import GIFT, open_card_shop
from tests.api.serving import Served, serve
from tests.goods import register_card, withdraw_from_escrow
from tests.money import top_up
from tests.orders import expire_order, order_of, pay_order, place_order, terms_in_force
from tests.shops import end_listing

NEVER = "0190a8c3-5a77-7d2e-8f6b-3a9f4f2d9c10"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A shop with four cards for sale at 9,900, and two members, one of them with money."""
    with serve(tmp_path) as opened:
        world = opened.world
        open_card_shop(world, "ben", "eve")
        for number in range(4):
            register_card(world, f"cards/{number}", "mia", agent="system")
        top_up(world, "ben", "kay", 50_000)
        yield opened


def read(served: Served, path: str) -> dict[str, Any]:
    served.catch_up()
    answer = served.client.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def free(served: Served, query: str = "") -> list[str]:
    return [each["item"] for each in read(served, f"/v1/listings/{GIFT}/stock{query}")["data"]]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (f"/v1/orders/{NEVER}", 404, "order-not-found"),
        ("/v1/orders/not-a-number", 400, "malformed"),
        ("/v1/listings/cards/none/stock", 404, "listing-not-found"),
        ("/v1/orders", 400, "malformed"),
        ("/v1/orders?buyer=ben&after=x", 400, "malformed"),
    ],
)
def test_what_is_not_there_or_not_a_question_is_answered_so(
    served: Served, path: str, status: int, code: str
) -> None:
    answer = served.client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_an_order_shows_its_lines_and_what_falls_due(served: Served) -> None:
    world = served.world
    order = place_order(world, "ben", GIFT, "cards/0", "cards/1")

    found = read(served, f"/v1/orders/{order}")
    state = order_of(world, order)
    pay_by = format_time(state.pay_by)
    assert found["timers"] == [{"due": pay_by, "rule": "order-unpaid"}]
    assert (found["state"], found["total"], found["pay_by"]) == ("unpaid", "19800", pay_by)
    assert found["terms"] == terms_in_force(world).digest
    assert (found["order"], found["buyer"], found["tier"]) == (order, "ben", "ordinary")
    assert found["head"] == world.head(f"order/{order}")
    first = found["lines"][0]
    assert (first["line"], first["item"], first["merchant"]) == (1, "cards/0", "mia")
    assert (first["price"], first["fee"], first["state"]) == ("9900", "247", "unfunded")
    assert (first["delivered"], first["deliver_by"], first["claims"]) == (False, None, [])


def test_a_paid_order_holds_its_money_until_it_is_delivered(served: Served) -> None:
    world = served.world
    order = place_order(world, "ben", GIFT, "cards/0")
    pay_order(world, order)

    found = read(served, f"/v1/orders/{order}")
    due = order_of(world, order).lines[0].deliver_by
    assert due is not None
    assert found["timers"] == [{"due": format_time(due), "rule": "order-undelivered"}]
    (line,) = found["lines"]
    assert (found["state"], line["state"], line["deliver_by"]) == ("paid", "held", format_time(due))


def test_a_buyer_pages_through_its_orders(served: Served) -> None:
    world = served.world
    mine = [place_order(world, "ben", GIFT, f"cards/{number}") for number in range(3)]
    place_order(world, "eve", GIFT, "cards/3")

    first = read(served, "/v1/orders?buyer=ben&limit=2")
    rest = read(served, f"/v1/orders?buyer=ben&limit=2&after={first['next_after']}")
    assert [each["order"] for each in first["data"] + rest["data"]] == sorted(mine)
    assert (first["has_more"], rest["has_more"], rest["next_after"]) == (True, False, None)
    assert first["data"][0]["total"] == {"amount": "9900", "currency": "CNY"}


def test_only_what_is_free_is_in_stock_and_its_head_is_what_an_order_expects(
    served: Served,
) -> None:
    world = served.world
    page = read(served, f"/v1/listings/{GIFT}/stock")
    assert [each["item"] for each in page["data"]] == [f"cards/{number}" for number in range(4)]
    assert page["data"][2]["head"] == world.head("item/cards/2")

    order = place_order(world, "ben", GIFT, "cards/0")
    withdraw_from_escrow(world, "cards/1", "mia")
    world.grant("rex", "freezer")
    world.freeze("cards/2", by="rex")
    assert free(served) == ["cards/3"]

    world.clock.advance(order_of(world, order).pay_by - world.clock.now())
    expire_order(world, order)
    assert free(served) == ["cards/3", "cards/0"]


def test_the_stock_is_looked_at_from_an_index_on_and_ends_with_the_listing(served: Served) -> None:
    world = served.world
    second = world.recorder.stream_entries("item/cards/1")[0].index

    assert free(served, "?limit=2") == ["cards/0", "cards/1"]
    assert free(served, f"?start={second}&limit=2") == ["cards/1", "cards/2"]
    end_listing(world, GIFT, "mia")
    assert free(served) == []
