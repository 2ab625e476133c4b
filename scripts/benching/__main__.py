"""The command line of the benchmark; `scripts/bench` calls it.

Prints one line a target, `NAME ratio >=T` or `NAME ratio <=T`, and exits 1 on a miss.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from api.collecting import collect_seldom
from benching.bench import Bench
from benching.profile import profile
from benching.rounds import Result, measure
from benching.table import LINES
from benching.turns import Clocks, Line, NotMeasured

ROOT = Path(__file__).parents[2]
ROUNDS_LEAST = 5
ENTRIES = 200_000


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark; returns the exit code."""
    options = _options(arguments)
    shared = Path(os.environ.get("YINZHENG_SHARED") or ROOT.parent / "shared")
    # As in the program itself, for both sides of every ratio.
    collect_seldom()
    if options.processor:
        Clocks.use_processor_time()
    with Bench(options.dir, options.rounds, options.entries, options.scale, shared) as bench:
        if options.profile:
            for text in profile(_line(options.profile), bench):
                _print(text)
            return 0
        chosen = LINES if options.only is None else [_line(name) for name in options.only]
        missed = False
        for line in chosen:
            missed |= not _run(line, bench, as_json=options.json)
    return 1 if missed else 0


def _run(line: Line, bench: Bench, *, as_json: bool) -> bool:
    """Measure and print one line; return False on a miss."""
    try:
        result = measure(line, bench)
    except NotMeasured as lack:
        _print(_lacking(line, str(lack), as_json=as_json))
        return os.environ.get("YINZHENG_REQUIRE_ALL") != "1"
    _print(json.dumps(_document(result)) if as_json else _text(result))
    return result.holds


def _text(result: Result) -> str:
    line, verdict = result.line, "ok" if result.holds else "MISS"
    rounds = f"{min(result.ratios):.3f} to {max(result.ratios):.3f} in {len(result.ratios)} rounds"
    costs = f"{result.ours_us:.1f} us against {result.base_us:.1f} us"
    note = f"; {result.note}" if result.note else ""
    return f"{line.name} {result.ratio:.3f} {_bound(line)} {verdict} ({rounds}; {costs}{note})"


def _document(result: Result) -> dict[str, Any]:
    return {
        "name": result.line.name,
        "ratio": round(result.ratio, 4),
        "bound": _bound(result.line),
        "holds": result.holds,
        "rounds": [round(ratio, 4) for ratio in result.ratios],
        "ours_us": round(result.ours_us, 3),
        "base_us": round(result.base_us, 3),
        "note": result.note,
    }


def _lacking(line: Line, reason: str, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"name": line.name, "bound": _bound(line), "skipped": reason})
    return f"{line.name} - {_bound(line)} skipped ({reason})"


def _bound(line: Line) -> str:
    return f"{'<=' if line.at_most else '>='}{line.target:g}"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    # A line is of use as soon as it is known.
    sys.stdout.flush()


def _line(name: str) -> Line:
    return next(line for line in LINES if line.name == name)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    names = [line.name for line in LINES]
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure the ledger against its targets."
    )
    add = parser.add_argument
    add("--only", type=_names, metavar="NAME[,NAME]", help=f"of: {', '.join(names)}")
    add("--profile", choices=names, metavar="NAME", help="show where the time of one line goes")
    add("--rounds", type=_at_least(1), default=7, help="rounds of a line (7)")
    add("--entries", type=_at_least(100), default=ENTRIES, help="size of the large log (200000)")
    add("--json", action="store_true", help="print one JSON object a line")
    add("--processor", action="store_true", help="processor time alone: a hint on a busy machine")
    add("--dir", type=Path, default=None, help="put the databases on this disk")
    add("--scale", type=float, default=1.0, help="share of the work of a turn; below 1 only a try")
    options = parser.parse_args(arguments)
    if options.scale >= 1 and options.rounds < ROUNDS_LEAST:
        parser.error(f"the median of fewer than {ROUNDS_LEAST} rounds is no figure")
    return options


def _names(text: str) -> list[str]:
    known = {line.name for line in LINES}
    names = text.split(",")
    for name in names:
        if name not in known:
            message = f"no line is called {name}"
            raise argparse.ArgumentTypeError(message)
    return names


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < least:
            message = f"{value} is less than {least}"
            raise argparse.ArgumentTypeError(message)
        return value

    return number


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
