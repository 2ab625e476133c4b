"""The recipes of docs/operating.md, run as they stand there, each line by the program itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Program, Ran
from tests.restore.making import Told, put_back, rows_of

DOCS = Path(__file__).parents[2] / "docs" / "operating.md"


def recipe(heading: str) -> list[list[str]]:
    """The indented command lines under a heading, without comments, split into words."""
    section = DOCS.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    section = section.partition("\n## ")[0]
    lines = re.findall(r"^    (\S.*?)(?:\s{2,}#.*)?$", section, re.MULTILINE)
    assert lines, heading
    return [re.findall(r'"[^"]*"|\S+', line) for line in lines]


class Kitchen:
    """Runs the lines of a recipe with the places of a test put in."""

    def __init__(self, program: Program, places: dict[str, str]) -> None:
        self.program, self.places = program, places

    def run(self, words: list[str]) -> Ran:
        for name, place in self.places.items():
            words = [
                re.sub(rf"(?<![\w/]){re.escape(name)}(?![\w-])", place, each) for each in words
            ]
        assert words[0] == "yinzheng", words
        return self.program(*(each.strip('"') for each in words[1:]))


@pytest.fixture
def kitchen(told: Told, state: Path, tmp_path: Path) -> Iterator[Kitchen]:
    program = Program(state)
    yield Kitchen(
        program,
        {
            "/srv/ledger": str(told.run.folder),
            "/backup/2026-11-22": str(tmp_path / "backup"),
            "https://mirror.example/log": told.mirror,
            "D": str(told.run.folder),
            "URL": told.mirror,
        },
    )
    program.close()


def test_backup_and_restore(told: Told, kitchen: Kitchen, tmp_path: Path) -> None:
    wanted = rows_of(told.run.folder)
    put_back(told.copies[4], told.run.folder)
    backup, rsync = recipe("Backup")
    assert rsync[0] == "rsync"
    assert kitchen.run(backup).code == 0
    shutil.move(told.run.folder, tmp_path / "lost")

    restore, copy, doctor, serve = recipe("Restore")
    ran = kitchen.run(restore)
    assert ran.code == 0, ran
    assert copy[:2] == ["cp", "-a"]
    for name in ("keys", "vault"):
        shutil.copytree(tmp_path / "lost" / name, told.run.folder / name, dirs_exist_ok=True)
    examined = kitchen.run([*doctor, "--json"])
    wrong = {c["name"] for c in examined.document["checks"] if c["status"] == "wrong"}
    # The clock of the run is not that of this machine.
    assert wrong <= {"clock"}
    assert serve == ["yinzheng", "serve", "--dir", "/srv/ledger"]
    assert rows_of(told.run.folder) == wanted
    assert kitchen.program("keys", "register", "late", "--dir", told.run.folder).code == 0


def test_a_lost_mark_is_adopted(told: Told, kitchen: Kitchen, state: Path) -> None:
    by_mirror, by_hand = recipe("The mark is lost")
    shutil.rmtree(state)
    assert kitchen.program("keys", "register", "a", "--dir", told.run.folder).code == 6

    adopted = kitchen.run([*by_mirror, "--json"])
    assert adopted.document["standing"]["class"] == "R1"

    shutil.rmtree(state)
    status = kitchen.program.json("status", "--dir", told.run.folder)
    kitchen.places |= {"N": str(status["published"]), "HEX": status["root"]}
    again = kitchen.run([*by_hand, "--json"])
    assert again.document["standing"]["class"] == "R1"
    assert kitchen.program("keys", "register", "b", "--dir", told.run.folder).code == 0
