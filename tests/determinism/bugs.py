"""Planted bugs: known-bad changes, each of which the simulation must find within some seeds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import count, islice
from typing import Any
from unittest.mock import patch

from ledger.application import Ledger
from ledger.log import files
from ledger.log.gate import Gate
from ledger.log.mark import Mark
from ledger.log.reread import Rereading
from ledger.log.standing import Class, Standing
from ledger.record.draft import Draft, Tip
from ledger.record.errors import HeadMoved, OutcomeUnknown
from ledger.record.facts import Batch, Checkpoint, CommandKey, HeadRow, SealedEntry
from ledger.rules.entries import Entry, read_entry
from tests.determinism import world
from tests.determinism.judge import Violation
from tests.determinism.node import MARK
from tests.determinism.options import STANDBY, Options, expand
from tests.determinism.running import run_seed
from tests.determinism.server import Server, Session
from tests.determinism.simdb import SimDatabase
from tests.determinism.simdisk import SimDisk
from tests.determinism.simrecorder import SimRecorder
from tests.determinism.world import Fitting

Patches = Callable[[], Any]
HALF = 0.5


def any_seed(_options: Options) -> bool:
    return True


def several_nodes(options: Options) -> bool:
    return options.nodes > 1


def with_standby(options: Options) -> bool:
    return all(kind in options.rates for kind in STANDBY)


def with_flip(options: Options) -> bool:
    return options.disaster == "flip"


def with_restore(options: Options) -> bool:
    return options.disaster == "restore"


@dataclass(frozen=True)
class Bug:
    """A change for the worse, and what must notice it."""

    name: str
    rules: tuple[str, ...]
    seeds: int
    fitting: Fitting = field(default_factory=Fitting)
    patches: Patches = nullcontext
    # Seeds in which it could matter; the others would only cost time.
    fits: Callable[[Options], bool] = any_seed


def seeds_until_found(bug: Bug) -> tuple[int, str]:
    """Play seeds with the bug until one fails.

    Returns:
        How many seeds it took, and the rule that was broken; 0 and nothing if none failed.

    """
    fitting = (seed for seed in count() if bug.fits(expand(seed)))
    for played, seed in enumerate(islice(fitting, bug.seeds), start=1):
        try:
            with bug.patches():
                run_seed(seed, bug.fitting)
        except Violation as found:
            return played, found.rule
    return 0, ""


# The database and what the writer believes of it


class EagerServer(Server):
    """Says yes while the commit is still on its way to the disk."""

    def apply(self, session: Session) -> None:
        if self.dice.random() < HALF:
            super().apply(session)


class ForgetfulServer(Server):
    """Has not synced its last commits when it goes down."""

    def restart(self) -> None:
        super().restart()
        size = max(self.database.head.size - self.dice.randint(0, 3), 1)
        shown = self.database.latest()
        self.database.cut(max(size, shown.size if shown else 1), size)


class Trusting(SimRecorder):
    """Takes no answer for a yes."""

    def append(self, batch: Batch) -> None:
        with suppress(OutcomeUnknown):
            super().append(batch)


class Careless(SimRecorder):
    """Does not compare the head; the unique keys are still there."""

    def _compare_head(self, expected: HeadRow) -> None:
        pass


class Stubborn(SimRecorder):
    """Moves a batch behind the others' entries instead of having it decided again."""

    def append(self, batch: Batch) -> None:
        try:
            super().append(batch)
        except HeadMoved as moved:
            head, by = moved.found, moved.found.size - batch.size
            moved_batch = replace(
                batch,
                size=head.size,
                leaf=head.leaf,
                epoch=head.epoch,
                entries=tuple(one._replace(index=one.index + by) for one in batch.entries),
                commands=tuple(one._replace(index=one.index + by) for one in batch.commands),
                disclosures=tuple(one._replace(index=one.index + by) for one in batch.disclosures),
            )
            super().append(moved_batch)


class Amnesiac(SimRecorder):
    """Does not know which commands are recorded, and has no key on them."""

    def look_up(
        self, names: Any, streams: Collection[str]
    ) -> tuple[list[CommandKey], list[SealedEntry]]:
        return [], super().look_up((), streams)[1]

    def find_command(self, by: str, id: str) -> None:  # noqa: A002
        return None

    def append(self, batch: Batch) -> None:
        known = self.database.commands
        free = tuple(one for one in batch.commands if (one.by, one.id) not in known)
        super().append(replace(batch, commands=free))


class Overwriting(SimRecorder):
    """Stores a checkpoint without asking which one it follows."""

    def put_checkpoint(
        self, size: int, note: bytes, previous_size: int | None, **_check: object
    ) -> None:
        with self.link.writing("put checkpoint", "published") as transaction:
            row = (previous_size, Checkpoint(size, note))
            transaction.changes.append(lambda: self.database.checkpoints.update({size: row}))


