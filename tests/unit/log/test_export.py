"""Export: static files that an auditor reads, whole or not there, the same every time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from ledger.log.errors import EntryMissing, ExportConflict, NotPublished, ReadBackDiffers
from ledger.log.export import export_log
from ledger.proof.audit import audit
from ledger.proof.sources import folder_source
from ledger.proof.tiles import paths_of
from ledger.record.database import writing
from ledger.record.tables import ENTRY
from tests.unit.log.making import damage, flip, unguard
from tests.worlds import World


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    with World.create(sqlite_url, "export") as opened:
        opened.register("shop")
        opened.open_namespace("cards", "shop")
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out" / "log"


def add_items(world: World, count: int) -> None:
    size = world.size()
    drafts = [world.item_draft(f"cards/{size + number}") for number in range(count)]
    world.send(*(world.submission(draft) for draft in drafts))


def files_in(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_an_export_has_the_paths_of_the_served_log(world: World, folder: Path) -> None:
    world.publish()
    add_items(world, 3)
    note = world.publish()

    assert export_log(world.reader, folder) == 10

    assert files_in(folder) == {
        "checkpoint": note,
        "checkpoints/7": world.reader.checkpoint_at(7),
        "checkpoints/10": note,
        "checkpoints/sizes": b"7\n10\n",
        "tile/0/000.p/7": world.reader.tile(0, 0, 7),
        "tile/0/000.p/10": world.reader.tile(0, 0, 10),
        "tile/entries/000.p/7": world.reader.bundle(0, 7),
        "tile/entries/000.p/10": world.reader.bundle(0, 10),
        "vkey": f"{world.vkey}\n".encode(),
    }


@pytest.mark.parametrize("size", [255, 256, 257])
def test_an_auditor_finds_the_export_valid(world: World, folder: Path, size: int) -> None:
    world.publish()
    add_items(world, size - world.size())
    world.publish()
    export_log(world.reader, folder)

    report = audit(folder_source(folder), world.vkey)

    assert (report.verdict, report.fault) == ("valid", None)
    assert (report.size, report.checkpoints, report.derived) == (size, 2, "yes")
    assert set(paths_of(size)) <= set(files_in(folder))


def test_exporting_twice_gives_the_same_bytes(world: World, folder: Path, tmp_path: Path) -> None:
    world.publish()
    add_items(world, 260)
    world.publish()
    export_log(world.reader, folder)
    first = files_in(folder)
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("tile/**/*")}

    export_log(world.reader, folder)
    export_log(world.reader, tmp_path / "other")

    assert files_in(folder) == first
    assert files_in(tmp_path / "other") == first
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("tile/**/*")} == times


def test_an_export_grows_and_keeps_what_earlier_readers_need(world: World, folder: Path) -> None:
    world.publish()
    export_log(world.reader, folder)
    first = files_in(folder)
    add_items(world, 300)
    world.publish()

    export_log(world.reader, folder)

    grown = files_in(folder)
    changed = {name for name in first if grown[name] != first[name]}
    assert changed == {"checkpoint", "checkpoints/sizes"}
    assert "tile/0/000" in grown
    assert "tile/0/000.p/7" in grown
    assert audit(folder_source(folder), world.vkey).verdict == "valid"


def test_partial_tiles_are_written_only_where_no_full_one_replaces_them(
    world: World, folder: Path
) -> None:
    world.publish()
    add_items(world, 250)
    world.publish()
    add_items(world, 2)
    world.publish()
    assert list(world.reader.checkpoint_sizes()) == [7, 257, 259]

    export_log(world.reader, folder)

    assert [name for name in files_in(folder) if name.startswith("tile/")] == [
        "tile/0/000",
        "tile/0/001.p/1",
        "tile/0/001.p/3",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/1",
        "tile/entries/001.p/3",
    ]


def test_only_what_is_published_is_exported(world: World, folder: Path) -> None:
    with pytest.raises(NotPublished) as refused:
        export_log(world.reader, folder)
    assert (refused.value.index, refused.value.published) == (None, 0)
    assert not folder.exists()

    world.publish()
    add_items(world, 5)

    assert export_log(world.reader, folder) == 7
    assert "tile/0/000.p/7" in files_in(folder)
    assert audit(folder_source(folder), world.vkey).size == 7


def test_progress_counts_every_file(world: World, folder: Path) -> None:
    world.publish()
    seen: list[tuple[int, int]] = []

    export_log(world.reader, folder, lambda done, total: seen.append((done, total)))

    # One tile, one bundle, one checkpoint.
    assert seen == [(1, 3), (2, 3), (3, 3)]


class Crash(Exception):
    """The machine stops."""


@pytest.mark.parametrize("at", [*range(8), 12, 16])
def test_a_crash_leaves_whole_files_and_the_older_checkpoint(
    world: World, folder: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    world.publish()
    export_log(world.reader, folder)
    older = files_in(folder)
    add_items(world, 300)
    world.publish()
    left = [at]

    def stop(_descriptor: int) -> None:
        if left[0] == 0:
            raise Crash
        left[0] -= 1

    with monkeypatch.context() as crashing:
        crashing.setattr("ledger.log.files.os.fsync", stop)
        with pytest.raises(Crash):
            export_log(world.reader, folder)

    after = {name: data for name, data in files_in(folder).items() if ".draft" not in name}
    assert after["checkpoint"] == older["checkpoint"]
    assert audit(folder_source(folder), world.vkey).verdict == "valid"

    export_log(world.reader, folder)

    whole = files_in(folder)
    assert [name for name in whole if ".draft" in name] == []
    assert all(whole[name] == data for name, data in after.items() if name.startswith("tile"))
    assert audit(folder_source(folder), world.vkey).size == world.size()


def test_another_log_is_not_mixed_in(world: World, folder: Path, tmp_path: Path) -> None:
    world.publish()
    export_log(world.reader, folder)
    before = files_in(folder)
    with World.create(f"sqlite:///{tmp_path / 'other.sqlite'}", "another") as other:
        other.publish()
        with pytest.raises(ExportConflict) as refused:
            export_log(other.reader, folder)

    assert (refused.value.file, refused.value.reason) == ("vkey", "holds other bytes")
    assert files_in(folder) == before


@pytest.mark.parametrize("name", ["tile/0/000.p/7", "tile/entries/000.p/7", "checkpoints/7"])
def test_a_changed_file_is_named_and_left_alone(world: World, folder: Path, name: str) -> None:
    world.publish()
    export_log(world.reader, folder)
    changed = flip((folder / name).read_bytes(), 99)
    (folder / name).write_bytes(changed)

    with pytest.raises(ExportConflict) as refused:
        export_log(world.reader, folder)

    assert (refused.value.file, refused.value.reason) == (name, "holds other bytes")
    assert (folder / name).read_bytes() == changed


def test_an_older_log_does_not_replace_a_later_export(
    world: World, folder: Path, tmp_path: Path
) -> None:
    world.publish()
    with World.create(f"sqlite:///{tmp_path / 'old.sqlite'}", "export") as old:
        old.publish()
        export_log(world.reader, folder)
        before = files_in(folder)
        with pytest.raises(ExportConflict) as refused:
            export_log(old.reader, folder)

    assert (refused.value.file, refused.value.reason) == (
        "checkpoint",
        "is of size 7, later than 5",
    )
    assert files_in(folder) == before


def test_another_tree_of_the_same_size_does_not_replace_an_export(
    world: World, folder: Path, tmp_path: Path
) -> None:
    world.publish()
    export_log(world.reader, folder)
    with World.create(f"sqlite:///{tmp_path / 'fork.sqlite'}", "export") as fork:
        fork.register("shop")
        fork.register("bob")
        fork.publish()
        with pytest.raises(ExportConflict) as refused:
            export_log(fork.reader, folder)

    assert (refused.value.file, refused.value.reason) == ("checkpoint", "of size 7 is another one")


def test_a_folder_with_another_kind_of_checkpoint_is_left_alone(world: World, folder: Path) -> None:
    world.publish()
    folder.mkdir(parents=True)
    (folder / "checkpoint").write_bytes(b"a model\n")

    with pytest.raises(ExportConflict) as refused:
        export_log(world.reader, folder)

    assert (refused.value.file, refused.value.reason) == ("checkpoint", "is no checkpoint")
    assert files_in(folder) == {"checkpoint": b"a model\n"}


def test_a_log_without_its_entry_0_is_not_exported(world: World, folder: Path) -> None:
    world.publish()
    unguard(world.recorder.engine)
    with writing(world.recorder.engine) as connection:
        connection.execute(delete(ENTRY).where(ENTRY.c.index == 0))

    with pytest.raises(EntryMissing) as refused:
        export_log(world.reader, folder)

    assert refused.value.index == 0
    assert not (folder / "checkpoint").exists()


def test_a_log_with_a_damaged_entry_0_is_not_exported(world: World, folder: Path) -> None:
    world.publish()
    row = world.recorder.entry_at(0)
    assert row is not None
    damage(world.recorder.engine, ENTRY, ENTRY.c.index == 0, entry=flip(row.entry, 500))

    with pytest.raises(ReadBackDiffers) as refused:
        export_log(world.reader, folder)

    assert (refused.value.index, refused.value.field) == (0, "leaf")
    assert not (folder / "checkpoint").exists()
