"""The views keep up with the log: once, in chunks, whatever interrupts them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn

import pytest
from sqlalchemy import Engine, text

import projections.store
from ledger.domain.stream import UnknownEventType
from ledger.log.database import SealedEntry
from ledger.log.reader import LogReader
from ledger.record.database import writing
from ledger.rules.views import TABLES, Row, digest
from projections.errors import LogUnreadable, ViewsDamaged
from projections.runner import Runner
from tests.databases import open_recorder
from tests.unit.projections.markets import entries_of, strict_fold
from tests.worlds import World


class Killed(BaseException):
    """The process ends here."""


def die(*_arguments: object) -> NoReturn:
    raise Killed


class Doctored:
    """A log whose rows pass through a test's hands."""

    def __init__(
        self, reader: LogReader, alter: Callable[[list[SealedEntry]], list[SealedEntry]]
    ) -> None:
        self._reader, self._alter = reader, alter

    @property
    def engine(self) -> Engine:
        return self._reader.engine

    def size(self) -> int:
        return self._reader.size()

    def entry(self, index: int) -> SealedEntry | None:
        found = self._reader.entry(index)
        return next(iter(self._alter([found] if found else [])), None)

    def entries(self, start: int, stop: int) -> list[SealedEntry]:
        return self._alter(self._reader.entries(start, stop))

    def stream_entries(self, stream: str, lte_index: int | None = None) -> list[SealedEntry]:
        return self._alter(self._reader.stream_entries(stream, lte_index))

    def last_of_stream(self, stream: str, lte_index: int | None = None) -> SealedEntry | None:
        found = self._reader.last_of_stream(stream, lte_index)
        return next(iter(self._alter([found] if found else [])), None)


def change(index: int, **fields: object) -> Callable[[list[SealedEntry]], list[SealedEntry]]:
    """Alter the row of one entry."""
    return lambda rows: [row._replace(**fields) if row.index == index else row for row in rows]


def edit(index: int, old: bytes, new: bytes) -> Callable[[list[SealedEntry]], list[SealedEntry]]:
    """Alter the bytes of one entry."""

    def altered(row: SealedEntry) -> SealedEntry:
        assert row.entry.count(old) == 1
        return row._replace(entry=row.entry.replace(old, new))

    return lambda rows: [altered(row) if row.index == index else row for row in rows]


def execute(reader: LogReader, statement: str) -> None:
    with writing(reader.engine) as connection:
        connection.execute(text(statement))


def wanted(reader: LogReader) -> str:
    return digest(strict_fold(entries_of(reader)).tables().items())


def test_what_is_stored_is_what_a_verifier_folds(reader: LogReader) -> None:
    runner = Runner(reader)

    assert runner.catch_up() == reader.size()

    positions, tables = runner.stored()
    assert positions == {"provenance": reader.size()} == runner.positions()
    assert tables == strict_fold(entries_of(reader)).tables()
    assert [name for name, rows in tables.items() if not rows] == ["view_order", "view_goods"]
    assert runner.digest() == wanted(reader)


def test_catching_up_again_changes_nothing(shown: LogReader) -> None:
    runner, told = Runner(shown), []
    before = runner.stored()

    assert runner.catch_up(lambda *position: told.append(position)) == shown.size()

    assert runner.stored() == before
    assert told == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_chunks_of_any_size_give_the_same_rows(reader: LogReader, chunk: int) -> None:
    told: list[tuple[int, int]] = []

    Runner(reader, chunk=chunk).catch_up(lambda *position: told.append(position))

    assert Runner(reader).digest() == wanted(reader)
    stops = [*range(chunk, reader.size(), chunk), reader.size()]
    assert told == [(stop, reader.size()) for stop in stops]


def test_a_runner_without_memory_goes_on_where_another_stopped(reader: LogReader) -> None:
    for position in range(reader.size()):
        assert Runner(reader).positions() == {"provenance": position}
        with pytest.raises(Killed):
            Runner(reader, chunk=1).catch_up(die)

    assert Runner(reader).digest() == wanted(reader)


