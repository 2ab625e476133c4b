"""The program killed inside healing, backing up and restoring, then simply run again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.crashpoints import CrashPoint
from tests import figures
from tests.cli.running import Program
from tests.restore.machines import living_machine
from tests.restore.making import Told, put_back, rows_of

SIGKILL = -9


@dataclass
class Shop:
    """A run, and the program on the same machine."""

    told: Told
    program: Program
    wanted: dict[str, list[Any]]

    @property
    def folder(self) -> Path:
        return self.told.run.folder


@pytest.fixture
def shop(told: Told, state: Path) -> Iterator[Shop]:
    program = Program(state)
    yield Shop(told, program, rows_of(told.run.folder))
    program.close()


LATER = [pytest.param(each, marks=pytest.mark.full) for each in ("R2:2", "R2:4", "R3:2", "R3:5")]


@pytest.mark.parametrize("point", ["R1", "R2", "R3", "R4", *LATER])
def test_a_killed_healing_is_run_again(shop: Shop, point: str) -> None:
    put_back(shop.told.copies[1], shop.folder)
    arguments = ("restore", "--dir", shop.folder, "--mirror", shop.told.mirror, "--json")

    shop.program.killed_at(point, *arguments)

    # Until everything is back the ledger stays locked; whole, it may go on at once.
    between = shop.program("submit", "/dev/null", "--dir", shop.folder, "--json")
    whole = point.startswith("R4")
    assert (between.code, between.error["code"]) == (
        (2, "malformed") if whole else (6, "write-locked")
    )
    again = shop.program(*arguments)
    assert again.code == 0, again
    assert again.document["standing"]["class"] == "R1"
    assert rows_of(shop.folder) == shop.wanted
    assert shop.program("audit", "--dir", shop.folder).code == 0
    figures.record("healings killed and run again", 1, unit="kills")


def test_a_healing_may_be_killed_at_every_batch(shop: Shop) -> None:
    """Each run gets one batch further, and none of them anything wrong."""
    put_back(shop.told.copies[0], shop.folder)
    arguments = ("restore", "--dir", shop.folder, "--mirror", shop.told.mirror, "--json")
    sizes = []

    for _ in range(4):
        shop.program.killed_at("R3", *arguments)
        sizes.append(shop.program.json("status", "--dir", shop.folder)["size"])

    assert sizes == sorted(set(sizes))
    assert shop.program(*arguments).code == 0
    assert rows_of(shop.folder) == shop.wanted


@pytest.mark.parametrize("point", ["B1", "B2"])
def test_a_killed_backup_looks_like_none_and_is_run_again(
    shop: Shop, tmp_path: Path, point: str
) -> None:
    to = tmp_path / "backup"
    arguments = ("backup", "--dir", shop.folder, "--to", to, "--with-keys", "--json")

    shop.program.killed_at(point, *arguments)

    assert not to.exists()
    half = shop.program("restore", tmp_path / ".backup.backup", "--dir", tmp_path / "x", "--json")
    if point == "B1":
        assert (half.code, half.error["code"]) == (1, "backup-damaged")
    assert shop.program(*arguments).code == 0
    assert not (tmp_path / ".backup.backup").exists()
    restored = shop.program("restore", to, "--dir", tmp_path / "again", "--json")
    assert (restored.code, restored.document["standing"]["class"]) == (0, "R1")
    figures.record("backups and restores killed and run again", 1, unit="kills")


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_killed_restore_leaves_no_ledger_and_is_run_again(
    shop: Shop, tmp_path: Path, database: str, request: pytest.FixtureRequest
) -> None:
    to, again = tmp_path / "backup", tmp_path / "again"
    shop.program.json("backup", "--dir", shop.folder, "--to", to, "--with-keys")
    arguments: tuple[object, ...] = ("restore", to, "--dir", again, "--json")
    if database == "postgresql":
        url = tmp_path / "url"
        url.write_text(request.getfixturevalue("postgres_url"), encoding="utf-8")
        arguments += ("--database", f"@{url}")

    shop.program.killed_at("B3", *arguments)

    assert not again.exists()
    ran = shop.program(*arguments)
    assert ran.code == 0, ran
    assert ran.document["standing"]["class"] == "R1"
    assert shop.program("audit", "--dir", again).code == 0
    figures.record("backups and restores killed and run again", 1, unit="kills")


def test_a_ledger_on_postgresql_survives_each_point_of_healing_and_backing_up(
    tmp_path: Path, postgres_server_url: str
) -> None:
    to = tmp_path / "backup"
    with living_machine(tmp_path / "machine", postgres_server_url, events=8) as machine:
        machine.put_back(machine.copies[0])
        for point in ("R1", "R2", "R3", "R4"):
            machine.kill(point, *machine.restore_arguments())
            machine.check_locked()
        assert machine.program(*machine.restore_arguments()).code == 0
        machine.check_whole()

        arguments = ("backup", "--dir", machine.folder, "--to", to, "--json")
        for point in ("B1", "B2"):
            machine.kill(point, *arguments)
            assert not to.exists()
            machine.check_whole()
        assert machine.program(*arguments).code == 0
        machine.check_backup(to)
    figures.record("healings killed and run again", 4, unit="kills")
    figures.record("backups and restores killed and run again", 2, unit="kills")


def test_a_restored_older_backup_is_locked_until_it_is_healed(shop: Shop, tmp_path: Path) -> None:
    """What an operator lives through: disk lost, yesterday's backup, a copy of the log."""
    put_back(shop.told.copies[3], shop.folder)
    shop.program.json("backup", "--dir", shop.folder, "--to", tmp_path / "old", "--with-keys")
    shutil.rmtree(shop.folder)

    restored = shop.program("restore", tmp_path / "old", "--dir", shop.folder, "--json")
    assert restored.code == 6
    assert restored.document["standing"]["class"] == "R3-or-R4"
    assert restored.document["restored"]["keys"] is True
    locked = shop.program("keys", "register", "late", "--dir", shop.folder, "--json")
    assert (locked.code, locked.error["code"]) == (6, "write-locked")
    assert (locked.error["class"], locked.error["kept"]) == ("R3-or-R4", "Nothing was changed.")
    assert "yinzheng restore" in locked.error["do"]
    assert shop.program("audit", "--dir", shop.folder).code == 0

    mirror = shop.told.mirror
    healed = shop.program("restore", "--dir", shop.folder, "--mirror", mirror, "--json")
    assert healed.code == 0
    assert healed.document["healed"]["imported"] > 0
    assert rows_of(shop.folder) == shop.wanted
    assert shop.program("keys", "register", "late", "--dir", shop.folder).code == 0


