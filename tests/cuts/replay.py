"""Make one crash state again: `python -m tests.cuts.replay "3/412/7" FOLDER`.

Its files are written into the folder, which may not exist yet, and what the oracle says is printed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cuts.cutting import dice_of, disk_at, lay_out
from tests.cuts.disk import Disk
from tests.cuts.faults import UNCUT, fault_of, work
from tests.cuts.oracle import Damaged
from tests.cuts.recovery import recover, state_of
from tests.cuts.runs import Run, folder_in_memory, perform, settings_of


def replay(name: str, folder: Path) -> str:
    """Write the files of one state into a new folder and say what is wrong with it.

    Args:
        name: As printed: `SEED/CUT/NUMBER`; with a second `/CUT/NUMBER` in the recovery from it, or
            in the session from it whose fault is named in between.
        folder: Where to write; it may not exist.

    """
    seed, *steps, last_cut, number = name.split("/")
    cut = int(last_cut)
    folder.mkdir(parents=True)
    with folder_in_memory() as workplace:
        run, start = perform(settings_of(seed), workplace), None
        if steps:
            run, start = _second(run, steps, workplace)
        disk = disk_at(run.operations, cut, start)
        # Reading a state changes it, and the folder is to hold it as it was.
        images = disk.cache() if number == UNCUT else disk.cut(dice_of(name))
        lay_out(images, folder)
        judged = workplace / "judged"
        judged.mkdir()
        try:
            lost = run.oracle.losses(lay_out(images, judged), run.promises(cut))
        except Damaged as damage:
            return f"{name}: {damage}"
    return f"{name}: {lost} promises lost"


def _second(run: Run, steps: Sequence[str], workplace: Path) -> tuple[Run, Disk]:
    """Do what came after the first end, and give the disk that it began with."""
    cut, number, *faults = steps
    first = state_of(run, int(cut), number, disk_at(run.operations, int(cut)))
    if not faults:
        return recover(run, first, workplace), first.disk
    fault, longer = fault_of(faults[0])
    return work(run, first, fault, workplace, longer=longer).run, first.disk


if __name__ == "__main__":
    print(replay(sys.argv[1], Path(sys.argv[2])))
