"""Fixtures of the command line's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Program, row, table


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """The program, with marks of its own for the whole session."""
    program = Program(tmp_path_factory.mktemp("state"))
    yield program
    program.close()


@pytest.fixture
def ledger(program: Program, tmp_path: Path) -> Path:
    """The folder of a new ledger."""
    folder = tmp_path / "ledger"
    program.json("init", "--dir", folder)
    return folder


@pytest.fixture(scope="session")
def imported(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a ledger with a few imported sales; tests only read it."""
    folder = tmp_path_factory.mktemp("imported") / "ledger"
    program.json("init", "--dir", folder)
    rows = [
        row(1, 7, 1, 2, day=1),
        row(2, 7, 2, None, day=2),
        row(3, 7, 3, 4, day=3, wei=31 * 10**18),
        row(4, 7, 5, 6, day=4),
        row(5, 8, 1, 2, day=5),
    ]
    program.json("import-sales", table(folder.parent / "old.csv", rows), "--dir", folder)
    return folder
