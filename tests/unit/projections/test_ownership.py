"""Who holds an item: now, after any entry, at any time of the ledger or of the source."""

from __future__ import annotations

import pytest

from ledger.log.reader import LogReader
from ledger.record.database import writing
from ledger.rules.text import time_us
from projections.errors import ViewBehind, ViewsDamaged
from projections.ownership import Ownership
from projections.runner import Runner
from projections.tables import POSITION
from tests.unit.projections.markets import (
    DAY_1,
    DAY_2,
    DAY_3,
    Holding,
    entries_of,
    replay,
    sqlite_world,
    strict_fold,
)
from tests.worlds import World

ITEMS = ("cards/1", "cards/2", "cards/old")


def us(time: str) -> int:
    return time_us(time, field="time")


def shown_after(ownership: Ownership, item: str, index: int) -> Holding | None:
    found = ownership.after(item, index).found
    return None if found is None else Holding(found.owner, frozen=found.frozen == 1)


def test_the_state_after_any_entry_is_what_a_replay_up_to_it_gives(shown: LogReader) -> None:
    ownership, replayed = Ownership(shown), replay(entries_of(shown))

    for index, items in enumerate(replayed):
        for item in ITEMS:
            assert shown_after(ownership, item, index) == items.get(item), (item, index)


def test_the_tables_at_any_size_are_those_of_the_log_of_that_size(reader: LogReader) -> None:
    entries = entries_of(reader)
    runner = Runner(reader, chunk=1)
    tables = []

    runner.catch_up(lambda *_: tables.append(runner.stored()[1]))

    assert tables == [strict_fold(entries[:size]).tables() for size in range(1, len(entries) + 1)]


def test_now_is_the_interval_that_lasts(shown: LogReader) -> None:
    answer = Ownership(shown).now("cards/1")

    assert answer.size == shown.size()
    assert answer.found is not None
    assert answer.found._asdict() == {
        "item": "cards/1",
        "owner": "bob",
        "frozen": 0,
        "from_index": 20,
        "to_index": None,
        "from_at": entries_of(shown)[20].at,
        "source_time": None,
    }


def test_an_interval_is_half_open(shown: LogReader) -> None:
    ownership = Ownership(shown)
    before, after = ownership.after("cards/1", 12).found, ownership.after("cards/1", 13).found

    assert before is not None
    assert after is not None
    assert (before.owner, before.from_index, before.to_index) == ("shop", 12, 13)
    assert (after.owner, after.from_index, after.to_index) == ("bob", 13, 19)


def test_an_item_is_nobodys_before_the_log_knew_it(shown: LogReader) -> None:
    ownership = Ownership(shown)

    assert ownership.after("cards/1", 11).found is None
    assert ownership.now("cards/none").found is None
    assert ownership.now("cards/none").size == shown.size()
    assert ownership.at_time("cards/1", entries_of(shown)[12].at - 1).found is None


def test_at_a_time_the_entries_of_that_very_time_count(shown: LogReader) -> None:
    ownership, entries = Ownership(shown), entries_of(shown)
    replayed = replay(entries)

    for entry in entries:
        last = max(each.index for each in entries if each.at == entry.at)
        for item in ITEMS:
            now = ownership.at_time(item, entry.at).found
            held = None if now is None else Holding(now.owner, frozen=now.frozen == 1)
            assert held == replayed[last].get(item), (item, entry.index)
    later = ownership.at_time("cards/2", entries[-1].at + 10**15).found
    assert later == ownership.now("cards/2").found


@pytest.mark.parametrize(
    ("at", "owner"),
    [
        (us(DAY_1) - 1, None),
        (us(DAY_1), "unknown"),
        (us(DAY_2) - 1, "unknown"),
        # Of two sales at one moment the one imported last.
        (us(DAY_2), "imported/cards/fay"),
        (us(DAY_3), "imported/cards/fay"),
    ],
)
def test_at_a_time_of_the_source_the_last_imported_sale_counts(
    shown: LogReader, at: int, owner: str | None
) -> None:
    found = Ownership(shown).at_source_time("cards/old", at).found

    assert (None if found is None else found.owner) == owner


def test_what_happened_on_the_ledger_has_no_source_time(shown: LogReader) -> None:
    assert (
        Ownership(shown).at_source_time("cards/1", us("2099-01-01T00:00:00.000000Z")).found is None
    )


def test_a_freeze_does_not_hide_the_sale_before_it() -> None:
    with sqlite_world("freeze") as world:
        world.register("shop")
        world.open_namespace("cards", "shop")
        world.grant("shop", "importer")
        world.register("guard")
        world.grant("guard", "freezer")
        world.import_sale("cards/a", seller="ann", buyer="ben", time=DAY_1)
        world.freeze("cards/a", by="guard")
        reader = LogReader(world.recorder)
        Runner(reader).catch_up()
        ownership = Ownership(reader)

        now, then = ownership.now("cards/a").found, ownership.at_source_time("cards/a", us(DAY_3))

    assert now is not None
    assert (now.owner, now.frozen, now.source_time) == ("imported/cards/ben", 1, None)
    assert then.found is not None
    assert (then.found.owner, then.found.frozen) == ("imported/cards/ben", 0)


def test_entries_that_the_views_have_not_reached_are_not_guessed(
    world: World, shown: LogReader
) -> None:
    size = shown.size()
    world.transfer("cards/1", to="eve")
    ownership = Ownership(shown)

    with pytest.raises(ViewBehind) as behind:
        ownership.after("cards/1", size)

    assert (behind.value.size, behind.value.wanted) == (size, size + 1)
    assert ownership.now("cards/1").size == size
    with pytest.raises(ViewBehind):
        # Not even of an item that nobody knows.
        ownership.after("cards/none", size)


def test_views_without_a_position_answer_nothing(shown: LogReader) -> None:
    with writing(shown.engine) as connection:
        connection.execute(POSITION.delete())

    with pytest.raises(ViewsDamaged, match="they have no position"):
        Ownership(shown).now("cards/1")
