"""The keeper keeps levels up: given and lost by credit and by another policy, once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api import levelling
from api.house import House
from api.keeper import Keeper
from api.levelling import Leveller
from ledger.rules.entries import Entry
from ledger.rules.errors import PolicyNotInForce
from tests.api.serving import house_of, house_with_keys
from tests.credit import claw_back, grant_credit, level, redeem_credit
from tests.databases import sqlite_file_url
from tests.shops import DAY_US
from tests.terms import publish_terms, terms
from tests.unit.projections.markets import entries_of
from tests.worlds import World

PEOPLE = ("ben", "zoe", "tom")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Three members, one of which has credit for a level above the lowest."""
    with World.create(sqlite_file_url(tmp_path), "levelling") as opened:
        for party in ("kay", *PEOPLE):
            opened.register(party)
        opened.grant("kay", "cashier", second="zoe")
        publish_terms(opened, terms())
        grant_credit(opened, "ben", "kay", 10_000, "CREDIT")
        grant_credit(opened, "zoe", "kay", 9_999, "CREDIT")
        grant_credit(opened, "zoe", "kay", 90_000, "POINTS")
        yield opened


@pytest.fixture
def house(world: World, tmp_path: Path) -> House:
    return house_with_keys(world, tmp_path)


def levels(world: World) -> list[str | None]:
    return [level(world, party) for party in PEOPLE]


def changes(world: World) -> list[Entry]:
    return [each for each in entries_of(world.reader) if each.type == "level-changed/1"]


def test_a_round_gives_a_level_once_and_to_who_has_a_right_to_it(
    world: World, house: House
) -> None:
    failures: list[Any] = []
    keeper = Keeper(house, publish_every_s=0, on_failure=lambda *what: failures.append(what))
    for _ in range(3):
        asyncio.run(keeper.round())

    assert failures == []
    assert levels(world) == ["vip", None, None]
    assert len(changes(world)) == 1


def test_a_level_follows_credit_up_and_down(world: World, house: House) -> None:
    leveller = Leveller(house)
    assert leveller.keep_up() == 1
    grant_credit(world, "ben", "kay", 90_000, "CREDIT")
    grant_credit(world, "zoe", "kay", 1, "CREDIT")
    assert leveller.keep_up() == 2
    assert levels(world) == ["diamond", "vip", None]
    redeem_credit(world, "ben", 1, "CREDIT")
    claw_back(world, "zoe", "kay", 10_001, "CREDIT")
    assert leveller.keep_up() == 2
    assert levels(world) == ["vip", "ordinary", None]
    assert leveller.keep_up() == 0


def test_another_policy_gives_other_levels_from_its_day_on(world: World, house: House) -> None:
    leveller = Leveller(house)
    leveller.keep_up()
    tiers = [each for each in terms()["tiers"] if each["tier"] != "vip"]
    tiers[0] = {**tiers[0], "credit_min": 9_999}
    effective_at = world.clock.now() + 8 * DAY_US
    publish_terms(world, terms(id="b", tiers=tiers), effective_at)

    world.clock.advance(effective_at - 1 - world.clock.now())
    assert leveller.keep_up() == 0
    world.clock.advance(1)
    assert leveller.keep_up() == 2
    assert levels(world) == ["diamond", "diamond", None]


def test_of_two_processes_one_records_a_change(world: World, house: House) -> None:
    first, second = Leveller(house), Leveller(house)
    second._learn()
    assert (first.keep_up(), second.keep_up()) == (1, 0)
    claw_back(world, "ben", "kay", 1, "CREDIT")
    assert (second.keep_up(), first.keep_up()) == (1, 0)
    assert levels(world) == ["ordinary", None, None]


def test_a_change_that_another_process_recorded_meanwhile_is_passed_over(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = Leveller(house)
    late._learn()
    wanted = late._change("ben", _policy(late))
    assert Leveller(house).keep_up() == 1
    monkeypatch.setattr(late, "_change", lambda *_: wanted)

    assert late.keep_up() == 0
    assert len(changes(world)) == 1


def _policy(leveller: Leveller) -> Any:
    return leveller._states["policy/trade"].in_force  # type: ignore[union-attr]


def test_a_refusal_for_another_reason_is_told_and_looked_at_again(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    leveller = Leveller(house)
    refusal = PolicyNotInForce("another policy is in force", named="a", in_force="b")
    with monkeypatch.context() as patch:
        patch.setattr(house.ledger, "submit", lambda _each: [refusal])
        with pytest.raises(PolicyNotInForce) as caught:
            leveller.keep_up()

    assert caught.value is refusal
    assert leveller.keep_up() == 1
    assert levels(world) == ["vip", None, None]


def test_changes_are_sent_in_parts(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    grant_credit(world, "zoe", "kay", 1, "CREDIT")
    grant_credit(world, "tom", "kay", 100_000, "CREDIT")
    sizes: list[int] = []
    submit = house.ledger.submit

    def counted(batch: list[Any]) -> Any:
        sizes.append(len(batch))
        return submit(batch)

    monkeypatch.setattr(levelling, "CHUNK", 2)
    monkeypatch.setattr(house.ledger, "submit", counted)
    assert Leveller(house).keep_up() == 3
    assert sizes == [2, 1]
    assert levels(world) == ["vip", "vip", "diamond"]


def test_before_any_policy_nobody_is_looked_at(tmp_path: Path) -> None:
    with World.create(sqlite_file_url(tmp_path), "no-levels") as opened:
        for party in ("kay", "ben", "zoe"):
            opened.register(party)
        opened.grant("kay", "cashier", second="zoe")
        grant_credit(opened, "ben", "kay", 10_000, "CREDIT")
        house = house_of(opened, tmp_path)
        house.signer = opened.key  # type: ignore[method-assign,assignment] # no key file in a test
        leveller = Leveller(house)
        assert leveller.keep_up() == 0
        publish_terms(opened, terms())
        assert leveller.keep_up() == 1
        assert level(opened, "ben") == "vip"