class Hasty(SimRecorder):
    """Does not wait until the standby has what is answered and signed."""

    def settle(self, head: HeadRow) -> None:
        pass


# The writer, the publisher and the mark


@contextmanager
def _no_keys() -> Iterator[None]:
    """Neither the head nor a key is looked at: two histories in one table."""
    with (
        patch.object(SimDatabase, "check_append", lambda *_: None),
        patch.object(SimRecorder, "_compare_head", lambda *_: None),
    ):
        yield


def _keep_the_tip() -> Any:
    return patch.object(Tip, "forget", lambda _tip: None)


def _no_second_look() -> Any:
    whole = Ledger._check_read

    def check(self: Ledger, decided: Any, draft: Draft, **_alone: bool) -> None:
        whole(self, decided, draft, alone=True)

    return patch.object(Ledger, "_check_read", check)


def _own_clock() -> Any:
    whole = Tip.draft

    def draft(tip: Tip) -> Draft:
        return replace(whole(tip), at=0)

    return patch.object(Tip, "draft", draft)


def _no_mark() -> Any:
    return patch.object(Mark, "advance", lambda *_args, **_more: None)


def _no_sync() -> Any:
    return patch.object(SimDisk, "fsync", lambda *_args: None)


def _mark_after_the_folder() -> Any:
    """The name of the mark is not made durable."""
    return patch.object(files, "sync_folder", lambda _folder: None)


def _no_rereading() -> Any:
    def take(self: Rereading, row: SealedEntry) -> Entry:
        self._state.next_index = row.index + 1
        return read_entry(row.entry)._replace(leaf=row.leaf.hex())

    return patch.object(Rereading, "take", take)


def _open_gate() -> Any:
    return patch.object(Gate, "look", lambda *_: Standing(Class.SAME, 0, {}))


def _restored_mark() -> Any:
    whole = world.restore

    def restore(sim: world.Simulation) -> bool:
        done = whole(sim)
        if done:
            sim.disk.put(MARK, sim.template.mark)
        return done

    return patch.object(world, "restore", restore)


LOST = (
    *("acknowledged before durable", "acknowledged and lost", "an answer nobody gave"),
    "acknowledged and not replicated",
)
BUGS = (
    Bug("acknowledge before the commit", LOST, 10, Fitting(server=EagerServer)),
    Bug(
        "no sync of commits",
        (*LOST, "gapless", "locked without a reason", "a sound log was refused", "owners"),
        25,
        Fitting(server=ForgetfulServer),
    ),
    Bug("take no answer for a yes", LOST, 25, Fitting(recorder=Trusting)),
    Bug(
        "skip the head check",
        ("undocumented error",),
        10,
        Fitting(recorder=Careless),
        fits=several_nodes,
    ),
    Bug("skip the head check and the keys", ("gapless",), 10, patches=_no_keys, fits=several_nodes),
    Bug(
        "retry without deciding again",
        ("columns", "undocumented error"),
        10,
        Fitting(recorder=Stubborn),
        fits=several_nodes,
    ),
    Bug(
        "keep the tip after an error",
        ("liveness", "undocumented error", "refused wrongly", "refused though recorded"),
        25,
        patches=_keep_the_tip,
    ),
    Bug(
        "refuse without looking at the head again",
        ("refused wrongly", "refused though recorded"),
        60,
        patches=_no_second_look,
        fits=several_nodes,
    ),
    Bug(
        "answer what the standby may lack",
        ("acknowledged and not replicated", "signed and not replicated"),
        25,
        Fitting(recorder=Hasty),
        fits=with_standby,
    ),
    Bug(
        "forget what is recorded",
        ("refused though recorded", "exactly once"),
        10,
        Fitting(recorder=Amnesiac),
    ),
    Bug("time entries by the own clock alone", ("time",), 10, patches=_own_clock),
    Bug("sign without a mark", ("signed before the mark",), 5, patches=_no_mark),
    Bug("no sync of the mark", ("signed before the mark",), 5, patches=_no_sync),
    Bug(
        "no sync of the mark's name",
        ("signed before the mark",),
        5,
        patches=_mark_after_the_folder,
    ),
    Bug(
        "no comparison of checkpoints",
        ("one line of checkpoints",),
        25,
        Fitting(recorder=Overwriting),
        fits=several_nodes,
    ),
    Bug(
        "sign without reading back",
        ("signed after a disaster", "signed another tree"),
        25,
        patches=_no_rereading,
        fits=with_flip,
    ),
    Bug("open gate", ("written to an old copy",), 25, patches=_open_gate, fits=with_restore),
    Bug(
        "restore the mark with the database",
        ("written to an old copy", "two roots for one size", "signed after a disaster"),
        25,
        patches=_restored_mark,
        fits=with_restore,
    ),
)
