"""A seed is a history: played again, here or in another process, it gives the same trace."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.determinism.options import expand
from tests.determinism.running import run_seed
from tests.plugin import ROOT

SEEDS = (3, 5, 8)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_gives_the_same_trace_twice(seed: int) -> None:
    first, second = run_seed(seed), run_seed(seed)

    assert first == second
    assert first.trace == second.trace


def test_other_seeds_give_other_traces() -> None:
    assert len({run_seed(seed).trace for seed in SEEDS}) == len(SEEDS)


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_order_of_sets_does_not_decide_anything(hash_seed: str) -> None:
    """In another process, with other hashes, and after other seeds."""
    found = subprocess.run(
        [sys.executable, "-m", "tests.determinism", "--seed", "3", "--count", "6"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
        check=True,
    )

    traces = dict(re.findall(r"seed (\d+): .* trace ([0-9a-f]{64})", found.stdout))
    assert traces == {str(seed): run_seed(seed).trace for seed in range(3, 9)}


def test_the_options_of_a_seed_are_printed_with_what_came_of_it() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.determinism", "--seed", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert found.stdout.startswith(expand(5).shown())
    assert "\nfaults: " in found.stdout
    assert found.stdout.endswith(f"trace {run_seed(5).trace}\n")
