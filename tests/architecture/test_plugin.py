"""The plug-in itself: a skip must not pass for a test where everything is required."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.house import ROOT

A_SMALL_SUITE = """
import pytest

def test_that_passes(): pass

def test_that_lacks_its_tool(): pytest.skip("no such tool here")

@pytest.mark.shared_data
def test_that_reads_the_shared_data(shared_data): assert shared_data.is_dir()

@pytest.mark.full
def test_that_takes_long(): pass
"""
A_SKIPPED_MODULE = 'import pytest\npytest.skip("no such library", allow_module_level=True)\n'


def run(folder: Path, suite: str, *options: str, **variables: str) -> tuple[str, str]:
    """Run a suite of its own; return the counts (passed, failed, skipped) and the output."""
    (folder / "test_suite.py").write_text(suite, encoding="utf-8")
    counts = folder / "counts"
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("YINZHENG_")
    } | {"YINZHENG_COUNTS": str(counts), **variables}
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), *options]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(folder)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return counts.read_text(encoding="ascii").strip(), done.stdout


def test_long_tests_wait_and_what_is_missing_is_skipped(tmp_path: Path) -> None:
    counts, _ = run(tmp_path, A_SMALL_SUITE, YINZHENG_SHARED=str(tmp_path / "nowhere"))

    assert counts == "1 0 2"


def test_long_tests_run_when_asked_for(tmp_path: Path) -> None:
    counts, _ = run(tmp_path, A_SMALL_SUITE, "--full", YINZHENG_SHARED=str(tmp_path))

    assert counts == "3 0 1"


def test_a_skip_is_a_failure_with_its_reason_when_everything_is_required(tmp_path: Path) -> None:
    counts, output = run(
        tmp_path,
        A_SMALL_SUITE,
        YINZHENG_REQUIRE_ALL="1",
        YINZHENG_SHARED=str(tmp_path / "nowhere"),
    )

    assert counts == "1 2 0"
    assert "YINZHENG_REQUIRE_ALL=1 and yet Skipped: no such tool here" in output
    assert "no shared data at" in output


@pytest.mark.parametrize(("variables", "counts"), [({}, "0 0 1"), ({"ALL": "1"}, "0 1 0")])
def test_a_skipped_module_counts_too(
    tmp_path: Path, variables: dict[str, str], counts: str
) -> None:
    given = {f"YINZHENG_REQUIRE_{name}": value for name, value in variables.items()}

    assert run(tmp_path, A_SKIPPED_MODULE, **given)[0] == counts


def shell_scripts() -> list[Path]:
    files = [*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run"]
    text = {path: path.read_text(encoding="utf-8") for path in sorted(files) if path.is_file()}
    return [
        path
        for path in text
        if path.suffix == ".bash" or text[path].startswith("#!/usr/bin/env bash\n")
    ]


@pytest.mark.parametrize("path", shell_scripts(), ids=lambda path: path.name)
def test_every_script_is_well_formed_shell(path: Path) -> None:
    done = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)

    assert done.stderr == ""
