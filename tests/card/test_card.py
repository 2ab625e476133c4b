"""The card prints what was run, and nothing that was not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reliability_card import GROUPS, Group
from tests import figures
from tests.planted.planting import ROOT

OWN = Path(__file__)
CARD = ROOT / "scripts" / "reliability_card.py"
LABELS = {
    "power cuts": "crash states",
    "power cuts during a recovery": "crash states",
    "I/O errors": "failed operations",
    "kill -9": "kills",
    "PostgreSQL backends terminated": "backends",
    "processes that compete": "commands",
    "failovers": "failovers",
    "older copies put back": "copies",
    "backups, restores and healings killed": "kills",
    "mirrors that lie": "mirrors",
    "bit flips": "flips",
    "simulation seeds": "seeds",
    "simulation steps": "steps",
    "simulation faults": "faults",
    "tamper cases": "cases",
    "mutants of the verifier": "mutants",
    "planted bugs": "bugs",
    "planted bugs in the simulation": "bugs",
    "soak": "minutes",
}


def card(*arguments: object) -> tuple[int, str]:
    """Run the program as `scripts/card` does: its exit code and what it printed."""
    ran = subprocess.run(
        [sys.executable, str(CARD), *map(str, arguments)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    return ran.returncode, ran.stdout


def document(*arguments: object, code: int = 0) -> dict[str, Any]:
    ended, out = card("--json", *arguments)
    assert ended == code, out
    found: dict[str, Any] = json.loads(out)
    assert {line["name"]: line["unit"] for line in found["lines"]} == LABELS
    return found


def lines_of(found: dict[str, Any]) -> dict[str, tuple[str, float | None]]:
    return {line["name"]: (line["verdict"], line["value"]) for line in found["lines"]}


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Figures of a run, written as tests write them."""
    path = tmp_path / "tests.jsonl"
    monkeypatch.setenv("YINZHENG_FIGURES", str(path))
    figures.record("Power cuts on SQLite", 20_000, unit="crash states", found="0 lost")
    figures.record("PostgreSQL backends terminated in COMMIT", 60, unit="backends")
    figures.record("PostgreSQL backends terminated while it inserts", 41, unit="backends")
    figures.record("planted bugs caught", 1, unit="bugs")
    figures.record("planted bugs caught", 1, unit="bugs")
    figures.record("planted bug found by simulation: open gate", 3, unit="seeds", found="a rule")
    return path


def test_what_was_not_run_is_said_to_be_not_run(tmp_path: Path) -> None:
    found = document("--figures", tmp_path / "nothing")

    assert lines_of(found) == dict.fromkeys(LABELS, ("not run", None))
    assert found["runs"] == []
    code, out = card("--figures", tmp_path / "nothing")
    assert code == 0
    assert out.count("not run") == len(LABELS) + 1
    assert not any(word in out for word in ("survived", "caught", "refused", "killed\n"))


def test_what_was_run_is_added_up_by_name(told: Path) -> None:
    ran = {
        "power cuts": ("survived", 20_000),
        "PostgreSQL backends terminated": ("survived", 101),
        "planted bugs": ("caught", 2),
        "planted bugs in the simulation": ("caught", 1),
    }

    for place in (told, told.parent):
        found = document("--figures", place)
        assert lines_of(found) == {**dict.fromkeys(LABELS, ("not run", None)), **ran}
        assert found["lines"][0]["notes"] == ["0 lost"]


@pytest.mark.parametrize(
    ("name", "value", "found", "label"),
    [
        ("planted bugs caught", 0, "test_x did not fail", "planted bugs"),
        ("simulation: seeds", 100, "python -m tests.determinism --seed 7: no", "simulation seeds"),
        ("soak", 20, "BREACH: memory slope", "soak"),
    ],
)
def test_what_failed_is_never_called_survived(
    told: Path, name: str, value: int, found: str, label: str
) -> None:
    figures.record(name, value, unit="", found=found)

    failed = document("--figures", told, code=1)

    assert lines_of(failed)[label][0] == "FAILED"
    (notes,) = (line["notes"] for line in failed["lines"] if line["name"] == label)
    assert notes == [found]


def test_a_step_of_the_tests_that_failed_is_told(told: Path) -> None:
    figures.record("run", "abc1234", unit="tests", found="2026-11-23T00:00:00Z")
    figures.record("tests: tests", 4_000, unit="passed", found="1 failed, 0 skipped")

    code, out = card("--figures", told)

    assert code == 1
    ended = "4000 passed, 1 failed, 0 skipped"
    assert f"  tests: commit abc1234, 2026-11-23T00:00:00Z; {ended}\n" in out


def test_the_machine_is_named(tmp_path: Path) -> None:
    machine = document("--figures", tmp_path)["machine"]

    assert machine.keys() == {
        "commit",
        "cores",
        "cpu",
        "date",
        "kernel",
        "postgresql",
        "python",
        "sqlite",
    }
    assert all(machine.values())
    assert machine["cores"] == str(len(os.sched_getaffinity(0)))
    assert machine["python"] == ".".join(map(str, sys.version_info[:3]))


def test_every_line_of_the_card_has_somebody_who_writes_its_figures() -> None:
    """A figure that is renamed would turn a line into "not run" for ever."""
    sources = [*(ROOT / "tests").rglob("*.py"), *(ROOT / "scripts").rglob("*.py")]
    text = "".join(path.read_text(encoding="utf-8") for path in sources if path != OWN)
    written = re.findall(r'record\(\s*f?"([^"]+)"', text)

    def is_written(group: Group) -> bool:
        begun = [name.partition("{")[0] for name in written if "{" in name]
        whole = any(re.fullmatch(group.names, name) for name in written)
        return whole or any(group.names.startswith(name) for name in begun if name)

    assert [group.label for group in GROUPS if not is_written(group)] == []


def test_a_file_of_something_else_is_bad_usage(tmp_path: Path) -> None:
    path = tmp_path / "figures.jsonl"
    path.write_text("20,000 crash states\n", encoding="utf-8")

    code, out = card("--figures", path)

    assert code == 2
    assert f"{path}, line 1 is no figure: 20,000 crash states" in out
