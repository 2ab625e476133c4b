"""The keeper keeps labels up: given, lost by time, by revocation and by another policy, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.house import House
from api.keeper import Keeper
from api.labelling import Labeller
from ledger.errors import LedgerError
from ledger.rules.entries import Entry
from ledger.rules.errors import PolicyNotInForce
from ledger.rules.text import format_time
from ledger.rules.trade_state import Merchant
from tests.api.serving import house_with_keys
from tests.databases import sqlite_file_url
from tests.goods import CARD_CLASS, register_card
from tests.money import top_up
from tests.orders import order_of, pay_order, place_order
from tests.shops import DAY_US, publish_listing, qualify, revoke_qualification
from tests.terms import publish_terms, terms
from tests.unit.projections.markets import entries_of
from tests.worlds import World

DIRECT = "platform-direct"
GIFT = "cards/gift"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A merchant whose cards are reviewed as from their source, for thirty days."""
    with World.create(sqlite_file_url(tmp_path), "labelling") as opened:
        for party in ("mia", "rex", "kay", "ben", "tom"):
            opened.register(party)
        opened.grant("rex", "reviewer")
        opened.grant("kay", "cashier", second="rex")
        opened.open_namespace("cards", "mia")
        opened.open_namespace("toys", "tom")
        publish_terms(opened, terms())
        until = format_time(opened.clock.now() + 30 * DAY_US)
        reviewed = {"class": CARD_CLASS, "origin": DIRECT, "until": until}
        qualify(opened, "mia", "rex", **reviewed)
        qualify(opened, "tom", "rex", namespace="toys")
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return house_with_keys(world, tmp_path)


def labels(world: World, merchant: str = "mia") -> tuple[str, ...]:
    found = world.ledger.stream(f"merchant/{merchant}")
    assert found is not None
    assert isinstance(found.state, Merchant)
    return found.state.label_names


def changes(world: World) -> list[Entry]:
    return [each for each in entries_of(world.reader) if each.type == "labels-changed/1"]


def test_a_round_gives_a_label_once_and_to_who_has_a_right_to_it(
    world: World, house: House
) -> None:
    failures: list[Any] = []
    keeper = Keeper(house, publish_every_s=0, on_failure=lambda *what: failures.append(what))
    for _ in range(3):
        asyncio.run(keeper.round())

    assert failures == []
    assert [each.stream for each in changes(world)] == ["merchant/mia"]
    assert (labels(world), labels(world, "tom")) == ((DIRECT,), ())


def test_a_label_ends_at_the_very_end_of_its_review(world: World, house: House) -> None:
    labeller = Labeller(house)
    found = world.ledger.stream("merchant/mia")
    assert found is not None
    assert isinstance(found.state, Merchant)
    ends = found.state.qualified[0].until

    assert labeller.keep_up() == 1
    world.clock.advance(ends - 1 - world.clock.now())
    assert labeller.keep_up() == 0
    world.clock.advance(1)
    assert labeller.keep_up() == 1
    assert labels(world) == ()


def test_a_label_is_lost_by_a_revocation_and_comes_back_with_a_review(
    world: World, house: House
) -> None:
    labeller = Labeller(house)
    labeller.keep_up()
    revoke_qualification(world, "mia", "rex", CARD_CLASS)
    assert labeller.keep_up() == 1
    assert labels(world) == ()
    qualify(world, "mia", "rex", origin=DIRECT)
    assert labeller.keep_up() == 1
    assert labels(world) == (DIRECT,)


def test_another_policy_gives_other_labels_from_its_day_on(world: World, house: House) -> None:
    labeller = Labeller(house)
    labeller.keep_up()
    known = {"deposit_min": [], "label": "reviewed", "origin": None}
    later = terms(id="b", merchant={**terms()["merchant"], "labels": [known]})
    effective_at = world.clock.now() + 8 * DAY_US
    publish_terms(world, later, effective_at)

    world.clock.advance(effective_at - 1 - world.clock.now())
    assert labeller.keep_up() == 0
    world.clock.advance(1)
    assert labeller.keep_up() == 2
    assert (labels(world), labels(world, "tom")) == (("reviewed",), ("reviewed",))


def test_of_two_processes_one_records_a_change(world: World, house: House) -> None:
    first, second = Labeller(house), Labeller(house)
    first._learn()
    second._learn()

    assert (first.keep_up(), second.keep_up()) == (1, 0)
    assert len(changes(world)) == 1
    revoke_qualification(world, "mia", "rex", CARD_CLASS)
    assert (second.keep_up(), first.keep_up()) == (1, 0)
    assert labels(world) == ()


def test_a_change_that_another_process_recorded_meanwhile_is_passed_over(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Labeller(house)
    late._learn()
    assert Labeller(house).keep_up() == 1
    monkeypatch.setattr(late, "_learn", lambda: None)

    assert late.keep_up() == 0
    revoke_qualification(world, "mia", "rex", CARD_CLASS)
    assert Labeller(house).keep_up() == 1
    assert late.keep_up() == 0
    assert (len(changes(world)), labels(world)) == (2, ())


def test_a_refusal_for_any_other_reason_is_not_swallowed(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = PolicyNotInForce("another policy", named="a", in_force="b")
    monkeypatch.setattr(house.ledger, "submit", lambda _all: [refused])

    with pytest.raises(PolicyNotInForce) as caught:
        Labeller(house).keep_up()
    assert caught.value is refused
    assert not isinstance(refused, LedgerError)


def test_an_order_keeps_the_label_that_was_lost_between_listing_and_payment(
    world: World, house: House
) -> None:
    labeller = Labeller(house)
    labeller.keep_up()
    publish_listing(world, GIFT, "mia", **{"class": CARD_CLASS})
    register_card(world, "cards/1", "mia", agent="system")
    top_up(world, "ben", "kay", 50_000)
    order = place_order(world, "ben", GIFT, "cards/1")
    revoke_qualification(world, "mia", "rex", CARD_CLASS)
    labeller.keep_up()
    pay_order(world, order)

    assert labels(world) == ()
    assert [each.labels for each in order_of(world, order).lines] == [(DIRECT,)]
