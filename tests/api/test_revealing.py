"""A card key over HTTP: shown to its owner after the log says that it was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.schemas_signed import RevealedCard
from ledger.cards.commitments import Place, check_opening, read_opening
from ledger.record.database import writing
from tests.api.card_shop import GIFT, open_card_shop
from tests.api.revealed import PRODUCT, register_real_card
from tests.api.serving import Served, serve
from tests.api.signing import ask
from tests.escrow import deliver, reveal_card
from tests.money import top_up
from tests.orders import pay_order, place_order

KEY, ITEM = "STEAM-5F3A-99QX", "cards/1"
PATH = f"/v1/items/{ITEM}/card"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A shop whose card ben has bought and got, without having seen it."""
    with serve(tmp_path) as opened:
        world = opened.world
        open_card_shop(world, "ben", "eve")
        register_real_card(world, ITEM, "mia", KEY)
        top_up(world, "ben", "kay", 50_000)
        order = place_order(world, "ben", GIFT, ITEM)
        pay_order(world, order)
        deliver(world, order)
        yield opened


def problem(answer: Any) -> tuple[int, str]:
    assert KEY not in answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()["code"]


def test_the_owner_sees_the_key_and_what_opens_the_commitment(served: Served) -> None:
    reveal_card(served.world, ITEM)

    answer = ask(served, PATH, "ben")

    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    RevealedCard.model_validate_json(answer.content)
    told = answer.json()
    assert (told["key"], told["state"], told["item"]) == (KEY, "open", ITEM)
    place = Place("card", ITEM, told["product"])
    check_opening(place, told["commitment"], read_opening("card", told["opening"]))
    assert told["product"] == PRODUCT
    # As often as the owner wants.
    assert ask(served, PATH, "ben").json() == told


def test_nothing_is_shown_before_the_log_says_that_it_was_asked_for(served: Served) -> None:
    assert problem(ask(served, PATH, "ben")) == (403, "not-authorised")


@pytest.mark.parametrize("party", ["mia", "eve", "kay", "operator"])
def test_nobody_else_sees_it(served: Served, party: str) -> None:
    reveal_card(served.world, ITEM)

    assert problem(ask(served, PATH, party)) == (403, "not-authorised")


def test_whoever_signs_nothing_is_told_how_to(served: Served) -> None:
    reveal_card(served.world, ITEM)
    answer = served.client.get(PATH)

    assert problem(answer) == (401, "request-unsigned")


def test_who_gave_the_card_away_sees_it_no_more_and_its_owner_does(served: Served) -> None:
    reveal_card(served.world, ITEM)
    served.world.transfer(ITEM, to="eve")

    assert problem(ask(served, PATH, "ben")) == (403, "not-authorised")
    assert ask(served, PATH, "eve").json()["key"] == KEY


@pytest.mark.parametrize("item", ["cards/none", "cards/sword"])
def test_what_is_no_card_is_answered_as_what_is_anothers(served: Served, item: str) -> None:
    served.world.register_item("cards/sword")

    answer = ask(served, f"/v1/items/{item}/card", "mia")
    assert problem(answer) == (403, "not-authorised")


def test_a_box_that_the_storage_lost_is_said_to_be_lost(served: Served) -> None:
    reveal_card(served.world, ITEM)
    with writing(served.world.recorder.engine) as connection:
        connection.exec_driver_sql("DROP TRIGGER IF EXISTS disclosure_no_update")
        connection.exec_driver_sql("UPDATE disclosure SET box = x'' WHERE name = 'card'")

    told = ask(served, PATH, "ben").json()
    assert (told["state"], told["key"], told["opening"]) == ("lost", None, None)
