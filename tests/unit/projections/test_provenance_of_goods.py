"""What a buyer is told of an item that orders sold: its listing at each sale, claims, its use."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from api.provenance import provenance_of
from ledger.rules.digests import listing_digest
from projections.runner import Runner
from tests.databases import sqlite_file_url
from tests.escrow import close_claim, deliver, open_claim, record_activation
from tests.golden_trade import DAY_US, play
from tests.orders import order_of, pay_order, place_order
from tests.shops import listing_body, publish_listing
from tests.worlds import World

SOLD, CLAIMED, AWAITED = "mias/paid-18", "mias/paid-19", "mias/paid-20"


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The ledger of the golden log of trade; its last order but one is lou's."""
    url = sqlite_file_url(tmp_path_factory.mktemp("provenance"))
    with World.create(url, "provenance") as world:
        play(world)
        Runner(world.reader).catch_up()
        yield world


@pytest.fixture
def trading(database_url: str) -> Iterator[World]:
    with World.create(database_url, "provenance") as world:
        play(world)
        yield world


def told(world: World, item: str, index: int | None = None) -> dict[str, Any]:
    Runner(world.reader).catch_up()
    found = provenance_of(world.reader, item, world.size() - 1 if index is None else index)
    assert found is not None
    return found


def sold_by(world: World, item: str) -> str:
    goods = world.item(item).goods
    assert goods is not None
    assert goods.sold is not None
    return goods.sold


def test_a_sale_shows_its_price_and_what_the_listing_promised_then(traded: World) -> None:
    document = told(traded, SOLD)
    made, sale = document["owners"]
    order = order_of(traded, sold_by(traded, SOLD))

    assert (made["type"], made["owner"], made["sale"]) == ("card-registered/1", "mia", None)
    assert (sale["owner"], sale["price"]) == ("lou", {"amount": "9900", "currency": "CNY"})
    assert sale["sale"] == {
        "labels": ["platform-direct"],
        "line": 1,
        "listing": "mias/points",
        "merchant": "mia",
        "order": sold_by(traded, SOLD),
        "promises": listing_body("mias/points", "mia")["promises"],
        "snapshot": order.lines[0].snapshot,
    }
    assert (document["flags"], document["activation"]) == (["clean"], None)


def test_a_later_edit_of_the_listing_changes_no_earlier_sale(trading: World) -> None:
    before = told(trading, SOLD)["owners"]
    changes: dict[str, Any] = {"class": "point-card", "promises": "7" * 64}
    publish_listing(trading, "mias/points", "mia", **changes)
    order = place_order(trading, "lou", "mias/points", "mias/card-1")
    pay_order(trading, order)
    deliver(trading, order)

    assert told(trading, SOLD)["owners"] == before
    sale = told(trading, "mias/card-1")["owners"][-1]["sale"]
    body = listing_body("mias/points", "mia", **changes)
    assert (sale["promises"], sale["snapshot"]) == ("7" * 64, listing_digest(body))


def test_an_item_is_disputed_while_a_claim_on_its_own_line_is_open(trading: World) -> None:
    assert [told(trading, item)["flag"] for item in (SOLD, CLAIMED, AWAITED)] == [
        "clean",
        "disputed",
        "clean",
    ]
    quiet = trading.size() - 1
    order = sold_by(trading, SOLD)
    claim = open_claim(trading, order, 1)
    early = open_claim(trading, order, 3, kind="not-delivered")
    opened = trading.size() - 1
    close_claim(trading, claim, "none", trading.signs("lou", "buyer"))
    close_claim(trading, early, "none", trading.signs("lou", "buyer"))

    # Of what is only awaited, too: it is reserved for the order whose line is claimed.
    for item in (SOLD, AWAITED):
        flags = [told(trading, item, index)["flags"] for index in (quiet, opened, None)]
        assert flags == [["clean"], ["disputed"], ["clean"]]


def test_a_disputed_item_that_is_handed_on_stays_disputed(trading: World) -> None:
    trading.transfer(CLAIMED, to="ben")
    document = told(trading, CLAIMED)

    assert (document["owner"], document["flags"]) == ("ben", ["disputed"])
    assert [each["sale"] is None for each in document["owners"]] == [True, False, True]


def test_that_it_worked_counts_for_more_than_that_it_failed_later(trading: World) -> None:
    record_activation(trading, SOLD, "failure")
    failed = trading.size() - 1
    trading.clock.advance(DAY_US + 1)
    record_activation(trading, SOLD)
    worked = trading.size() - 1
    record_activation(trading, SOLD, "failure")

    def activation(index: int | None = None) -> tuple[Any, ...]:
        found = told(trading, SOLD, index)["activation"]
        return found["index"], found["outcome"], found["late"]

    assert activation(failed) == (failed, "failure", False)
    assert activation() == activation(worked) == (worked, "success", True)
    assert told(trading, SOLD, failed - 1)["activation"] is None
