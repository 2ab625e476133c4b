"""Whatever a power cut leaves of unsynced writes, nothing acknowledged or shown is lost.

And the teeth: the same harness finds the losses of weaker settings, of disks that lie about a sync,
and of a ledger that acknowledges too early.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import figures
from tests.cuts.cutting import Tally, examine
from tests.cuts.disk import Kind
from tests.cuts.replay import replay
from tests.cuts.runs import Run, folder_in_memory, perform, settings_of

STATES, STATES_FULL = 20_000, 100_000
TEETH = 500
# (seed, share of the states)
RUNS = (("1", 0.15), ("2", 0.25), ("7", 0.25), ("13", 0.25), ("wide 4", 0.1))
RUNS_FULL = (*((str(number), 0.048) for number in range(10, 30)), ("wide 30", 0.04))


@pytest.fixture
def folder() -> Iterator[Path]:
    with folder_in_memory() as given:
        yield given


def run_of(seed: str, folder: Path) -> Run:
    (folder / seed).mkdir()
    return perform(settings_of(seed), folder / seed)


def cut_all(runs: tuple[tuple[str, float], ...], states: int, folder: Path) -> Tally:
    total = Tally()
    workplace = folder / "states"
    workplace.mkdir()
    for seed, share in runs:
        total += examine(run_of(seed, folder), workplace, states=round(states * share))
    print(f"seeds {', '.join(seed for seed, _ in runs)}: {total}")
    return total


def teeth(run: Run, folder: Path) -> Tally:
    workplace = folder / "states"
    workplace.mkdir()
    return examine(run, workplace, states=TEETH)


def check_and_record(total: Tally, states: int) -> None:
    assert (total.lost, total.damaged, total.findings) == (0, 0, [])
    assert total.states >= states
    figures.record("Power cuts on SQLite", total.states, unit="crash states", found="0 lost")


def test_no_power_cut_loses_what_was_acknowledged(folder: Path) -> None:
    check_and_record(cut_all(RUNS, STATES, folder), STATES)


@pytest.mark.full
def test_no_power_cut_loses_what_was_acknowledged_in_a_hundred_thousand(folder: Path) -> None:
    check_and_record(cut_all(RUNS_FULL, STATES_FULL, folder), STATES_FULL)


def test_the_runs_reach_what_they_are_meant_to_reach(folder: Path) -> None:
    run = run_of("wide 4", folder)

    synced = [o.name for o in run.operations if o.kind is Kind.SYNC]
    assert synced.count("ledger.sqlite") >= 5
    assert len(run.shown) >= 3
    assert max(size for _, (size, _) in run.shown) > 256
    assert len({(each.by, each.id) for _, each in run.acknowledged}) < len(run.acknowledged)


def test_synchronous_normal_is_caught_losing_acknowledged_commands(folder: Path) -> None:
    found = teeth(run_of("1 NORMAL", folder), folder)

    assert found.losing > 100
    assert found.damaged == 0
    figures.record(
        "Teeth: synchronous=NORMAL",
        found.losing,
        unit=f"of {found.states} crash states lose something",
        found="as it must",
    )


def test_a_checkpoint_signed_over_entries_that_are_not_durable_is_caught(folder: Path) -> None:
    """The mark lies elsewhere and survives: a database behind it would be locked for ever."""
    run = run_of("1 NORMAL", folder)
    run.acknowledged, run.shown = [], []

    assert teeth(run, folder).losing > 100


def test_synchronous_off_is_caught_breaking_the_database(folder: Path) -> None:
    found = teeth(run_of("1 OFF", folder), folder)

    assert found.losing > 100
    assert found.damaged > 100


def test_a_disk_that_lies_about_a_sync_is_caught(folder: Path) -> None:
    run = run_of("1", folder)
    # A write of nothing in place of each sync of SQLite's log keeps the numbers of the operations.
    run.operations = [
        replace(o, kind=Kind.WRITE) if o.kind is Kind.SYNC and o.name.endswith("-wal") else o
        for o in run.operations
    ]

    assert teeth(run, folder).losing > 100


def test_an_acknowledgement_before_the_commit_is_caught(folder: Path) -> None:
    run = run_of("1", folder)
    last_sync = 0
    synced_before = {}
    for number, operation in enumerate(run.operations):
        synced_before[number] = last_sync
        last_sync = number if operation.kind is Kind.SYNC else last_sync
    run.acknowledged = [
        (synced_before[at - 1], each) for at, each in run.acknowledged if at - 1 in synced_before
    ]

    found = teeth(run, folder)

    assert found.losing > 100
    assert found.damaged == 0


def test_the_same_seed_writes_the_same_bytes_and_a_state_can_be_made_again(folder: Path) -> None:
    first, second = folder / "first", folder / "second"
    first.mkdir()
    second.mkdir()
    settings = settings_of("1 NORMAL")
    run = perform(settings, first)
    assert run.operations == perform(settings, second).operations

    found = teeth(run, folder)

    name = found.findings[0].partition(":")[0]
    said = replay(name, folder / "again")
    assert said.startswith(found.findings[0])
