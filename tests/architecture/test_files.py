"""Every committed file: clean ends, readable formats, no secrets, nothing heavy."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.architecture.house import ROOT

BYTES_MAX = 512 * 1024
# Exact bytes matter in vectors and foreign files; nobody tidies those.
LEFT_ALONE = ("tests/vectors/", "tests/data/", "tests/golden/")
# In pieces, so that this file passes its own tests.
PRIVATE_KEY = "PRIVATE" + " KEY-----"
WRONG_WORD = "block" + "chain"


def committed() -> list[Path]:
    """The files that git knows; outside a checkout none, and the one test below says so."""
    command = ["git", "ls-files", "-z"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    paths = [ROOT / name for name in run.stdout.split("\0") if name]
    return [path for path in paths if path.is_file()]


def text_of(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return None


FILES = committed()
TIDY = [
    path
    for path in FILES
    if text_of(path) is not None and not path.relative_to(ROOT).as_posix().startswith(LEFT_ALONE)
]


def offenders(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_no_file_is_heavy() -> None:
    assert offenders([path for path in FILES if path.stat().st_size > BYTES_MAX]) == []


def test_no_file_holds_a_private_key() -> None:
    assert offenders([path for path in TIDY if PRIVATE_KEY in (text_of(path) or "")]) == []


def test_lines_end_alike_and_files_end_with_a_line() -> None:
    def is_untidy(text: str) -> bool:
        lines = text.split("\n")
        trailing = any(line != line.rstrip() for line in lines)
        return trailing or "\r" in text or (text != "" and (lines[-1] != "" or lines[-2] == ""))

    assert offenders([path for path in TIDY if is_untidy(text_of(path) or "")]) == []


def test_the_ledger_is_called_hash_chained_and_nothing_else() -> None:
    texts = [(path, (text_of(path) or "").lower()) for path in TIDY]

    assert offenders([path for path, text in texts if WRONG_WORD in text]) == []


@pytest.mark.parametrize(("suffix", "parse"), [(".toml", tomllib.loads), (".json", json.loads)])
def test_machine_readable_files_parse(suffix: str, parse: object) -> None:
    assert callable(parse)
    for path in (path for path in TIDY if path.suffix == suffix):
        parse(text_of(path))


@pytest.mark.parametrize(
    ("lock", "extras"), [("requirements.lock", ()), ("requirements-dev.lock", ("postgres", "dev"))]
)
def test_the_locks_pin_what_the_project_asks_for(lock: str, extras: tuple[str, ...]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [*project["dependencies"]]
    wanted += [line for extra in extras for line in project["optional-dependencies"][extra]]
    text = (ROOT / lock).read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))

    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[requirement.name]), requirement.name
    assert "://" not in text
    assert text.count("==") <= text.count("--hash=sha256:")
