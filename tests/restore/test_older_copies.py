"""Copies of a whole ledger folder, put back later: each lands in its class, nothing is signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.house import House
from ledger.errors import WriteLocked
from ledger.log.errors import SignLocked
from ledger.log.gate import Class
from tests import figures
from tests.restore.making import Run, copy_of, mirror_of, put_back

EVENTS = 60
EVERY = 10


class Told:
    """A run with a copy at every tenth event, and a mirror of its end."""

    def __init__(self, folder: Path) -> None:
        self.run = Run(folder / "ledger")
        self.copies: list[Path] = []
        with self.run.open() as house:
            for number in range(EVENTS):
                if number % EVERY == 0:
                    house.recorder.engine.dispose()
                    self.copies.append(copy_of(self.run.folder, folder / f"copy-{number}"))
                self.run.event(house)
            house.runner.catch_up()
            house.publisher.publish()
            self.mirror = mirror_of(house, folder / "mirror")
            self.size = house.reader.size()


@pytest.fixture
def told(tmp_path: Path, state: Path) -> Told:
    return Told(tmp_path)


def refuse_everything(told: Told, house: House) -> None:
    """Nothing is written, nothing is signed, whoever tries it and however often."""
    notes = list(house.reader.checkpoint_sizes())
    for _ in range(2):
        with pytest.raises(WriteLocked):
            told.run.step(house, word="late")
        with pytest.raises(SignLocked):
            house.gate.admit_signing()
    assert list(house.reader.checkpoint_sizes()) == notes


def test_every_older_copy_is_locked_and_a_mirror_decides(told: Told) -> None:
    for copy in told.copies:
        put_back(copy, told.run.folder)
        with told.run.open() as house:
            assert house.gate.standing().klass is Class.UNDECIDED
            refuse_everything(told, house)
        with told.run.open(mirror=told.mirror) as house:
            standing = house.gate.standing()
            assert standing.klass is Class.BEHIND
            assert standing.evidence["missing"] == told.size - house.reader.size()
            refuse_everything(told, house)
    figures.record("older copies put back", len(told.copies), unit="copies")


def test_the_newest_copy_goes_on(told: Told, tmp_path: Path) -> None:
    copy = copy_of(told.run.folder, tmp_path / "newest")
    put_back(copy, told.run.folder)

    with told.run.open(mirror=told.mirror) as house:
        assert house.gate.standing().klass is Class.SAME
        told.run.step(house)
        assert house.gate.look().klass is Class.AHEAD
