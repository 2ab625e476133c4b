"""Make one crash state again: `python -m tests.cuts.replay "3/412/7" FOLDER`.

Its files are written into the folder, which may not exist yet, and what the oracle says is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.cuts.cutting import dice_of, disk_at, lay_out
from tests.cuts.oracle import Damaged
from tests.cuts.recovery import recover, state_of
from tests.cuts.runs import folder_in_memory, perform, settings_of


def replay(name: str, folder: Path) -> str:
    """Write the files of one state into a new folder and say what is wrong with it.

    Args:
        name: As printed: `SEED/CUT/NUMBER`, or with a second `/CUT/NUMBER` in its recovery.
        folder: Where to write; it may not exist.

    """
    seed, *steps = name.split("/")
    folder.mkdir(parents=True)
    with folder_in_memory() as workplace:
        run = perform(settings_of(seed), workplace)
        disk = disk_at(run.operations, int(steps[0]))
        if len(steps) > 2:
            first = state_of(run, int(steps[0]), steps[1], disk)
            run = recover(run, first, workplace)
            disk = disk_at(run.operations, int(steps[2]), first.disk)
        at = int(steps[-2])
        # Reading a state changes it, and the folder is to hold it as it was.
        images = disk.cut(dice_of(name))
        lay_out(images, folder)
        judged = workplace / "judged"
        judged.mkdir()
        try:
            lost = run.oracle.losses(lay_out(images, judged), run.promises(at))
        except Damaged as damage:
            return f"{name}: {damage}"
    return f"{name}: {lost} promises lost"


if __name__ == "__main__":
    print(replay(sys.argv[1], Path(sys.argv[2])))
