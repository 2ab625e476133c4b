"""How long an answer takes does not tell an item that exists from one that does not."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.api.coded import Shop, serve_shop
from tests.cards.selling import CHECKS

WRONG = "ABCDEFGHIJKLMNOPQRST"
PAIRS = 150
# Two equal distributions differ by so many standard errors in one of 15,000 runs.
SIGMAS = 4.0


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with serve_shop(tmp_path / "ledger") as opened:
        yield opened


def taken_s(shop: Shop, item: str, code: str) -> float:
    # Wrong answers that are a lock's length apart lock nobody.
    shop.wait(CHECKS["lock_s"] * 1_000_000)
    question = shop.asking("ann", item, code)
    began_s = time.perf_counter()
    answer = shop.post(question)
    passed_s = time.perf_counter() - began_s
    assert answer.json()["result"] == "invalid"
    return passed_s


def rank_sum_sigmas(ours: list[float], others: list[float]) -> float:
    """How many standard errors the rank sum of `ours` is from what equal distributions give."""
    ranked = sorted([*((each, 0) for each in ours), *((each, 1) for each in others)])
    total = sum(rank for rank, (_, side) in enumerate(ranked, start=1) if side == 0)
    count, most = len(ours), len(ranked)
    mean = count * (most + 1) / 2
    error = (count * len(others) * (most + 1) / 12) ** 0.5
    return float(abs(total - mean) / error)


def test_the_rank_sum_tells_distributions_apart_that_differ_by_a_fifth_of_their_spread() -> None:
    dice = Random(1)  # noqa: S311 - measures, and hides nothing
    ours = [dice.gauss(0.0, 1.0) for _ in range(2_000)]
    alike = [dice.gauss(0.0, 1.0) for _ in range(2_000)]
    slower = [dice.gauss(0.2, 1.0) for _ in range(2_000)]

    assert rank_sum_sigmas(ours, alike) < SIGMAS < rank_sum_sigmas(ours, slower)


@pytest.mark.full
def test_an_item_that_exists_takes_as_long_as_one_that_does_not(shop: Shop) -> None:
    item, _ = shop.issue()
    for _ in range(20):
        item_history(shop, item)
    asked = {"there": item, "none": "shop-cards/" + "a" * 26}
    took: dict[str, list[float]] = {name: [] for name in asked}
    dice = Random(7)  # noqa: S311 - measures, and hides nothing
    for _ in range(5):
        taken_s(shop, item, WRONG)
    for _ in range(PAIRS):
        for name in dice.sample(sorted(asked), 2):
            took[name].append(taken_s(shop, asked[name], WRONG))

    sigmas = rank_sum_sigmas(took["there"], took["none"])
    assert sigmas < SIGMAS, {name: statistics.median(each) for name, each in took.items()}


def item_history(shop: Shop, item: str) -> None:
    """Give the item more entries: reading them all would take the longer."""
    shop.give(item, "shop", "bob")
    shop.give(item, "bob", "shop")