def test_the_rows_of_a_rebuild_are_the_rows_of_life(world: World, reader: LogReader) -> None:
    runner = Runner(reader, chunk=5)
    runner.catch_up()
    world.transfer("cards/1", to="eve")
    runner.catch_up()
    live = runner.stored()

    assert runner.rebuild() == reader.size()

    assert runner.stored() == live
    assert runner.digest() == wanted(reader)


def test_killed_between_chunks_it_goes_on_from_there(reader: LogReader) -> None:
    def die_on_the_third(position: int, _size: int) -> None:
        if position == 12:
            raise Killed

    with pytest.raises(Killed):
        Runner(reader, chunk=4).catch_up(die_on_the_third)

    assert Runner(reader).positions() == {"provenance": 12}
    assert Runner(reader).stored()[1] == strict_fold(entries_of(reader)[:12]).tables()
    Runner(reader).catch_up()
    assert Runner(reader).digest() == wanted(reader)


def test_killed_inside_a_transaction_it_leaves_rows_and_position_as_they_were(
    reader: LogReader, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The goods are what it writes last.
    monkeypatch.setattr(projections.store, "_write_goods", die)
    with pytest.raises(Killed):
        Runner(reader).catch_up()

    nothing: dict[str, list[Row]] = {table.name: [] for table in TABLES}
    assert Runner(reader).stored() == ({"provenance": 0}, nothing)


def test_killed_in_a_rebuild_it_is_behind_and_not_wrong(shown: LogReader) -> None:
    with pytest.raises(Killed):
        Runner(shown, chunk=9).rebuild(die)

    assert Runner(shown).positions() == {"provenance": 9}
    assert Runner(shown).stored()[1] == strict_fold(entries_of(shown)[:9]).tables()


def test_who_loses_a_chunk_to_another_runner_begins_again_behind_it(reader: LogReader) -> None:
    told: list[tuple[int, int]] = []
    others = [Runner(reader, chunk=3)]

    def let_the_other_run(rows: list[SealedEntry]) -> list[SealedEntry]:
        if others:
            # It commits everything while these rows are on their way to be folded.
            others.pop().catch_up()
        return rows

    loser = Runner(Doctored(reader, let_the_other_run), chunk=4)

    assert loser.catch_up(lambda *position: told.append(position)) == reader.size()

    assert told == []
    assert loser.digest() == wanted(reader)


def test_runners_that_race_project_every_entry_once(world: World, database_url: str) -> None:
    chunks: list[int] = []
    failures: list[BaseException] = []
    start = threading.Barrier(3)

    def run() -> None:
        try:
            with open_recorder(database_url) as recorder:
                start.wait()
                Runner(LogReader(recorder), chunk=2).catch_up(lambda stop, _: chunks.append(stop))
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    reader = LogReader(world.recorder)
    assert failures == []
    assert sorted(chunks) == [*range(2, reader.size(), 2), reader.size()]
    assert Runner(reader).digest() == wanted(reader)


def test_a_rebuild_beside_a_runner_gives_the_same_rows(reader: LogReader) -> None:
    others = [Runner(reader, chunk=3)]

    def rebuild_meanwhile(rows: list[SealedEntry]) -> list[SealedEntry]:
        if others and rows[0].index > 0:
            others.pop().rebuild()
        return rows

    Runner(Doctored(reader, rebuild_meanwhile), chunk=5).catch_up()

    assert others == []
    assert Runner(reader).digest() == wanted(reader)


def test_an_unknown_type_stops_the_views_before_it(reader: LogReader) -> None:
    stored = reader.entry(13)
    assert stored is not None
    later = stored.entry.replace(b'"item-transferred/1"', b'"item-teleported/1"')
    assert later != stored.entry
    runner = Runner(Doctored(reader, change(13, entry=later)))

    for _ in range(2):
        with pytest.raises(UnknownEventType) as stopped:
            runner.catch_up()

        assert (stopped.value.type, stopped.value.index) == ("item-teleported/1", 13)
        assert runner.positions() == {"provenance": 13}
    assert runner.stored()[1] == strict_fold(entries_of(reader)[:13]).tables()


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda rows: [row for row in rows if row.index != 13], "it is missing"),
        (lambda rows: [row for row in rows if row.index < 13], "it is missing"),
        (change(13, entry=b"{"), "its bytes are no JSON"),
        (change(13, entry=b"{}"), r"its bytes are no entry \(KeyError\)"),
        (change(13, entry=b"[]"), r"its bytes are no entry \(AttributeError\)"),
        (change(13, stream="item/cards/9"), "its bytes say entry 13 of item/cards/1"),
        (
            edit(13, b'"to":"bob"},"effects"', b'"of":"bob"},"effects"'),
            r"it does not follow from the entries before it \(KeyError\)",
        ),
    ],
)
def test_an_unreadable_entry_stops_the_views_before_it(
    reader: LogReader, alter: Callable[[list[SealedEntry]], list[SealedEntry]], reason: str
) -> None:
    runner = Runner(Doctored(reader, alter))

    with pytest.raises(LogUnreadable, match=reason) as stopped:
        runner.catch_up()

    assert stopped.value.index == 13
    assert runner.positions() == {"provenance": 13}


