"""Where the time of a line goes: samples of every thread, and the profiler's call counts.

The samples are taken by a timer signal, so they cost almost nothing and small functions are not
made to look large; a function in C is counted for the Python function that called it. Python hears
of the signal only when that function returns, so a sample counts for all the time since the one
before: else a commit of milliseconds would be one sample like any other. Threads beside the main
one are named in front. The profiler's counts follow, of the main thread alone, whose times are
stretched by the profiler itself.
"""

from __future__ import annotations

import cProfile
import pstats
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from heapq import nlargest
from itertools import islice
from operator import itemgetter
from pathlib import Path
from types import CodeType, FrameType

from benching.bench import Bench
from benching.cores import pinned
from benching.turns import Clocks, Line

INTERVAL_S = 0.0007
SHOWN = 30
ROOT = Path(__file__).parents[2]


Place = tuple[str, CodeType]
"""The name of a thread, empty for the main one, and a function in it."""


@dataclass(slots=True)
class Samples:
    """Seconds that threads were found in a function: in it alone, and in it or what it called."""

    taken: int = 0
    alone: defaultdict[Place, float] = field(default_factory=lambda: defaultdict(float))
    within: defaultdict[Place, float] = field(default_factory=lambda: defaultdict(float))
    _busy: bool = False
    _last_s: float = 0.0

    def begin(self) -> None:
        """Begin to count the time."""
        self._last_s = Clocks.now_s()

    def take(self, _signal: int, main: FrameType | None) -> None:
        """Note the functions that are running; a handler of the timer's signal."""
        # On a loaded machine the next signal may come before this one is dealt with.
        if self._busy:
            return
        self._busy = True
        self.taken += 1
        now_s = Clocks.now_s()
        spent_s, self._last_s = now_s - self._last_s, now_s
        self._note("", main, spent_s)
        if threading.active_count() > 1:
            frames = sys._current_frames()
            for thread in threading.enumerate():
                if thread is not threading.main_thread():
                    self._note(thread.name, frames.get(thread.ident or 0), spent_s)
        self._busy = False

    def _note(self, thread: str, frame: FrameType | None, spent_s: float) -> None:
        seen: set[CodeType] = set()
        while frame is not None:
            code = frame.f_code
            if not seen:
                self.alone[thread, code] += spent_s
            if code not in seen:
                self.within[thread, code] += spent_s
            seen.add(code)
            frame = frame.f_back


def profile(line: Line, bench: Bench) -> Iterator[str]:
    """Run our side of a line under both profilers and yield the lines of a report.

    Raises:
        NotMeasured: This machine lacks what the line needs.

    """
    samples, profiler = Samples(), cProfile.Profile()
    us, units = 0.0, 0
    with pinned(line.cores), closing(line.turns(bench)) as turns:
        next(turns).ours()
        for turn in islice(turns, bench.rounds * line.turns_a_round):
            with _sampling(samples):
                us += turn.ours() * 1e6 * turn.units
            units += turn.units
        counted = 0
        for turn in islice(turns, bench.rounds):
            profiler.enable()
            turn.ours()
            profiler.disable()
            counted += turn.units
    yield from _report(line, samples, us, units)
    yield from _counts(profiler, counted)


@contextmanager
def _sampling(samples: Samples) -> Iterator[None]:
    before = signal.signal(Clocks.alarm, samples.take)
    samples.begin()
    signal.setitimer(Clocks.timer, INTERVAL_S, INTERVAL_S)
    try:
        yield
    finally:
        signal.setitimer(Clocks.timer, 0)
        signal.signal(Clocks.alarm, before)


def _report(line: Line, samples: Samples, us: float, units: int) -> Iterator[str]:
    yield f"{line.name}: {us / units:.1f} us a unit, {samples.taken} samples of {units} units"
    for title, found in (("alone", samples.alone), ("with what it calls", samples.within)):
        yield f"-- us a unit, {title}"
        for (thread, code), spent_s in nlargest(SHOWN, found.items(), key=itemgetter(1)):
            us_each = spent_s * 1e6 / units
            yield f"{us_each:9.2f}  {f'[{thread}] ' if thread else ''}{_name(code)}"


def _counts(profiler: cProfile.Profile, units: int) -> Iterator[str]:
    yield "-- calls a unit, us a unit as stretched by the profiler"
    found = pstats.Stats(profiler).get_stats_profile().func_profiles
    costly = sorted(found.items(), key=lambda pair: -pair[1].tottime)
    for name, each in costly[:SHOWN]:
        calls = int(each.ncalls.partition("/")[0]) / units
        place = f"{_short(each.file_name)}:{each.line_number}" if each.line_number else ""
        yield f"{calls:9.2f} {each.tottime / units * 1e6:9.2f}  {name} {place}"


def _name(code: CodeType) -> str:
    return f"{code.co_qualname} {_short(code.co_filename)}:{code.co_firstlineno}"


def _short(file: str) -> str:
    path = Path(file)
    if path.is_relative_to(ROOT):
        return str(path.relative_to(ROOT))
    return "/".join(path.parts[-2:])