def test_restoring_and_healing_can_be_one_command(shop: Shop, tmp_path: Path) -> None:
    put_back(shop.told.copies[2], shop.folder)
    shop.program.json("backup", "--dir", shop.folder, "--to", tmp_path / "old", "--with-keys")
    mirror, again = shop.told.mirror, tmp_path / "again"

    ran = shop.program("restore", tmp_path / "old", "--dir", again, "--mirror", mirror)

    assert ran.code == 0
    assert "brought back from the mirror" in ran.out
    assert rows_of(again) == shop.wanted


def test_a_mirror_and_the_verifier_key_are_enough_to_begin_again(
    shop: Shop, tmp_path: Path
) -> None:
    """Everything is lost but the mark, a copy of the log, the keys and the verifier key."""
    vkey = tmp_path / "vkey"
    shutil.copyfile(shop.folder / "vkey", vkey)
    shutil.copytree(shop.folder / "keys", tmp_path / "keys")
    shutil.rmtree(shop.folder)
    mirror = ("--mirror", shop.told.mirror)
    lacking = shop.program("restore", "--dir", shop.folder, *mirror, "--json")
    assert (lacking.code, lacking.error["code"]) == (2, "usage")

    shop.program.killed_at("R3:3", "restore", "--dir", shop.folder, *mirror, "--vkey", f"@{vkey}")
    again = shop.program("restore", "--dir", shop.folder, *mirror, "--json")

    assert again.code == 0, again
    assert again.document["standing"]["class"] == "R1"
    assert rows_of(shop.folder) == shop.wanted
    shutil.copytree(tmp_path / "keys", shop.folder / "keys", dirs_exist_ok=True)
    assert shop.program("keys", "register", "late", "--dir", shop.folder).code == 0


def test_restoring_from_nothing_is_bad_usage(shop: Shop) -> None:
    ran = shop.program("restore", "--dir", shop.folder, "--json")

    assert (ran.code, ran.error["code"]) == (2, "usage")


def test_every_point_of_recovery_is_killed_here() -> None:
    named = {point.value for point in CrashPoint if point.value[0] in "RB"}

    assert named == {"R1", "R2", "R3", "R4", "B1", "B2", "B3"}