@pytest.mark.parametrize(
    ("lacks", "stops_at", "reason"),
    [
        (12, 13, "item/cards/1 is not whole before it"),
        # The command that opened the log, and the party that its first effect opened.
        (0, 1, "its cause is not the entry before its effects"),
    ],
)
def test_what_an_entry_builds_on_must_be_there(
    reader: LogReader, lacks: int, stops_at: int, reason: str
) -> None:
    with pytest.raises(Killed):
        Runner(reader, chunk=stops_at).catch_up(die)
    doctored = Doctored(reader, lambda rows: [row for row in rows if row.index != lacks])

    with pytest.raises(LogUnreadable, match=reason) as stopped:
        Runner(doctored).catch_up()

    assert (stopped.value.index, stopped.value.reason) == (stops_at, reason)


def test_an_edited_row_changes_the_digest(shown: LogReader) -> None:
    runner = Runner(shown)
    before = runner.digest()
    edits = [
        "UPDATE view_history SET amount = '1' WHERE amount IS NOT NULL",
        "UPDATE view_ownership SET owner = 'eve' WHERE owner = 'bob'",
        "UPDATE view_ownership SET to_index = NULL WHERE item = 'cards/2' AND owner = 'shop'",
        "UPDATE view_party SET attested = 1 WHERE party = 'bob'",
        "DELETE FROM view_party WHERE party = 'eve'",
    ]
    for edit in edits:
        if "to_index = NULL" in edit:
            execute(shown, "DELETE FROM view_ownership WHERE item = 'cards/2' AND owner = 'eve'")
        execute(shown, edit)

        assert runner.digest() != before

        runner.rebuild()
        assert runner.digest() == before


def test_a_second_owner_is_refused_by_the_database_itself(shown: LogReader) -> None:
    edit = "UPDATE view_ownership SET to_index = NULL WHERE item = 'cards/2'"

    with pytest.raises(projections.store.IntegrityError):
        execute(shown, edit)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        ("UPDATE view_position SET size = 99", "they show 99 entries, the log has 31"),
        ("DELETE FROM view_position", "they have no position"),
        ("UPDATE view_position SET size = 12", "rows of entry 12 or later are there already"),
        (
            "DELETE FROM view_ownership WHERE item = 'cards/1'",
            "an item that changes hands has no ownership row that lasts",
        ),
        ("DELETE FROM view_party WHERE party = 'bob'", "a party that changes has no row"),
    ],
)
def test_rows_that_contradict_the_position_stop_the_views_until_a_rebuild(
    world: World, shown: LogReader, edit: str, reason: str
) -> None:
    execute(shown, edit)
    runner = Runner(shown)
    if not edit.startswith("UPDATE"):
        world.transfer("cards/1", to="eve")
        world.clock.advance(7200 * 1_000_000)
        world.revoke_key("bob", "bob-2")
    before = runner.stored()

    with pytest.raises(ViewsDamaged, match=reason) as stopped:
        runner.catch_up()

    assert stopped.value.reason == reason
    assert runner.stored() == before
    runner.rebuild()
    assert runner.digest() == wanted(shown)
