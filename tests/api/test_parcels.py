"""Parcels over HTTP: made by the server, fetched and opened by their buyer, and by nobody else."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.delivering import deliver_paid
from api.schemas_signed import Parcel
from ledger.cards.parcels import Address, open_parcel, parcel_digest
from ledger.record.database import writing
from ledger.rules.errors import WeakKey
from tests.api.card_shop import GIFT, open_card_shop
from tests.api.revealed import register_real_card
from tests.api.serving import Served, body_of, serve
from tests.api.signing import ask
from tests.escrow import deliver, reveal_card
from tests.money import top_up
from tests.orders import line_of, order_draft, pay_order, place_order

PRIVATE = bytes([9] * 32)
KEY = b64encode(X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw())
CARDS = {"cards/1": "STEAM-5F3A-99QX", "cards/2": "STEAM-0000-77AB", "cards/3": "STEAM-2222-12CD"}
NEVER = "01930000-0000-7000-8000-0000000000fe"
# Everybody computes the same with these: RFC 7748 section 6.1, and what is the same modulo p.
WEAK = [0, 1, (1 << 255) - 20, (1 << 255) - 19, (1 << 255) - 18]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A shop with three cards, and two members with money."""
    with serve(tmp_path) as opened:
        world = opened.world
        open_card_shop(world, "ben", "eve")
        for item, key in CARDS.items():
            register_real_card(world, item, "mia", key)
        for party in ("ben", "eve"):
            top_up(world, party, "kay", 50_000)
        house = opened.app.state.rooms.house
        house.signer = world.key
        yield opened


def bought(served: Served, *items: str, key: bytes | None = KEY, buyer: str = "ben") -> str:
    named = None if key is None else key.decode()
    order = place_order(served.world, buyer, GIFT, *items, key=named)
    pay_order(served.world, order)
    return order


def delivered(served: Served, *items: str, **options: Any) -> str:
    """Buy cards, and let the serving process deliver them."""
    order = bought(served, *items, **options)
    house = served.app.state.rooms.house
    house.runner.catch_up()
    deliver_paid(house)
    return order


def path(order: str, line: int | str = 1) -> str:
    return f"/v1/orders/{order}/parcels/{line}"


def problem(answer: Any) -> tuple[int, str]:
    assert not any(key in answer.text for key in CARDS.values())
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["code"]


def missing(answer: Any) -> str:
    assert problem(answer) == (404, "parcel-not-found")
    reason: str = answer.json()["evidence"]["reason"]
    return reason


def opened(served: Served, told: dict[str, Any], private: bytes = PRIVATE) -> str:
    address = Address(
        served.world.origin,
        *(told[name] for name in ("order", "line", "item", "product", "commitment")),
    )
    return open_parcel(address, b64decode(told["parcel"]), private=private).text


def test_the_buyer_fetches_and_opens_each_line_and_nobody_asked_in_the_log(served: Served) -> None:
    order = delivered(served, "cards/1", "cards/2")
    size = served.world.size()

    for line, item in enumerate(("cards/1", "cards/2"), start=1):
        answer = ask(served, path(order, line), "ben")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        Parcel.model_validate_json(answer.content)
        told = answer.json()
        assert CARDS[item] not in answer.text
        assert told["digest"] == parcel_digest(b64decode(told["parcel"]))
        assert (told["item"], opened(served, told)) == (item, CARDS[item])
        # As often as the buyer wants.
        assert ask(served, path(order, line), "ben").json() == told
    assert served.world.size() == size


@pytest.mark.parametrize("party", ["mia", "eve", "kay", "operator"])
def test_nobody_else_gets_it_and_all_are_told_the_same(served: Served, party: str) -> None:
    order = delivered(served, "cards/1")

    for where in (path(order), path(NEVER)):
        assert problem(ask(served, where, party)) == (403, "not-authorised")


def test_who_gave_the_card_away_still_has_its_parcel_and_the_new_owner_has_none(
    served: Served,
) -> None:
    order = delivered(served, "cards/1")
    served.world.transfer("cards/1", to="eve")

    assert ask(served, path(order), "ben").status_code == 200
    assert problem(ask(served, path(order), "eve")) == (403, "not-authorised")


def test_whoever_signs_nothing_is_told_how_to(served: Served) -> None:
    answer = served.client.get(path(delivered(served, "cards/1")))

    assert problem(answer) == (401, "request-unsigned")


def test_a_line_that_the_order_has_not_is_nobodys_and_none_is_malformed(served: Served) -> None:
    order = delivered(served, "cards/1")

    assert problem(ask(served, path(order, 2), "ben")) == (403, "not-authorised")
    for line in ("0", "21", "01", "x"):
        answer = ask(served, path(order, line), "ben")
        assert problem(answer) == (400, "malformed")
        assert answer.json()["evidence"]["field"] == "path.line"


def test_a_parcel_that_is_not_there_says_why(served: Served) -> None:
    waiting = bought(served, "cards/1")
    assert missing(ask(served, path(waiting), "ben")) == "undelivered"
    open_order = delivered(served, "cards/2", key=None)
    assert missing(ask(served, path(open_order), "ben")) == "no-parcel"
    theirs = bought(served, "cards/3", buyer="eve")
    deliver(served.world, theirs, by=served.world.signs("mia", "merchant"))
    assert missing(ask(served, path(theirs), "eve")) == "by-another"


def test_a_parcel_that_was_lost_is_said_to_be_and_its_card_is_revealed(served: Served) -> None:
    order = delivered(served, "cards/1")
    with writing(served.world.recorder.engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER parcel_no_delete")
        connection.exec_driver_sql("DELETE FROM parcel")

    answer = ask(served, path(order), "ben")
    assert missing(answer) == "lost"
    assert "reveals the card" in answer.json()["detail"]
    reveal_card(served.world, "cards/1")
    assert ask(served, "/v1/items/cards/1/card", "ben").json()["key"] == CARDS["cards/1"]


def test_a_parcel_whose_bytes_were_changed_is_not_handed_out(served: Served) -> None:
    order = delivered(served, "cards/1")
    with writing(served.world.recorder.engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER parcel_no_update")
        connection.exec_driver_sql("UPDATE parcel SET bytes = x'00'")

    assert problem(ask(served, path(order), "ben")) == (503, "entry-damaged")


@pytest.mark.parametrize("u", WEAK)
def test_an_order_with_a_key_that_everybody_can_open_is_not_taken(served: Served, u: int) -> None:
    world = served.world
    lines = [line_of(world, "cards/1", GIFT)]
    key = b64encode(u.to_bytes(32, "little")).decode()
    draft = order_draft(world, NEVER, "ben", lines, key=key)

    answer = served.post(body_of(world.submission(draft)))

    assert (answer.status_code, answer.json()["code"]) == (422, WeakKey.code)
    assert world.head(f"order/{NEVER}") is None
