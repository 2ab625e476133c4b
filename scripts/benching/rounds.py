"""Running the turns of a line in rounds: alternating, in one process, median of the rounds."""

from __future__ import annotations

import gc
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from statistics import median

from benching.bench import Bench
from benching.cores import pinned
from benching.turns import Line, Turn


@dataclass(frozen=True, slots=True)
class Result:
    """What a line reached: one ratio a round, and the median cost of a unit in microseconds."""

    line: Line
    ratios: tuple[float, ...]
    ours_us: float
    base_us: float
    note: str

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return median(self.ratios)

    @property
    def holds(self) -> bool:
        """Whether the target was reached."""
        return self.line.holds(self.ratio)


def measure(line: Line, bench: Bench) -> Result:
    """Measure one line: a turn to warm up, then the rounds.

    Raises:
        NotMeasured: This machine lacks what the line needs.

    """
    bench.note = ""
    ratios, ours, base = [], [], []
    with pinned(line.cores), closing(line.turns(bench)) as turns:
        _run(next(turns), ours_first=True)
        for number in range(bench.rounds):
            costs = [
                _run(turn, ours_first=(number + place) % 2 == 0)
                for place, turn in enumerate(islice(turns, line.turns_a_round))
            ]
            ours.append(sum(cost for cost, _ in costs) / len(costs))
            base.append(sum(cost for _, cost in costs) / len(costs))
            ratios.append(line.ratio(ours[-1], base[-1]))
    return Result(line, tuple(ratios), median(ours) * 1e6, median(base) * 1e6, bench.note)


def _run(turn: Turn, *, ours_first: bool) -> tuple[float, float]:
    """Run both sides, so that a drift of the machine meets them alike; return both costs."""
    # What making the inputs left behind is not charged to who happens to run next.
    gc.collect()
    if ours_first:
        ours = turn.ours()
        return ours, turn.base()
    base = turn.base()
    return turn.ours(), base
