"""The benchmark runs and prints what it promises; nothing here depends on how fast anything is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature

from benching import profile
from benching.bench import Bench
from benching.cores import GIVEN, pinned
from benching.market import Market, checks_of, verify_all
from benching.rounds import Result, measure
from benching.table import LINES
from benching.turns import Clocks, Line, NotMeasured, Turn, Turns
from ledger.rules.errors import StaleExpectation

ROOT = Path(__file__).parents[2]
PRINTED = re.compile(r"(\S+) (\d+\.\d{3}) ([<>]=\S+) (ok|MISS) \(.+\)")
TRY = ("--scale", "0.01", "--rounds", "1", "--entries", "300")


def run(*arguments: str) -> tuple[int, list[str]]:
    """Run the command in a process of its own, as `scripts/bench` does: its code and its lines."""
    path = os.pathsep.join([str(ROOT / "scripts"), str(ROOT)])
    ran = subprocess.run(
        [sys.executable, "-m", "benching", *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    return ran.returncode, ran.stdout.splitlines()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Bench(tmp_path, rounds=5, entries=300, scale=0.01, shared=tmp_path) as opened:
        yield opened


def line_of(costs: list[tuple[float, float]], *, at_most: bool = False) -> Line:
    """A line whose turns cost what is written down: ours and the other's, after a warm-up."""

    def turns(_bench: Bench) -> Turns:
        for ours, base in [(9.0, 1.0), *costs]:
            yield Turn(ours=lambda cost=ours: cost, base=lambda cost=base: cost, units=1)

    return Line("line", 2.0, turns, at_most=at_most, turns_a_round=2)


def test_every_line_of_the_table_is_printed_with_its_target() -> None:
    code, printed = run(*TRY)

    found = [PRINTED.fullmatch(line) for line in printed]
    assert all(found), printed
    assert [(each[1], each[3]) for each in found if each] == [
        (line.name, f"{'<=' if line.at_most else '>='}{line.target:g}") for line in LINES
    ]
    assert code == int(any(each[4] == "MISS" for each in found if each))


def test_a_line_is_one_json_object_and_a_miss_the_exit_code() -> None:
    code, printed = run("--only", "publish", "--json", *TRY)

    (document,) = map(json.loads, printed)
    assert (document["name"], document["bound"], len(document["rounds"])) == ("publish", ">=0.8", 1)
    assert document["ratio"] == document["rounds"][0] > 0
    assert code == int(not document["holds"])


def test_a_profile_says_where_the_time_goes() -> None:
    code, printed = run("--profile", "publish", *TRY)

    assert (code, printed[0].partition(": ")[0]) == (0, "publish")
    assert any("Publisher.publish ledger/log/publisher.py" in line for line in printed)


