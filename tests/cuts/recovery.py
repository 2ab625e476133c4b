"""The product coming back after a cut: it opens what is left, clients ask again, work goes on.

Two things can end a process. A power cut leaves what the disk kept; a kill leaves everything that
was written, durable or not, for the next process to see, and a power cut can come later.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ledger.application import Accepted
from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource, sqlite_snapshot
from ledger.record.schema import migrate
from tests.cuts.cutting import dice_of, lay_out
from tests.cuts.disk import Disk, Images
from tests.cuts.runs import ObservedWorld, Run, open_product
from tests.cuts.vfs import recording
from tests.worlds import SECOND_US, World

KILL = "kill"
PROCESS = "second"


@dataclass(frozen=True, slots=True)
class State:
    """What one end of a process left."""

    name: str
    cut: int
    images: Images
    """What the next process sees."""
    disk: Disk
    """With what is not durable of it."""


def state_of(run: Run, cut: int, number: str, disk: Disk) -> State:
    """Name and make the state after a number of operations: number `kill` leaves the power on.

    Args:
        run: The run that ended.
        cut: Operations done before.
        number: Which of the many states, or `kill`.
        disk: The disk after these operations.

    """
    name = f"{run.name}/{cut}/{number}"
    if number == KILL:
        return State(name, cut, disk.cache(), disk.copy())
    images = disk.cut(dice_of(name))
    return State(name, cut, images, Disk.holding(images))


def recover(run: Run, state: State, workplace: Path) -> Run:
    """Let the product recover: clients repeat what they had sent, one more command, a checkpoint.

    Args:
        run: The run that ended.
        state: What it left.
        workplace: The folder of that run, with its vault.

    Returns:
        What the recovery wrote and promised, on top of what was promised before.

    """
    folder = laid_out(state, workplace)
    with recording(state.name.encode()) as vfs:
        again = Run(state.name, vfs.operations, run.oracle, before=run.promises(state.cut))
        with open_product(folder, vfs) as engine:
            migrate(engine)
            world = ObservedWorld(engine, folder / "vault", again, seed=run.name, process=PROCESS)
            go_on(world, run, state)
            _audit(world, folder / "db" / "ledger.sqlite")
    return again


def laid_out(state: State, workplace: Path) -> Path:
    """Make a folder anew that holds what the next process finds: the database and the vault."""
    folder = workplace / "next"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "db").mkdir(parents=True)
    lay_out(state.images, folder / "db")
    # The next process keeps a mark of its own: that of the run knows what came after the cut.
    ignored = shutil.ignore_patterns("*.mark*")
    shutil.copytree(workplace / "vault", folder / "vault", ignore=ignored)
    return folder


def go_on(world: World, run: Run, state: State) -> None:
    """Repeat what clients do not know to be answered, go on with a new command, and publish."""
    world.clock.advance(len(run.batches) * SECOND_US)
    for submission in run.repeated(state.cut):
        (outcome,) = world.send(submission)
        assert isinstance(outcome, Accepted), (state.name, outcome)
    world.register("newcomer")
    assert world.publish() is not None, state.name


def _audit(world: World, path: Path) -> None:
    with sqlite_snapshot(path) as query:
        report = audit(DatabaseSource(query), world.vkey)
    assert report.verdict == "valid", report.document()
