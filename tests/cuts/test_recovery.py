"""The product comes back from whatever a cut or a kill left, and a second cut may follow.

A kill is the worse beginning: the next process sees commits that are written and not yet durable.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

import pytest

from tests import figures
from tests.cuts.cutting import Tally, disk_at, examine
from tests.cuts.disk import Kind
from tests.cuts.recovery import KILL, recover, state_of
from tests.cuts.replay import replay
from tests.cuts.runs import Run, folder_in_memory, perform, settings_of
from tests.cuts.vfs import RecordingFiles

ENDS, ENDS_FULL = 14, 120
STATES_EACH = 60
SEED, SEEDS_FULL = "5", ("5", "40", "41", "wide 42")


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_in_memory() as given:
        (given / "states").mkdir()
        yield given


def run_of(seed: str, folder: Path) -> Run:
    (folder / seed).mkdir()
    return perform(settings_of(seed), folder / seed)


def cut_recoveries(run: Run, ends: Iterable[tuple[int, str]], folder: Path) -> tuple[int, Tally]:
    """Recover from each end of the run, and cut the power at each operation of the recovery."""
    total, recoveries = Tally(), 0
    for cut, number in ends:
        state = state_of(run, cut, number, disk_at(run.operations, cut))
        again = recover(run, state, folder / run.name)
        assert not (again.operations == [] and again.acknowledged)
        total += examine(again, folder / "states", states=STATES_EACH, start=state.disk)
        recoveries += 1
    return recoveries, total


def ends_of(run: Run, many: int) -> list[tuple[int, str]]:
    """A third of the kills fall between the write of a commit and its sync, the rest anywhere."""
    dice = Random(run.name)  # noqa: S311 - the same in every run
    before_sync = [cut for cut, o in enumerate(run.operations) if o.kind is Kind.SYNC]
    cuts = dice.choices(range(len(run.operations) + 1), k=many - many // 3)
    kills = [(cut, KILL) for cut in cuts[::2] + dice.sample(before_sync, many // 3)]
    return kills + [(cut, str(number)) for number, cut in enumerate(cuts[1::2])]


def test_a_second_cut_during_the_recovery_loses_nothing(folder: Path) -> None:
    run = run_of(SEED, folder)

    recoveries, total = cut_recoveries(run, ends_of(run, ENDS), folder)

    print(f"seed {SEED}: {recoveries} recoveries, {total}")
    check_and_record(recoveries, total)


@pytest.mark.full
def test_a_second_cut_during_any_of_many_recoveries_loses_nothing(folder: Path) -> None:
    recoveries, total = 0, Tally()
    for seed in SEEDS_FULL:
        run = run_of(seed, folder)
        more, found = cut_recoveries(run, ends_of(run, ENDS_FULL), folder)
        recoveries, total = recoveries + more, total + found
    print(f"seeds {', '.join(SEEDS_FULL)}: {recoveries} recoveries, {total}")
    check_and_record(recoveries, total)


def check_and_record(recoveries: int, total: Tally) -> None:
    assert (total.lost, total.damaged, total.findings) == (0, 0, [])
    assert total.states >= recoveries * STATES_EACH
    figures.record("Recoveries after a cut or a kill", recoveries, unit="recoveries")
    figures.record(
        "Second power cuts, during the recovery", total.states, unit="crash states", found="0 lost"
    )


def test_what_a_killed_process_had_not_synced_is_made_durable_before_it_is_acknowledged(
    folder: Path,
) -> None:
    """A retry is answered from SQLite's log, which the dead process may not have synced."""
    run = run_of(SEED, folder)
    last_sync = max(cut for cut, _ in run.acknowledged) - 1
    assert run.operations[last_sync].kind is Kind.SYNC
    state = state_of(run, last_sync, KILL, disk_at(run.operations, last_sync))

    again = recover(run, state, folder / run.name)

    assert again.before.commands == run.promises(last_sync).commands
    assert len(again.acknowledged) > 2
    at, first_new = again.acknowledged[2]
    assert first_new not in again.before.commands
    assert "SYNC" in [o.kind.name for o in again.operations[:at] if o.name.endswith("-wal")]


def test_a_recovery_that_does_not_sync_what_it_finds_is_caught(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The teeth of the tests above."""
    run = run_of(SEED, folder)
    before_sync = [cut for cut, o in enumerate(run.operations) if o.kind is Kind.SYNC][-12:-4]
    monkeypatch.setattr(RecordingFiles, "syncs", False)
    monkeypatch.setattr(RecordingFiles, "forgets", False)

    _, found = cut_recoveries(run, [(cut, KILL) for cut in before_sync], folder)

    assert found.losing > 10


def test_a_state_of_a_recovery_is_made_again_by_its_name(folder: Path) -> None:
    run = run_of(SEED, folder)
    state = state_of(run, 300, "2", disk_at(run.operations, 300))
    again = recover(run, state, folder / run.name)

    assert replay(f"{again.name}/9/1", folder / "again") == f"{SEED}/300/2/9/1: 0 promises lost"
    assert (folder / "again" / "ledger.sqlite").stat().st_size > 0