def test_a_sample_counts_for_the_time_since_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Python hears of a signal when the function in C that is running returns."""
    times = iter([1.0, 1.5, 4.0])
    monkeypatch.setattr(Clocks, "now_s", lambda: next(times))
    here = sys._getframe()
    samples = profile.Samples()

    samples.begin()
    samples.take(0, here)
    samples.take(0, here)

    assert samples.taken == 2
    assert samples.alone == {("", here.f_code): 3.0}
    assert samples.within["", here.f_code] == 3.0


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--only", "publish,nothing"), "no line is called nothing"),
        (("--rounds", "4"), "the median of fewer than 5 rounds is no figure"),
        (("--entries", "99"), "99 is less than 100"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments: tuple[str, ...], reason: str) -> None:
    code, printed = run(*arguments)

    assert (code, reason in printed[-1]) == (2, True)


def test_a_ratio_is_the_median_of_the_rounds_after_a_warm_up(bench: Bench) -> None:
    rounds = [(1.0, 2.0), (3.0, 6.0)], [(1.0, 3.0)] * 2, [(1.0, 1.0)] * 2, [(2.0, 8.0)] * 2
    costs = [turn for turns in (*rounds, [(1.0, 2.5)] * 2) for turn in turns]

    faster = measure(line_of(costs), bench)
    smaller = measure(line_of(costs, at_most=True), bench)

    assert faster.ratios == (2.0, 3.0, 1.0, 4.0, 2.5)
    assert (faster.ratio, faster.holds) == (2.5, True)
    assert smaller.ratios == (1 / 2, 1 / 3, 1.0, 1 / 4, 1 / 2.5)
    assert (smaller.ratio, smaller.holds) == (1 / 2.5, True)
    assert (faster.ours_us, faster.base_us) == (1e6, 3e6)


@pytest.mark.parametrize(("ratio", "at_most", "holds"), [
    (2.0, False, True), (1.99, False, False), (2.0, True, True), (2.01, True, False),
])  # fmt: skip
def test_a_target_is_reached_on_its_side(*, ratio: float, at_most: bool, holds: bool) -> None:
    line = line_of([], at_most=at_most)

    assert Result(line, (ratio,), 1.0, 1.0, "").holds is holds


def test_both_sides_take_turns_to_be_first(bench: Bench) -> None:
    order: list[str] = []

    def turns(_bench: Bench) -> Turns:
        while True:
            yield Turn(
                ours=lambda: order.append("ours") or 1.0,
                base=lambda: order.append("base") or 1.0,
                units=1,
            )

    measure(Line("line", 1.0, turns, turns_a_round=1), bench)

    assert order[2:] == ["ours", "base", "base", "ours"] * 2 + ["ours", "base"]


def test_a_line_of_one_core_is_measured_on_one_core(bench: Bench) -> None:
    seen: list[int] = []

    def turns(_bench: Bench) -> Turns:
        while True:
            seen.append(len(os.sched_getaffinity(0)))
            yield Turn(ours=lambda: 1.0, base=lambda: 1.0, units=1)

    measure(Line("line", 1.0, turns, cores=1), bench)
    assert set(seen) == {1}
    assert os.sched_getaffinity(0) == GIVEN
    with pinned(None):
        assert os.sched_getaffinity(0) == GIVEN


def test_what_is_lacking_is_said_and_is_no_figure(bench: Bench) -> None:
    def turns(_bench: Bench) -> Turns:
        raise NotMeasured("needs a moon")
        yield

    with pytest.raises(NotMeasured, match="needs a moon"):
        measure(Line("line", 1.0, turns), bench)


def test_the_baseline_checks_the_signatures_of_the_workload(bench: Bench) -> None:
    with Market.create(bench.sqlite("market"), bench) as market:
        market.stock(4)
        made = market.transfers(4)
        checks = checks_of(made)
        market.append(made)
        whole = market.checks_of_log()

    assert [len(each.checks) for each in made] == [2] * 4
    assert [check[1:] for check in whole[-len(checks) :]] == [check[1:] for check in checks]
    verify_all(whole)
    verify, signature, message = checks[-1]
    with pytest.raises(InvalidSignature):
        verify_all([*checks, (verify, signature, message + b"!")])


def test_entries_of_the_workload_have_about_a_kilobyte(bench: Bench) -> None:
    with Market.create(bench.sqlite("market"), bench) as market:
        market.stock(8)
        market.append(market.transfers(8))
        size = market.world.size()
        lengths = [len(row.entry) for row in market.world.recorder.entries(size - 16, size)]

    assert 1_000 < sum(lengths) / len(lengths) < 1_160


def test_a_refusal_is_not_taken_for_work(bench: Bench) -> None:
    with Market.create(bench.sqlite("market"), bench) as market:
        market.stock(1)
        # Both expect the same head of the item: the second one comes too late.
        made = market.transfers_of(market.items * 2)

        with pytest.raises(StaleExpectation):
            market.append(made)


def test_the_docs_show_the_table() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \|.*?\| ([<>]=[0-9.]+) \|", text, re.MULTILINE))

    assert rows == {line.name: f"{'<=' if line.at_most else '>='}{line.target:g}" for line in LINES}
