"""Planting bugs: each in a private copy of the sources, where the tests that must notice it run.

The working tree is never touched. A bug counts as caught only if every test named for it fails,
and by what it found: a copy that cannot be imported, or a test that is not there, catches nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIST = Path(__file__).with_name("bugs.toml")
PRODUCT = ("ledger", "projections", "api")
COPIED = (*PRODUCT, "scripts", "tests")
LONGEST_S = 900
PASSED, FAILED = 0, 1
HUNG = -1
# What breaks rather than finds: a change that does this is no bug but a mistake in the list.
BROKEN = (
    "AttributeError",
    "ImportError",
    "IndentationError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "TypeError",
    "UnboundLocalError",
)
# What the run around this one was told must not reach the run inside it.
_NOT_INHERITED = ("YINZHENG_", "PYTEST_")


class StalePatch(Exception):
    """The text to replace is not in the product exactly once any more."""


@dataclass(frozen=True)
class Bug:
    """One change for the worse."""

    name: str
    file: str
    find: str
    replace: str
    caught_by: tuple[str, ...]
    ordinary: bool = False

    def planted_in(self, source: str) -> str:
        """Change a source.

        Raises:
            StalePatch: The text is not there, or more than once.

        """
        found = source.count(self.find)
        if found != 1:
            raise StalePatch(f"{self.name}: its text is {found} times in {self.file}, not once")
        return source.replace(self.find, self.replace)


@dataclass(frozen=True)
class Ran:
    """How pytest ended: its exit code, and what it printed."""

    code: int
    out: str

    def reason(self, node: str) -> str | None:
        """Return why a test, or a case of it, failed; None if it did not."""
        for line in self.out.splitlines():
            name, _, why = line.removeprefix("FAILED ").partition(" - ")
            is_it = name == node or name.startswith((f"{node}[", f"{node}::"))
            if line.startswith("FAILED ") and is_it:
                return why
        return None

    def missed_by(self, nodes: Sequence[str]) -> list[str]:
        """List the tests that did not find a bug, each with what it did instead."""
        missed = []
        for node in nodes:
            why = self.reason(node)
            if self.code != FAILED or why is None:
                missed.append(f"{node} did not fail (pytest ended with {self.code})")
            elif why.startswith(BROKEN):
                missed.append(f"{node} broke down: {why}")
        return missed


def read_bugs(path: Path = LIST) -> list[Bug]:
    """Read the list."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Bug(**{**each, "caught_by": tuple(each["caught_by"])}) for each in document["bug"]]


class Plot:
    """A copy of the sources in which bugs are planted, one at a time."""

    def __init__(self, folder: Path) -> None:
        """Copy everything that the tests need into a folder."""
        self._folder = folder
        self._times = count(1_000_000_000)
        for name in COPIED:
            shutil.copytree(
                ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        shutil.copyfile(ROOT / "pyproject.toml", folder / "pyproject.toml")

    @contextmanager
    def planted(self, bug: Bug) -> Iterator[None]:
        """Plant one bug, and pull it out again.

        Raises:
            StalePatch: Its text is not there exactly once.

        """
        path = self._folder / bug.file
        sound = path.read_text(encoding="utf-8")
        self._write(path, bug.planted_in(sound))
        try:
            yield
        finally:
            self._write(path, sound)

    def run(self, nodes: Sequence[str]) -> Ran:
        """Run tests in the copy, in a process of their own."""
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rf", "--tb=line"]
        try:
            ran = subprocess.run(
                [*command, "-p", "no:xdist", *nodes],
                cwd=self._folder,
                env=self._environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                timeout=LONGEST_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Ran(HUNG, f"pytest was still running after {LONGEST_S} s")
        return Ran(ran.returncode, ran.stdout)

    def _environment(self) -> dict[str, str]:
        own = {key: each for key, each in os.environ.items() if not key.startswith(_NOT_INHERITED)}
        # Wide, so that no reason is cut off; CI, so that Hypothesis takes the same examples.
        return {**own, "PYTHONPATH": str(self._folder), "COLUMNS": "400", "CI": "true"}

    def _write(self, path: Path, source: str) -> None:
        path.write_text(source, encoding="utf-8")
        # Python takes compiled code for fresh if length and second agree: each second comes once.
        second = next(self._times)
        os.utime(path, (second, second))
