"""Copies of a whole ledger folder, put back later: each lands in its class, nothing is signed."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.house import House
from ledger.errors import WriteLocked
from ledger.log.errors import SignLocked
from ledger.log.standing import Class
from tests import figures
from tests.restore.making import Told, copy_of, put_back


def refuse_everything(told: Told, house: House) -> None:
    """Nothing is written, nothing is signed, whoever tries it and however often."""
    notes = list(house.reader.checkpoint_sizes())
    for _ in range(2):
        with pytest.raises(WriteLocked):
            told.run.step(house, word="late")
        with pytest.raises(SignLocked):
            house.publisher.publish()
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
