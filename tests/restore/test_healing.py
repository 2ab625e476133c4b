"""Healing an older copy from a mirror: everything public comes back, byte for byte, and signed."""

from __future__ import annotations

import json
from pathlib import Path

from api.auditing import folder_of_ledger
from api.healing import RECOVERY_TAG, heal
from ledger.log.standing import Class
from ledger.proof.audit import audit
from ledger.proof.keys import verify
from ledger.proof.report import Report
from ledger.rules.canonical import encode
from ledger.rules.text import b64decode
from tests.restore.making import Told, mirror_of, put_back, rows_of


def audited(folder: Path, vkey: str) -> Report:
    with folder_of_ledger(folder) as source:
        return audit(source, vkey)


def test_every_older_copy_heals_to_the_very_rows_that_were_lost(told: Told) -> None:
    wanted = rows_of(told.run.folder)
    for copy in told.copies:
        put_back(copy, told.run.folder)
        with told.run.open(mirror=told.mirror) as house:
            before = house.reader.size()
            recovery = heal(house)
            assert recovery.standing.klass is Class.SAME
            assert (recovery.healed.start, recovery.healed.stop) == (before, told.size)
            assert recovery.lost == len(house.recorder.lost_bodies())
        assert rows_of(told.run.folder) == wanted
        report = audited(told.run.folder, told.run.vkey)
        assert (report.verdict, report.derived, report.size) == ("valid", "yes", told.size)
        assert report.more["lost"] == recovery.lost


def test_a_healed_ledger_goes_on(told: Told) -> None:
    put_back(told.copies[2], told.run.folder)
    with told.run.open(mirror=told.mirror) as house:
        heal(house)
        told.run.step(house, word="after")
        house.runner.catch_up()
        assert house.publisher.publish() is not None

    assert audited(told.run.folder, told.run.vkey).verdict == "valid"


def test_what_is_whole_needs_no_healing_and_gets_no_record(told: Told) -> None:
    with told.run.open(mirror=told.mirror) as house:
        recovery = heal(house)

    assert recovery.healed.start == recovery.healed.stop == told.size
    assert (recovery.record, recovery.lost) == (None, 0)
    assert not (told.run.folder / "recoveries").exists()


def test_the_record_is_signed_by_the_operator_and_names_what_is_lost(told: Told) -> None:
    put_back(told.copies[1], told.run.folder)
    with told.run.open(mirror=told.mirror) as house:
        before = house.reader.size()
        recovery = heal(house)
        operator = house.signer("operator")
    assert recovery.record is not None
    document = json.loads(Path(recovery.record).read_text(encoding="utf-8"))
    said, (sig,) = document["recovery"], document["sigs"]

    assert (said["from"], said["to"], said["source"]) == (before, told.size, told.mirror)
    assert len(said["lost"]) == recovery.lost > 0
    assert {each["name"] for each in said["lost"]} == {"name"}
    assert sig["key"] == operator.key_id
    verify(
        "ed25519",
        public=operator.public,
        signature=b64decode(sig["sig"], field="sig"),
        message=RECOVERY_TAG + encode(said),
    )


def test_without_the_operators_key_the_record_is_unsigned(told: Told) -> None:
    put_back(told.copies[1], told.run.folder)
    (told.run.folder / "keys" / "operator.pem").unlink()
    with told.run.open(mirror=told.mirror) as house:
        recovery = heal(house)

    assert recovery.record is not None
    assert json.loads(Path(recovery.record).read_text(encoding="utf-8"))["sigs"] == []


def test_a_mark_that_was_put_back_too_is_moved_up(told: Told, state: Path) -> None:
    """A whole machine came back: the mark is as old as the database, only the mirror knows."""
    put_back(told.copies[3], told.run.folder)
    with told.run.open() as house:
        size = house.reader.size()
        marks = [path for path in state.rglob("*") if path.is_file()]
        for mark in marks:
            mark.unlink()
        house.mark.begin()
        assert house.gate.look().klass in {Class.SAME, Class.AHEAD}
    with told.run.open(mirror=told.mirror) as house:
        assert house.gate.look().klass is Class.BEHIND
        heal(house)
        marked = house.mark.read()

    assert marked is not None
    assert size < marked.size == told.size


def test_an_older_mirror_heals_as_far_as_it_goes(told: Told, tmp_path: Path) -> None:
    put_back(told.copies[4], told.run.folder)
    with told.run.open() as house:
        older, reached = mirror_of(house, tmp_path / "older"), house.reader.published_size()
    put_back(told.copies[1], told.run.folder)

    with told.run.open(mirror=older) as house:
        recovery = heal(house)
        assert recovery.healed.stop == reached
        assert recovery.standing.klass is Class.BEHIND
        assert not recovery.standing.may_write
    with told.run.open(mirror=told.mirror) as house:
        assert heal(house).standing.klass is Class.SAME
