"""Plant bugs by hand: `python -m tests.planted [NAME ...]`, all of them if none is named."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.planted.planting import Plot, StalePatch, read_bugs


def main(names: list[str]) -> int:
    """Try bugs one after the other; return how many were missed."""
    missed_in_all = 0
    with tempfile.TemporaryDirectory(prefix="yz-planted-") as folder:
        plot = Plot(Path(folder) / "copy")
        for bug in read_bugs():
            if names and bug.name not in names:
                continue
            began_s = time.monotonic()
            try:
                with plot.planted(bug):
                    ran = plot.run(bug.caught_by)
                missed = ran.missed_by(bug.caught_by)
                why = " / ".join((ran.reason(node) or "")[:120] for node in bug.caught_by)
            except StalePatch as stale:
                missed, why, ran = [str(stale)], "", None
            verdict = "caught" if not missed else f"MISSED {missed}"
            print(f"{bug.name} ({time.monotonic() - began_s:.0f} s): {verdict} {why}", flush=True)
            if missed and ran is not None:
                print(ran.out[-1500:], flush=True)
            missed_in_all += bool(missed)
    return missed_in_all


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
