"""Files far too large, through the command: a verdict, and no more memory than a proof needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tamper.market import Market

SPARSE = 200 << 20
MOST_KIB = 140 << 10
# The peak of this process alone, not of the one that started it.
RUN = """
import re, sys
from pathlib import Path
from ledger.proof.__main__ import main
code = main(sys.argv[1:])
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
sys.stderr.write(f"peak {peak[1]}")
sys.exit(code)
"""
needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").is_file(), reason="needs /proc, to see how much memory was taken"
)


def run(*arguments: str) -> tuple[int, str, int]:
    """Run the offline verifier; returns exit code, output and peak memory in KiB."""
    command = [sys.executable, "-c", RUN, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout, int(done.stderr.rpartition("peak ")[2])


def sparse(file: Path, start: bytes = b"") -> Path:
    with file.open("wb") as stream:
        stream.write(start)
        stream.truncate(SPARSE)
    return file


@needs_proc
@pytest.mark.parametrize(
    ("start", "code"), [(b"", 4), (b"c2sp.org/tlog-proof@v1\n", 1)], ids=["zeros", "headed"]
)
def test_a_huge_proof_is_not_read_whole(
    tmp_path: Path, the_market: Market, start: bytes, code: int
) -> None:
    file = sparse(tmp_path / "huge.tlog-proof", start)
    found, output, peak = run("verify", str(file), "--vkey", the_market.world.vkey)

    assert found == code, output
    assert peak < MOST_KIB


@needs_proc
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("checkpoint", 1),
        ("tile/entries/003", 1),
        ("tile/0/003", 1),
        ("tile/1/000.p/7", 1),
        ("checkpoints/sizes", 1),
        ("checkpoints/57", 1),
    ],
)
def test_a_huge_file_of_a_log_is_not_read_whole(
    log_folder: Path, the_market: Market, name: str, code: int
) -> None:
    vkey = the_market.world.vkey
    whole = (log_folder / name).read_bytes()
    sparse(log_folder / name, whole)
    try:
        found, output, peak = run("audit", str(log_folder), "--vkey", vkey)
    finally:
        (log_folder / name).write_bytes(whole)

    assert found == code, output
    assert peak < 2 * MOST_KIB


@needs_proc
@pytest.mark.parametrize("start", [b"", b"SQLite format 3\0"], ids=["zeros", "headed"])
def test_a_huge_file_that_is_no_database(tmp_path: Path, the_market: Market, start: bytes) -> None:
    file = sparse(tmp_path / "ledger.sqlite", start)
    found, output, peak = run("audit", str(file), "--vkey", the_market.world.vkey)

    assert found == 4, output
    assert peak < MOST_KIB


@needs_proc
def test_a_huge_outside_checkpoint(tmp_path: Path, log_folder: Path, the_market: Market) -> None:
    file = sparse(tmp_path / "since")
    vkey = the_market.world.vkey
    found, output, peak = run("audit", str(log_folder), "--vkey", vkey, "--since", str(file))

    assert found == 4, output
    assert peak < MOST_KIB
