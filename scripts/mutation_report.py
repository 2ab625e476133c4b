"""Judge a run of mutmut: the score of each module, and survivors that nobody has explained.

`scripts/mutation` calls this. Run where mutmut ran, it reads the results that mutmut left there.
A survivor is known by its function and by the line it changes, not by mutmut's number, which
moves with every edit above it.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mutmut.mutation.diff_apply import get_diff_for_mutant

LEAST_SCORE = 95
SOURCES = ("api", "ledger", "projections", "tests", "scripts")
# As mutmut 3 records them: pytest failed or broke down, ran into its time limit, or died.
KILLED = frozenset({1, 2, 3, 24, 36, 152, 255, -24, -11, -9})
INTERRUPTED = 2
UNCHECKED = None


class Mutant(NamedTuple):
    """One change to one function, and how the tests took it."""

    name: str
    source: Path
    exit_code: int | None

    @property
    def module(self) -> str:
        """The module's own name, without its package."""
        return self.source.stem

    @property
    def function(self) -> str:
        """The qualified function, as mutmut spells it, without the mutant's number."""
        return self.name.partition("__mutmut_")[0]

    def change(self) -> str:
        """Return the changed lines, before and after, on one line."""
        lines = get_diff_for_mutant(self.name, path=self.source).splitlines()
        body = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        old = " ".join(line[1:].strip() for line in body if line.startswith("-"))
        new = " ".join(line[1:].strip() for line in body if line.startswith("+"))
        return f"{old} => {new}".replace("|", "/").replace("`", "'")


def name_of_files() -> str:
    """Name the exact content of the files that decide the outcome."""
    paths = [Path("pyproject.toml")]
    paths += [path for folder in SOURCES for path in Path(folder).rglob("*") if path.is_file()]
    total = hashlib.sha256()
    for path in sorted(paths):
        # The list of survivors judges the outcome and does not change it.
        if "__pycache__" in path.parts or path.name == "survivors.md":
            continue
        total.update(f"{path.as_posix()}\n".encode())
        total.update(hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()[:16]


def forget_interrupted() -> None:
    """Let mutmut try again what was under way when it was last stopped."""
    for path in Path("mutants").rglob("*.py.meta"):
        data = json.loads(path.read_text(encoding="utf-8"))
        codes = data["exit_code_by_key"]
        if INTERRUPTED in codes.values():
            again = {key: None if code == INTERRUPTED else code for key, code in codes.items()}
            data["exit_code_by_key"] = again
            path.write_text(json.dumps(data), encoding="utf-8")


def read_mutants(patterns: list[str]) -> Iterator[Mutant]:
    """Yield every mutant of the run, module by module; only those that match a pattern, if any."""
    for path in sorted(Path("mutants").rglob("*.py.meta")):
        source = path.relative_to("mutants").with_suffix("")
        data = json.loads(path.read_text(encoding="utf-8"))
        for name, code in data["exit_code_by_key"].items():
            if not patterns or any(fnmatch.fnmatch(name, pattern) for pattern in patterns):
                yield Mutant(name, source, code)


def read_survivors(path: Path) -> set[tuple[str, str]]:
    """Return function and change of every survivor that the list explains."""
    known = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip().strip("`").strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[2] and "__mutmut_" in cells[0]:  # noqa: PLR2004 - columns
            known.add((cells[0].partition("__mutmut_")[0], cells[1]))
    return known


def print_scores(mutants: list[Mutant]) -> float:
    """Print killed and all mutants of each module; return the whole score in percent."""
    total = Counter(mutant.module for mutant in mutants)
    killed = Counter(mutant.module for mutant in mutants if mutant.exit_code in KILLED)
    for module in sorted(total):
        score = 100 * killed[module] / total[module]
        print(f"{module:<12} {killed[module]:>5} of {total[module]:>5} killed  {score:6.1f} %")
    score = 100 * killed.total() / max(total.total(), 1)
    print(f"{'all':<12} {killed.total():>5} of {total.total():>5} killed  {score:6.1f} %")
    return score


def judge(mutants: list[Mutant], known: set[tuple[str, str]]) -> bool:
    """Print scores and survivors; return whether the score suffices and all are explained."""
    score = print_scores(mutants)
    # Only a judgement has the project's own folders on its path: mutmut must import its copies.
    from tests.figures import record  # noqa: PLC0415

    killed = sum(mutant.exit_code in KILLED for mutant in mutants)
    record("mutants killed", killed, unit=f"of {len(mutants)} mutants", found=f"{score:.1f} %")
    unexplained = unchecked = 0
    for mutant in mutants:
        if mutant.exit_code in KILLED:
            continue
        unchecked += mutant.exit_code is UNCHECKED
        change = mutant.change()
        explained = (mutant.function, change) in known
        unexplained += not explained
        print(f"| `{mutant.name}` | `{change}` | {'listed' if explained else 'NOT LISTED'} |")
    if unexplained:
        print(f"{unexplained} survivors are not in tests/mutation/survivors.md")
    if unchecked:
        print(f"{unchecked} mutants were not tried")
    if score < LEAST_SCORE:
        print(f"fewer than {LEAST_SCORE} % killed")
    return score >= LEAST_SCORE and not unexplained and not unchecked


def main() -> int:
    """Do what the options say; return the exit code."""
    parser = argparse.ArgumentParser(description="Judge a run of mutmut.")
    parser.add_argument("--name", action="store_true", help="name the state of the files")
    parser.add_argument("--forget-interrupted", action="store_true")
    parser.add_argument("--survivors", type=Path, help="the list of explained survivors")
    parser.add_argument("patterns", nargs="*")
    options = parser.parse_args()
    if options.name:
        print(name_of_files())
    elif options.forget_interrupted:
        forget_interrupted()
    else:
        good = judge(list(read_mutants(options.patterns)), read_survivors(options.survivors))
        return 0 if good else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
