"""Cutting the power at every operation of a run, many times each, and judging what is left.

A state is named `SEED/CUT/NUMBER`: the run, the number of operations done before the cut, and which
of the many things that this cut can leave; `kill` in place of the number leaves the power on. A cut
in the recovery from it adds a second cut and number. `python -m tests.cuts.replay NAME` makes it
again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.cuts.disk import Disk, Images, Operation
from tests.cuts.oracle import Damaged
from tests.cuts.runs import Run

SHOWN = 5


@dataclass(slots=True)
class Tally:
    """What was found over many states."""

    states: int = 0
    losing: int = 0
    """States in which a promise was broken."""
    lost: int = 0
    """Broken promises in all of them."""
    damaged: int = 0
    findings: list[str] = field(default_factory=list)
    """The first few bad states, by name."""

    def add(self, run: Run, name: str, cut: int, path: Path) -> None:
        """Judge one state whose files lie at `path`."""
        self.states += 1
        try:
            lost = run.oracle.losses(path, run.promises(cut))
        except Damaged as damage:
            self.damaged += 1
            self._keep(f"{name}: {damage}")
            return
        if lost:
            self.losing += 1
            self.lost += lost
            self._keep(f"{name}: {lost} promises lost")

    def __add__(self, other: Tally) -> Tally:
        """Add up two tallies."""
        return Tally(
            self.states + other.states,
            self.losing + other.losing,
            self.lost + other.lost,
            self.damaged + other.damaged,
            (self.findings + other.findings)[:SHOWN],
        )

    def _keep(self, finding: str) -> None:
        if len(self.findings) < SHOWN:
            self.findings.append(finding)


def disks(operations: Sequence[Operation], start: Disk | None = None) -> Iterator[tuple[int, Disk]]:
    """Give the disk after each number of operations; it is one disk that goes on changing."""
    disk = start.copy() if start is not None else Disk()
    yield 0, disk
    for number, operation in enumerate(operations, start=1):
        disk.apply(operation)
        yield number, disk


def disk_at(operations: Sequence[Operation], cut: int, start: Disk | None = None) -> Disk:
    """The disk after a number of operations from `start`, or from an empty disk, on."""
    disk = start.copy() if start is not None else Disk()
    for operation in operations[:cut]:
        disk.apply(operation)
    return disk


def dice_of(name: str) -> Random:
    """The dice that choose the state of this name."""
    return Random(name)  # noqa: S311 - the same dice in every run


def examine(run: Run, folder: Path, *, states: int, start: Disk | None = None) -> Tally:
    """Judge about `states` states of a run, spread over all its operations.

    Args:
        run: What was written, and when what was promised.
        folder: Where the states are laid out, one after the other.
        states: How many; a cut that can leave one state only is judged once.
        start: The disk at the start of the run; None for an empty one.

    """
    tally = Tally()
    open_cuts = sum(not disk.settled() for _, disk in disks(run.operations, start))
    for cut, disk in disks(run.operations, start):
        times = 1
        if not disk.settled():
            share = states - tally.states
            times = max(1, share // open_cuts)
            open_cuts -= 1
        for number in range(times):
            name = f"{run.name}/{cut}/{number}"
            tally.add(run, name, cut, lay_out(disk.cut(dice_of(name)), folder))
    return tally


def lay_out(images: Images, folder: Path) -> Path:
    """Write the files of one state into a folder that holds nothing else; return the database."""
    for path in folder.iterdir():
        if path.name not in images:
            path.unlink()
    for name, image in images.items():
        # What is there is written over: memory taken anew is what would cost most.
        with (folder / name).open("r+b" if (folder / name).exists() else "wb") as file:
            file.write(image)
            file.truncate()
    return folder / "ledger.sqlite"
