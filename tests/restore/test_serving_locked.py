"""A server over an older copy: reads go on, nothing is written or signed, healing unlocks it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Program
from tests.restore.making import Told, put_back
from tests.restore.test_disk_full import ask, registration, until


@pytest.fixture
def program(state: Path) -> Iterator[Program]:
    program = Program(state)
    yield program
    program.close()


def test_a_server_over_an_older_copy_answers_reads_only_until_it_is_healed(
    told: Told, program: Program
) -> None:
    put_back(told.copies[3], told.run.folder)
    body = registration(told.run.folder, "late")
    with program.serving("serve", "--dir", told.run.folder) as (line, _):
        url = line["url"]
        status, problem = ask(f"{url}/v1/commands", body)
        assert (status, problem["code"]) == (503, "write-locked")
        assert problem["evidence"]["class"] == "R3-or-R4"
        assert problem["evidence"]["mark_size"] == told.size
        assert problem["retryable"] is False
        ready = ask(f"{url}/readyz")
        assert ready[0] == 503
        assert ready[1]["checks"]["standing"] == {"status": "failing", "error": "write-locked"}
        assert ready[1]["checks"]["projections"] == {"status": "ok"}
        assert ask(f"{url}/v1/entries/0")[0] == 200
        assert program("audit", "--dir", told.run.folder).code == 0

        healed = program("restore", "--dir", told.run.folder, "--mirror", told.mirror, "--json")
        assert healed.code == 0
        until(f"{url}/readyz", 200)
        assert until(f"{url}/v1/commands", 201, body)["receipt"]["index"] == told.size


def test_a_server_that_depends_on_a_mirror_waits_for_it(told: Told, program: Program) -> None:
    away = Path(told.mirror).rename(told.mirror + "-away")
    body = registration(told.run.folder, "late")
    with program.serving("serve", "--dir", told.run.folder, "--mirror", told.mirror) as (line, _):
        url = line["url"]
        status, problem = ask(f"{url}/v1/commands", body)
        assert (status, problem["evidence"]["class"]) == (503, "R5")
        away.rename(told.mirror)
        until(f"{url}/readyz", 200)
        assert ask(f"{url}/v1/commands", body)[0] == 201


def test_a_whole_machine_that_came_back_is_caught_by_a_mirror_at_start(
    told: Told, program: Program, state: Path
) -> None:
    """The mark came back with it: without the mirror, nothing here could tell."""
    put_back(told.copies[3], told.run.folder)
    body = registration(told.run.folder, "late")
    with told.run.open() as house:
        size = house.reader.size()
        for path in state.rglob("mark*"):
            path.unlink()
        house.mark.begin()
    with program.serving("serve", "--dir", told.run.folder, "--mirror", told.mirror) as (line, _):
        url = line["url"]
        status, problem = ask(f"{url}/v1/commands", body)
        assert (status, problem["evidence"]["class"]) == (503, "R3")
        assert problem["evidence"]["missing"] == told.size - size
