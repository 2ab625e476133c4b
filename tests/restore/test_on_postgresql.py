"""Older copies of a ledger on PostgreSQL: locked, healed, and whole again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.auditing import folder_of_ledger
from api.backup import make_backup
from api.healing import heal
from api.house import House
from api.restoring import restore_backup
from ledger.crashpoints import CrashPoint, arm
from ledger.errors import WriteLocked
from ledger.log.standing import Class
from ledger.proof.audit import audit
from tests.databases import fresh_postgres_database
from tests.restore.making import QUIET, Run, mirror_of, rows_in

COPIES, EVERY = 3, 10


class Died(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.fixture
def armed() -> Iterator[None]:
    yield
    arm(None)


def test_older_copies_on_postgresql_are_locked_and_heal_to_the_very_rows(
    tmp_path: Path, state: Path, postgres_server_url: str, armed: None
) -> None:
    with fresh_postgres_database(postgres_server_url) as url:
        run = Run(tmp_path / "ledger", seed="pg", database=url)
        with run.open() as house:
            for number in range(COPIES * EVERY):
                if number % EVERY == 0:
                    house.runner.catch_up()
                    make_backup(house, tmp_path / f"copy-{number}", QUIET, with_keys=True)
                run.event(house)
            house.runner.catch_up()
            house.publisher.publish()
            mirror, wanted = mirror_of(house, tmp_path / "mirror"), rows_in(house.recorder.engine)
    shutil.rmtree(run.folder)

    for number in range(0, COPIES * EVERY, EVERY):
        with fresh_postgres_database(postgres_server_url) as url:
            again = tmp_path / f"again-{number}"
            restore_backup(tmp_path / f"copy-{number}", again, QUIET, database_url=url)
            with run.open(again) as house:
                house.runner.catch_up()
                assert house.gate.look().klass is Class.UNDECIDED
                with pytest.raises(WriteLocked):
                    run.step(house, word="late")
            kill_while_healing(run, again, mirror)
            with run.open(again, mirror=mirror) as house:
                assert heal(house).standing.klass is Class.SAME
                assert rows_in(house.recorder.engine) == wanted
            with folder_of_ledger(again) as source:
                report = audit(source, run.vkey)
            assert (report.verdict, report.derived) == ("valid", "yes")


def kill_while_healing(run: Run, folder: Path, mirror: str) -> None:
    """Let the healing die between two of its batches; it stays locked."""

    def die(point: CrashPoint) -> None:
        if point is CrashPoint.RECOVERY_INSERTED:
            raise Died

    house: House
    with run.open(folder, mirror=mirror) as house:
        arm(die)
        with pytest.raises(Died):
            heal(house)
        arm(None)
    with run.open(folder) as house:
        assert not house.gate.look().may_write
