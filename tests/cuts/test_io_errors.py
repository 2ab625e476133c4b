"""Every operation of the disk fails in turn, while a ledger is opened after a kill and worked on.

Each time the caller gets an answer, or one of the two errors that say what is known of the outcome;
when the fault is gone the same ledger goes on, and nothing acknowledged is lost, not by a power cut
then either.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from tests import figures
from tests.cuts.cutting import disk_at
from tests.cuts.disk import Kind
from tests.cuts.faults import NEVER, Fault, Manner, Sweep, judge, sweep, work
from tests.cuts.recovery import KILL, State, state_of
from tests.cuts.replay import replay
from tests.cuts.runs import Run, folder_in_memory, perform, settings_of
from tests.cuts.vfs import RecordingFiles, Verb

SEED, SEEDS_FULL = "13", ("13", "50", "52")
FEW = (Manner.ONCE, Manner.FROM_THEN_ON, Manner.FULL)
LATER = 24
LOG = "ledger.sqlite-wal"


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_in_memory() as given:
        yield given


def commits(run: Run) -> list[int]:
    """Where SQLite's log is synced right after it was written."""
    kinds = [(operation.kind, operation.name) for operation in run.operations]
    pair = ((Kind.WRITE, LOG), (Kind.SYNC, LOG))
    return [at for at, found in enumerate(pairwise(kinds), start=1) if found == pair]


def killed_in_a_commit(seed: str, folder: Path) -> tuple[Run, State]:
    """A run, and what it left when it was killed between the write of a commit and its sync."""
    (folder / seed).mkdir()
    run = perform(settings_of(seed), folder / seed)
    acknowledged, _ = run.acknowledged[-LATER]
    cut = max(at for at in commits(run) if at < acknowledged)
    return run, state_of(run, cut, KILL, disk_at(run.operations, cut))


def sweep_all(seed: str, folder: Path, manners: Collection[Manner], *, longer: bool) -> Sweep:
    run, state = killed_in_a_commit(seed, folder)
    found = sweep(run, state, folder / seed, manners, longer=longer)
    print(f"seed {seed}: {found.operations} operations, each failed: {found}")
    assert sum(found.verbs.values()) == found.operations
    assert (found.tally.lost, found.tally.damaged, found.tally.findings) == (0, 0, [])
    assert set(found.errors) == {"DatabaseUnavailable", "OutcomeUnknown"}
    assert found.verbs.keys() >= {Verb.OPEN, Verb.READ, Verb.WRITE, Verb.SYNC, Verb.SIZE}
    return found


def record(found: list[Sweep]) -> None:
    figures.record(
        "I/O errors: operations failed in turn",
        sum(each.sessions for each in found),
        unit=f"failures, all of {sum(each.operations for each in found)} operations",
        found="0 lost",
    )


def test_every_operation_can_fail_and_nothing_acknowledged_is_lost(folder: Path) -> None:
    record([sweep_all(SEED, folder, FEW, longer=False)])


@pytest.mark.full
def test_every_operation_of_longer_work_can_fail_in_every_manner(folder: Path) -> None:
    record([sweep_all(seed, folder, tuple(Manner), longer=True) for seed in SEEDS_FULL])


def test_a_failed_sync_that_is_believed_at_the_next_opening_is_caught(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teeth: the second sync of the same bytes succeeds and writes nothing."""
    run, state = killed_in_a_commit(SEED, folder)
    (folder / "states").mkdir()

    def losing() -> int:
        at_opening = Fault(0, Manner.ONCE)
        session = work(run, state, at_opening, folder / SEED, longer=False)
        assert at_opening.verb == Verb.SYNC
        return judge(session, state, folder / "states").losing

    assert losing() == 0
    monkeypatch.setattr(RecordingFiles, "forgets", False)
    assert losing() > 0


def test_a_sync_that_fails_at_commit_leaves_the_outcome_unknown(folder: Path) -> None:
    """Never an acknowledgement, and never the claim that nothing was changed."""
    run, state = killed_in_a_commit(SEED, folder)
    nothing = Fault(NEVER, Manner.ONCE)
    work(run, state, nothing, folder / SEED, longer=False)
    pair = ((Verb.WRITE, LOG), (Verb.SYNC, LOG))
    syncs = [at for at, found in enumerate(pairwise(nothing.seen), start=1) if found == pair]

    for sync in syncs:
        fault = Fault(sync, Manner.ONCE)
        session = work(run, state, fault, folder / SEED, longer=False)
        assert session.errors == {"OutcomeUnknown": 1}, session.run.name
    assert len(syncs) >= 2


@pytest.mark.parametrize("longer", [False, True])
def test_a_state_after_an_error_is_made_again_by_its_name(folder: Path, *, longer: bool) -> None:
    run, state = killed_in_a_commit(SEED, folder)
    again = work(run, state, Fault(9, Manner.FROM_THEN_ON), folder / SEED, longer=longer).run

    for cut, number in ((again.acknowledged[0][0], "0"), (len(again.operations), "uncut")):
        name = f"{again.name}/{cut}/{number}"
        assert replay(name, folder / number) == f"{name}: 0 promises lost"
        assert (folder / number / "ledger.sqlite").stat().st_size > 0
