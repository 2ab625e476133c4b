"""Healing, backing up and restoring, each killed thirty times at each of its points.

On both databases, and with the program a process of its own each time. Sometimes what is killed
is already the second or third attempt. Between two kills the ledger is whole, or it is the
beginning of what was promised and nobody may write or sign; run again to its end, it is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from api.restoring import restore_backup
from ledger.crashpoints import CrashPoint
from ledger.errors import BackupDamaged
from ledger.log.standing import Class
from tests import figures
from tests.restore.machines import Machine, living_machine
from tests.restore.making import QUIET

pytestmark = pytest.mark.full

KILLS, EVENTS = 30, 40
IN_A_ROW = (1, 1, 2, 3)
KILLS_BETWEEN_RESTORES = 5
LOCKED = 6
HEALING = [
    CrashPoint.RECOVERY_LOCKED,
    CrashPoint.RECOVERY_READ,
    CrashPoint.RECOVERY_INSERTED,
    CrashPoint.RECOVERY_DONE,
]
EACH_BATCH = {CrashPoint.RECOVERY_READ, CrashPoint.RECOVERY_INSERTED}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def machine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    """One machine for all points: its ledger grows from test to test."""
    folder = tmp_path_factory.mktemp(request.param)
    server = None
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server_url")
    with living_machine(folder, server, events=EVENTS) as machine:
        yield machine


@pytest.mark.parametrize("point", HEALING)
def test_a_healing_killed_thirty_times_brings_everything_back(
    machine: Machine, point: CrashPoint, request: pytest.FixtureRequest
) -> None:
    random, before = Random(request.node.name), machine.kills  # noqa: S311 - the same each time
    while machine.kills < before + KILLS:
        machine.put_back(random.choice(machine.copies))
        machine.check_locked()
        for _ in range(min(random.choice(IN_A_ROW), before + KILLS - machine.kills)):
            times = machine.some_batch(random) if point in EACH_BATCH else 1
            if times:
                machine.kill(f"{point}:{times}", *machine.restore_arguments())
                machine.check_locked()

        again = machine.program(*machine.restore_arguments())

        assert again.code == 0, again
        assert again.document["standing"]["class"] == Class.SAME
        machine.check_whole()
    machine.go_on(3)
    figures.record("healings killed and run again", KILLS, unit="kills")


@pytest.mark.parametrize("point", [CrashPoint.BACKUP_COPIED, CrashPoint.BACKUP_VERIFIED])
def test_a_backup_killed_thirty_times_is_none_until_it_is_whole(
    machine: Machine, tmp_path: Path, point: CrashPoint, request: pytest.FixtureRequest
) -> None:
    random = Random(request.node.name)  # noqa: S311 - the same each time
    to, draft = tmp_path / "backup", tmp_path / ".backup.backup"
    arguments = ("backup", "--dir", machine.folder, "--to", to, "--with-keys", "--json")
    for kill in range(1, KILLS + 1):
        machine.kill(point, *arguments)

        assert not to.exists()
        machine.check_whole()
        if point is CrashPoint.BACKUP_COPIED:
            with pytest.raises(BackupDamaged):
                restore_backup(draft, tmp_path / "half", QUIET)
            assert not (tmp_path / "half").exists()
        else:
            machine.check_backup(draft)
        if kill % KILLS_BETWEEN_RESTORES and random.choice(IN_A_ROW) > 1:
            continue
        # Others write between the attempts: the backup is of what is there now.
        machine.go_on(1)
        assert machine.program(*arguments).code == 0
        assert not draft.exists()
        machine.check_backup(to)
        if kill % KILLS_BETWEEN_RESTORES == 0:
            restored = tmp_path / f"restored-{kill}"
            ran = machine.program(*restoring(machine, to, restored))
            assert ran.code == 0, ran
            assert ran.document["standing"]["class"] == Class.SAME
            machine.check_whole(restored)
        to.rename(tmp_path / f"backup-{kill}")
    figures.record("backups and restores killed and run again", KILLS, unit="kills")


def test_a_restore_killed_thirty_times_leaves_no_ledger_until_it_is_whole(
    machine: Machine, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    random, kills = Random(request.node.name), 0  # noqa: S311 - the same each time
    while kills < KILLS:
        copy, other = random.sample(machine.copies, 2)
        again = tmp_path / f"again-{kills}"
        arguments = restoring(machine, copy.backup, again)
        for _ in range(min(random.choice(IN_A_ROW), KILLS - kills)):
            machine.kill(CrashPoint.RESTORED, *arguments)
            kills += 1
            assert not again.exists()
        if copy.database is not None:
            # The killed run filled the database: nothing else may be put there now.
            refused = machine.program("restore", other.backup, *arguments[2:])
            assert (refused.code, refused.error["code"]) == (2, "ledger-exists"), refused

        restored = machine.program(*arguments)

        assert restored.code == LOCKED, restored
        assert restored.document["standing"]["class"] == Class.UNDECIDED
        machine.check_locked(again)
        mirror = ("--mirror", machine.mirror)
        healed = machine.program("restore", "--dir", again, *mirror, "--json")
        assert healed.code == 0, healed
        assert healed.document["standing"]["class"] == Class.SAME
        machine.check_whole(again)
    figures.record("backups and restores killed and run again", KILLS, unit="kills")


def test_a_machine_notices_what_is_gone_and_what_was_signed(machine: Machine) -> None:
    """What the checks above are worth: an older copy is not whole, and a mark shows who signed."""
    machine.put_back(machine.copies[0])
    with pytest.raises(AssertionError):
        machine.check_whole()
    with machine.house() as house:
        marked = house.mark.read()
        assert marked is not None
        house.mark.advance(marked)
    with pytest.raises(AssertionError, match="something was signed"):
        machine.check_locked()


def restoring(machine: Machine, backup: Path, folder: Path) -> tuple[object, ...]:
    """Name what restores a backup into a new folder, and into a database of its own."""
    arguments: tuple[object, ...] = ("restore", backup, "--dir", folder, "--json")
    url = machine.new_database()
    if url is None:
        return arguments
    file = folder.with_name(f"{folder.name}.url")
    file.write_text(url, encoding="utf-8")
    return (*arguments, "--database", f"@{file}")
