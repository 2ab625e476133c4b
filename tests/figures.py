"""What a run of tests achieved, in numbers: crash states, kills, seeds.

`scripts/card` prints them. Nothing is written unless `YINZHENG_FIGURES` names a file.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path


def record(name: str, value: float | str, *, unit: str, found: str = "") -> None:
    """Append one figure to the file of figures.

    Args:
        name: What was counted, in a few words; the same name in every run.
        value: How many, or how much.
        unit: Of what.
        found: What the run found; empty for nothing.

    """
    path = os.environ.get("YINZHENG_FIGURES")
    if not path:
        return
    line = json.dumps({"name": name, "value": value, "unit": unit, "found": found})
    # Several test processes write to one file.
    with Path(path).open("a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(line + "\n")
