"""The doctor: every fault that a ledger can have is found, and nothing is ok that was not seen."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.adopting import ADOPTION_TAG, Known, adopt_mark
from api.checkup import Status
from api.client_errors import ReceiptRefused
from api.desk import Hand, Order, send
from api.disk import DiskGuard
from api.doctor import Diagnosis, examine, read_promise
from api.folder import LedgerFolder
from api.healing import heal
from api.house import House
from ledger.clock import FixedClock
from ledger.errors import MarkNotAdopted, WriteLocked
from ledger.log.standing import Class
from ledger.proof.keys import verify
from ledger.rules.canonical import encode
from ledger.rules.text import b64decode
from tests.cli.running import Program
from tests.restore.making import SECOND_US, Run, Told, copy_of, published, put_back

NEVER_SEEN = {"mirror", "clock drift"}


def status_of(found: Diagnosis, name: str) -> Status:
    worst = [Status.OK, Status.WARNING, Status.UNKNOWN, Status.WRONG]
    return max((c.status for c in found.checks if c.name == name), key=worst.index)


def examined(told: Told, **more: Any) -> Diagnosis:
    with told.run.open(mirror=more.pop("mirror", None)) as house:
        return examine(house, **more)


def test_a_healthy_ledger_is_ok_but_for_what_was_not_seen(told: Told) -> None:
    found = examined(told)

    assert {c.name for c in found.checks if c.status is not Status.OK} == NEVER_SEEN
    assert {c.status for c in found.checks if c.name in NEVER_SEEN} == {Status.UNKNOWN}
    assert found.standing is not None
    assert found.standing.klass is Class.SAME
    assert found.document()["wrong"] == 0


def test_a_mirror_that_was_asked_is_ok(told: Told) -> None:
    found = examined(told, mirror=told.mirror)

    assert status_of(found, "mirror") is Status.OK


def test_a_mirror_that_does_not_answer_is_wrong_and_never_ok(told: Told) -> None:
    found = examined(told, mirror=told.mirror + "-gone")

    assert status_of(found, "mirror") is Status.UNKNOWN
    assert status_of(found, "standing") is Status.WRONG
    assert found.standing is not None
    assert found.standing.klass is Class.BLIND


@pytest.mark.parametrize("name", ["keys", "keys/operator.pem", "vault"])
def test_private_files_that_others_can_read_are_wrong(told: Told, name: str) -> None:
    path = told.run.folder / name
    path.chmod(path.stat().st_mode | 0o004)

    found = examined(told)

    assert status_of(found, "file modes") is Status.WRONG
    assert any(str(path) in c.found for c in found.checks)


def test_a_mark_that_others_can_write_is_wrong(told: Told, state: Path) -> None:
    (mark,) = state.rglob("mark")
    mark.chmod(0o666)

    assert status_of(examined(told), "file modes") is Status.WRONG


def test_keys_that_are_not_there_are_told(told: Told) -> None:
    shutil.rmtree(told.run.folder / "keys")

    found = examined(told)

    assert status_of(found, "file modes") is Status.WARNING
    assert status_of(found, "checkpoint key") is Status.WRONG


def test_another_checkpoint_key_is_wrong(told: Told) -> None:
    keys = told.run.folder / "keys"
    shutil.copyfile(keys / "receipt.pem", keys / "checkpoint.pem")

    assert status_of(examined(told), "checkpoint key") is Status.WRONG


def test_a_clock_behind_the_last_entry_is_wrong(told: Told) -> None:
    told.run.clock = FixedClock(told.run.clock.now() - 10_000 * SECOND_US)

    found = examined(told)

    (clock,) = [c for c in found.checks if c.name == "clock"]
    assert (clock.status, clock.found) == (Status.WRONG, "10000 s behind the last entry")


def test_a_disk_that_is_low_is_wrong(told: Told) -> None:
    with told.run.open() as house:
        house.disk = DiskGuard([told.run.folder], floor=1 << 62)
        assert status_of(examine(house), "disk space") is Status.WRONG


def test_a_disk_that_is_not_there_could_not_be_checked(told: Told) -> None:
    with told.run.open() as house:
        house.disk = DiskGuard([told.run.folder / "none"])
        assert status_of(examine(house), "disk space") is Status.UNKNOWN


def test_unpublished_entries_are_a_warning_until_their_receipts_are_due(told: Told) -> None:
    with told.run.open() as house:
        told.run.step(house)
        house.runner.catch_up()
        assert status_of(examine(house), "unpublished") is Status.WARNING
        told.run.clock.advance(61 * SECOND_US)
        assert status_of(examine(house), "unpublished") is Status.WRONG


def test_views_behind_are_a_warning_and_views_of_another_log_are_wrong(told: Told) -> None:
    with told.run.open() as house:
        told.run.step(house)
        house.publisher.publish()
        assert status_of(examine(house), "views") is Status.WARNING
    with closing(sqlite3.connect(told.run.folder / "ledger.sqlite")) as link:
        link.execute("UPDATE view_position SET size = 10000")
        link.commit()
    assert status_of(examined(told), "views") is Status.WRONG


def test_an_older_copy_is_wrong_and_what_it_lost_for_good_is_told(told: Told) -> None:
    put_back(told.copies[2], told.run.folder)
    assert status_of(examined(told), "standing") is Status.WRONG
    with told.run.open(mirror=told.mirror) as house:
        heal(house)
        found = examine(house)

    assert status_of(found, "standing") is Status.OK
    assert status_of(found, "sealed values") is Status.WARNING


def test_a_mark_that_cannot_be_read_is_wrong(told: Told, state: Path) -> None:
    (mark,) = state.rglob("mark")
    mark.write_text("nonsense", encoding="ascii")

    found = examined(told)

    assert status_of(found, "standing") is Status.WRONG
    assert found.standing is None


def test_a_server_of_postgresql_is_asked_for_its_settings(
    tmp_path: Path, state: Path, postgres_url: str
) -> None:
    run = Run(tmp_path / "pg", seed="doctor-pg", database=postgres_url)
    with run.open() as house:
        house.runner.catch_up()
        found = examine(house)

    names = {c.name for c in found.checks}
    assert {"fsync", "full_page_writes", "synchronous_commit", "data_sync_retry"} <= names
    assert status_of(found, "fsync") is Status.OK
    assert status_of(found, "synchronous_standby_names") is Status.WARNING
    # Its disk is not ours to see.
    assert status_of(found, "disk space") is Status.UNKNOWN
    assert found.document()["wrong"] == 0


# Receipts


def promised(run: Run, house: House) -> dict[str, Any]:
    """The receipt of one more entry, which is never published."""

    run.count += 1
    hands = [Hand("shop", "owner", house.signer("shop"))]
    body = {"class": "virtual-equipment", "item": f"cards/promised-{run.count}"}
    accepted = send(
        house, Order("register-item/1", hands, body, seal={"name": ("shop", "a sword")})
    )
    return accepted.receipt.document()


@pytest.fixture
def receipt(told: Told, tmp_path: Path) -> Path:
    """A receipt whose entry the database of `told` no longer holds."""
    before = copy_of(told.run.folder, tmp_path / "before")
    with told.run.open() as house:
        document = promised(told.run, house)
    put_back(before, told.run.folder)
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_receipt_for_what_is_not_there_is_an_incident(told: Told, receipt: Path) -> None:
    found = examined(told, receipts=[receipt])

    assert found.standing is not None
    assert found.standing.klass is Class.PROMISED
    assert found.standing.evidence["promised_index"] == told.size
    assert status_of(found, "standing") is Status.WRONG


def test_a_receipt_for_another_entry_in_that_place_is_one_too(told: Told, receipt: Path) -> None:
    with told.run.open() as house:
        told.run.step(house, word="other")

    found = examined(told, receipts=[receipt])

    assert found.standing is not None
    assert found.standing.klass is Class.PROMISED
    assert found.standing.evidence["found_leaf"] is not None


def test_a_receipt_that_was_kept_is_ok(told: Told, tmp_path: Path) -> None:
    with told.run.open() as house:
        document = promised(told.run, house)
        house.publisher.publish()
        house.runner.catch_up()
    path = tmp_path / "receipt.json"
    path.write_text(json.dumps(document), encoding="utf-8")

    assert status_of(examined(told, receipts=[path]), "standing") is Status.OK


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_what_is_no_receipt_could_not_be_checked(told: Told, tmp_path: Path, text: str) -> None:
    path = tmp_path / "receipt.json"
    path.write_text(text, encoding="utf-8")

    found = examined(told, receipts=[path])

    assert status_of(found, "receipt") is Status.UNKNOWN
    assert status_of(found, "standing") is Status.OK


def test_a_receipt_whose_leaf_was_never_signed_is_refused(told: Told, receipt: Path) -> None:
    document = json.loads(receipt.read_text(encoding="utf-8"))
    document["leaf"] = "00" * 32
    receipt.write_text(json.dumps(document), encoding="utf-8")

    with told.run.open() as house, pytest.raises(ReceiptRefused) as refused:
        read_promise(house, receipt)

    assert (refused.value.step, refused.value.receipt) == ("path", document)


def test_a_forged_receipt_accuses_nobody(told: Told, receipt: Path) -> None:
    document = json.loads(receipt.read_text(encoding="utf-8"))
    document["leaf"] = "00" * 32
    receipt.write_text(json.dumps(document), encoding="utf-8")

    found = examined(told, receipts=[receipt])

    assert status_of(found, "receipt") is Status.UNKNOWN
    assert status_of(found, "standing") is Status.OK


# Adopting a mark


@pytest.fixture
def blind(told: Told, state: Path) -> Told:
    """A ledger whose mark is lost."""
    shutil.rmtree(state)
    return told


def test_without_a_mark_nothing_is_written_or_signed(blind: Told) -> None:
    with blind.run.open() as house:
        with pytest.raises(WriteLocked) as refused:
            blind.run.step(house)
        assert refused.value.evidence["class"] == "R5"
        assert refused.value.evidence["lacks"] == "mark"


def test_a_mark_is_adopted_by_a_mirror_that_goes_no_further(blind: Told) -> None:
    with blind.run.open(mirror=blind.mirror) as house:
        standing, file = adopt_mark(house, reason="the disk of the state folder died")
        assert standing.klass is Class.SAME
        blind.run.step(house)
        assert house.publisher.publish() is not None
        operator = house.signer("operator")
    document = json.loads(Path(file).read_text(encoding="utf-8"))
    said, (sig,) = document["adoption"], document["sigs"]

    assert (said["size"], said["mirror"]) == (blind.size, blind.mirror)
    assert said["reason"] == "the disk of the state folder died"
    verify(
        "ed25519",
        public=operator.public,
        signature=b64decode(sig["sig"], field="sig"),
        message=ADOPTION_TAG + encode(said),
    )


def test_a_mark_is_adopted_by_size_and_root_from_elsewhere(blind: Told) -> None:
    with blind.run.open() as house:
        latest = published(house)
        known = Known(latest.size, latest.root.hex())
        standing, _ = adopt_mark(house, reason="moved to another machine", known=known)

    assert standing.klass is Class.SAME


def test_no_mark_is_adopted_without_anything_known_from_elsewhere(blind: Told) -> None:
    with blind.run.open() as house:
        latest = published(house)
        wrong = (
            None,
            Known(latest.size - 1, latest.root.hex()),
            Known(latest.size, "00" * 32),
        )
        for known in wrong:
            with pytest.raises(MarkNotAdopted):
                adopt_mark(house, reason="in a hurry", known=known)
        with pytest.raises(MarkNotAdopted, match="--reason"):
            adopt_mark(house, reason=" ", known=Known(latest.size, latest.root.hex()))
        assert house.mark.read() is None


def test_a_mark_that_exists_is_never_replaced(told: Told) -> None:
    with told.run.open(mirror=told.mirror) as house, pytest.raises(MarkNotAdopted) as refused:
        adopt_mark(house, reason="because")

    assert refused.value.evidence["class"] == "R1"


def test_an_older_copy_gets_no_mark_while_a_mirror_goes_further(blind: Told) -> None:
    put_back(blind.copies[3], blind.run.folder)

    with blind.run.open(mirror=blind.mirror) as house:
        with pytest.raises(MarkNotAdopted) as refused:
            adopt_mark(house, reason="because")
        assert refused.value.evidence["class"] == "R3"
        recovery = heal(house)
        assert recovery.standing.klass is Class.BLIND
        assert adopt_mark(house, reason="healed first")[0].klass is Class.SAME


def test_a_signer_in_another_process_adopts_its_mark_itself(blind: Told) -> None:
    with blind.run.open() as house:
        house.config = replace(house.config, signer="unix:/nowhere")
        with pytest.raises(MarkNotAdopted, match="signer's process"):
            adopt_mark(house, reason="because")


# The program


def test_the_program_ends_with_7_when_something_is_wrong(
    told: Told, state: Path, tmp_path: Path
) -> None:
    program = Program(state)
    try:
        fine = program("doctor", "--dir", told.run.folder, "--json")
        # The clock of the run is not that of this machine.
        names = {c["name"] for c in fine.document["checks"] if c["status"] == "wrong"}
        assert names <= {"clock"}
        (told.run.folder / "keys").chmod(0o755)
        ran = program("doctor", "--dir", told.run.folder)
        assert ran.code == 7
        assert "wrong" in ran.out
        assert "chmod go=" in ran.out
        usage = program("doctor", "--dir", told.run.folder, "--size", "3", "--json")
        assert (usage.code, usage.error["code"]) == (2, "usage")
        shutil.rmtree(state)
        refused = program(
            *("doctor", "--dir", told.run.folder, "--adopt-mark", "--reason", "x", "--json")
        )
        assert (refused.code, refused.error["code"]) == (2, "mark-not-adopted")
        adopted = program(
            *("doctor", "--dir", told.run.folder, "--adopt-mark", "--reason", "lost"),
            *("--mirror", told.mirror, "--json"),
        )
        assert adopted.document["standing"]["class"] == "R1"
    finally:
        program.close()


def test_reading_does_not_open_the_database_for_writing(told: Told) -> None:
    database = told.run.folder / "ledger.sqlite"
    before = database.read_bytes()
    house = LedgerFolder.open(told.run.folder, told.run.clock, read_only=True)
    with house:
        examine(house)

    assert database.read_bytes() == before
