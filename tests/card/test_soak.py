"""The soak finds what grows, lets pass what does not, and runs from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from soaking.judging import MEMORY_S, RSS_MIB_PER_HOUR, WAL_MIB, judge, slope
from soaking.watching import Sample, p99
from tests.planted.planting import ROOT

STEADY = Sample(
    at_s=0.0,
    rss_mib=110.0,
    files=20,
    threads=10,
    connections=4,
    wal_mib=16.0,
    queue=3,
    p99_ms=20.0,
    commands=0,
)
EVERY_S = 10.0


def samples(change: Callable[[float, Sample], Sample], *, length_s: float) -> list[Sample]:
    times = [EVERY_S * number for number in range(1, int(length_s / EVERY_S) + 1)]
    return [change(at_s, replace(STEADY, at_s=at_s)) for at_s in times]


def breaches(found: list[Sample]) -> list[str]:
    return [finding.name for finding in judge(found) if not finding.holds]


def test_a_steady_server_passes() -> None:
    steady = samples(lambda _, sample: sample, length_s=1_200)

    assert breaches(steady) == []
    assert [finding.name for finding in judge(steady)] == [
        "memory slope",
        "more open files",
        "more threads",
        "more connections",
        "longer queue",
        "largest WAL file",
    ]


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        (
            lambda at_s, s: replace(s, rss_mib=110 + 1.05 * RSS_MIB_PER_HOUR * at_s / 3600),
            "memory slope",
        ),
        (lambda at_s, s: replace(s, files=20 + int(at_s / 60)), "more open files"),
        (lambda at_s, s: replace(s, threads=10 + int(at_s / 120)), "more threads"),
        (lambda at_s, s: replace(s, connections=4 + int(at_s / 60)), "more connections"),
        (lambda at_s, s: replace(s, queue=int(at_s)), "longer queue"),
        (lambda at_s, s: replace(s, wal_mib=WAL_MIB * at_s / 1_000), "largest WAL file"),
    ],
)
def test_what_grows_is_found_and_named(
    change: Callable[[float, Sample], Sample], breach: str
) -> None:
    assert breaches(samples(change, length_s=1_200)) == [breach]


def test_what_grows_only_while_it_warms_up_passes() -> None:
    def change(at_s: float, sample: Sample) -> Sample:
        return replace(sample, rss_mib=60 + min(at_s, 300) / 5, files=10 + min(int(at_s / 30), 10))

    assert breaches(samples(change, length_s=1_200)) == []


def test_a_short_run_says_nothing_about_the_memory() -> None:
    def change(at_s: float, sample: Sample) -> Sample:
        return replace(sample, rss_mib=at_s)

    short = judge(samples(change, length_s=MEMORY_S - EVERY_S))

    assert "memory slope" not in {finding.name for finding in short}
    assert breaches(samples(change, length_s=MEMORY_S)) == ["memory slope"]


def test_a_slope_is_that_of_the_best_line() -> None:
    assert slope([(0, 1), (1, 3), (2, 5)]) == pytest.approx(2)
    assert slope([(0, 1), (1, 4), (2, 1)]) == pytest.approx(0)
    assert slope([(5, 1)]) == 0


def test_the_99th_percentile_is_a_wait_that_was() -> None:
    assert p99([]) == 0
    assert p99([0.5]) == 0.5
    assert p99([float(number) for number in range(1, 101)]) == 99


def test_a_short_soak_runs_from_end_to_end(tmp_path: Path) -> None:
    kept = tmp_path / "figures.jsonl"
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "soaking", "--minutes", "0.1", "--every", "2", "--rate", "20"),
            *("--dir", str(tmp_path), "--json"),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "scripts"), str(ROOT)]),
            "YINZHENG_FIGURES": str(kept),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    found = json.loads(ran.stdout)
    assert (ran.returncode, found["held"], found["faults"]) == (0, True, []), ran.stderr
    assert found["summary"]["receipts checked"] >= 20
    assert found["summary"]["reads"] >= 1
    assert all(sample["rss_mib"] > 20 and sample["files"] > 3 for sample in found["samples"])
    recorded = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    assert recorded[0] == {
        "name": "soak",
        "value": found["summary"]["minutes"],
        "unit": "minutes",
        "found": "",
    }
    assert list(tmp_path.iterdir()) == [kept]
