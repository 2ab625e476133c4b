"""What may grow during a soak, and by how much.

The bounds, with their reasons, stand in docs/reliability.md, section 'Soak'.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from soaking.watching import MIB, Sample

WARM_UP = 0.3
"""Share of a run in which caches fill; nothing is judged by it."""
MEMORY_S = 600
"""A shorter run says nothing about the memory: its caches are still filling."""
RSS_MIB_PER_HOUR = 32.0
FILES_MORE, THREADS_MORE, CONNECTIONS_MORE = 4, 2, 4
QUEUE_MORE = 100
# `PRAGMA wal_autocheckpoint` in ledger/record/database.py: 4,000 pages with 24 bytes before each.
WAL_MIB = 2 * 4_000 * (4_096 + 24) / MIB
_SECONDS_AN_HOUR = 3_600
_QUARTER = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of a soak and its bound."""

    name: str
    value: float
    most: float
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the figure is within its bound."""
        return self.value <= self.most


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Fit a line by least squares and return how steep it is; 0 for fewer than two points."""
    if len(points) < 2:  # noqa: PLR2004 - a line
        return 0.0
    x_mean, y_mean = fmean(x for x, _ in points), fmean(y for _, y in points)
    spread = sum((x - x_mean) ** 2 for x, _ in points)
    return sum((x - x_mean) * (y - y_mean) for x, y in points) / spread if spread else 0.0


def warm(samples: Sequence[Sample]) -> list[Sample]:
    """Leave out the warm-up; at least the last sample stays."""
    end_s = samples[-1].at_s
    return [each for each in samples if each.at_s >= WARM_UP * end_s]


def judge(samples: Sequence[Sample]) -> list[Finding]:
    """Compare what grew with what may; the memory only after a run that is long enough.

    Args:
        samples: All samples of a run, in order; one or more.

    """
    kept = warm(samples)
    return [
        *([_memory(kept)] if samples[-1].at_s >= MEMORY_S else []),
        Finding("more open files", _more(kept, lambda s: s.files), FILES_MORE, "files"),
        Finding("more threads", _more(kept, lambda s: s.threads), THREADS_MORE, "threads"),
        Finding(
            "more connections",
            _more(kept, lambda s: s.connections),
            CONNECTIONS_MORE,
            "connections",
        ),
        Finding("longer queue", _more(kept, lambda s: s.queue), QUEUE_MORE, "commands"),
        Finding("largest WAL file", round(max(s.wal_mib for s in samples), 1), WAL_MIB, "MiB"),
    ]


def _memory(samples: Sequence[Sample]) -> Finding:
    steep = slope([(each.at_s, each.rss_mib) for each in samples]) * _SECONDS_AN_HOUR
    return Finding("memory slope", round(steep, 1), RSS_MIB_PER_HOUR, "MiB per hour")


def _more(samples: Sequence[Sample], figure: Callable[[Sample], float]) -> float:
    """Compare the last quarter with the first one: by their medians, which no one peak moves."""
    part = max(1, len(samples) // _QUARTER)
    return median(map(figure, samples[-part:])) - median(map(figure, samples[:part]))
