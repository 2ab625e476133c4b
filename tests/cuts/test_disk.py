"""The disk of these tests does what it says: a cut takes only what was not synced, and takes it."""

from __future__ import annotations

from random import Random

from tests.cuts.disk import SECTOR, Disk, Images, Kind, Operation

OLD, NEW = b"o" * SECTOR * 3, b"n" * SECTOR * 3
CUTS = 400


def disk_with(*operations: Operation) -> Disk:
    disk = Disk.holding({"file": OLD})
    for operation in operations:
        disk.apply(operation)
    return disk


def write(data: bytes = NEW, at: int = 0) -> Operation:
    return Operation(Kind.WRITE, "file", at, data)


def after_cuts(disk: Disk) -> list[Images]:
    dice = [Random(number) for number in range(CUTS)]  # noqa: S311 - the same in every run
    return [disk.cut(each) for each in dice]


def test_what_was_synced_survives_every_cut() -> None:
    disk = disk_with(write(), Operation(Kind.SYNC, "file"))

    assert all(images == {"file": NEW} for images in after_cuts(disk))
    assert disk.settled()


def test_what_was_not_synced_is_kept_lost_torn_and_mixed() -> None:
    disk = disk_with(write())

    left = {images["file"] for images in after_cuts(disk)}

    assert {OLD, NEW, NEW[:SECTOR] + OLD[SECTOR:], OLD[:SECTOR] + NEW[SECTOR:]} <= left
    assert len(left) > 50
    assert disk.cache() == {"file": NEW}


def test_a_write_is_spoilt_only_where_it_was_written() -> None:
    disk = disk_with(write(b"n" * 100, at=SECTOR + 50))

    for images in after_cuts(disk):
        assert images["file"][: SECTOR + 50] == OLD[: SECTOR + 50]
        assert images["file"][SECTOR + 150 :] == OLD[SECTOR + 150 :]


def test_a_file_may_be_longer_or_shorter_than_what_was_written_to_it() -> None:
    disk = disk_with(write(NEW, at=len(OLD)))

    sizes = {len(images["file"]) for images in after_cuts(disk)}

    assert min(sizes) == len(OLD)
    assert max(sizes) == len(OLD) + len(NEW)
    assert len(sizes) > 20


def test_a_truncation_may_be_lost() -> None:
    disk = disk_with(Operation(Kind.TRUNCATE, "file", 10))

    assert {len(images["file"]) for images in after_cuts(disk)} >= {10, len(OLD)}


def test_a_name_is_durable_with_its_folder() -> None:
    made = [Operation(Kind.CREATE, "log"), Operation(Kind.WRITE, "log", 0, NEW)]
    not_yet = disk_with(*made, Operation(Kind.SYNC, "log"))
    durable = disk_with(*made, Operation(Kind.SYNC, "log", folder=True))

    assert {"log" in images for images in after_cuts(not_yet)} == {True, False}
    assert {"log" in images for images in after_cuts(durable)} == {True}


def test_a_deleted_file_may_come_back() -> None:
    deleted = disk_with(Operation(Kind.DELETE, "file"))
    for_good = disk_with(Operation(Kind.DELETE, "file", folder=True))

    assert {images.get("file") for images in after_cuts(deleted)} == {OLD, None}
    assert after_cuts(for_good) == [{}] * CUTS


def test_no_later_sync_writes_what_a_failed_one_dropped() -> None:
    failed = [write(), Operation(Kind.SYNC_FAILED, "file"), Operation(Kind.SYNC, "file")]
    disk = disk_with(*failed)

    assert OLD in {images["file"] for images in after_cuts(disk)}
    assert disk.cache() == {"file": NEW}


def test_what_is_written_anew_after_a_failed_sync_is_saved() -> None:
    disk = disk_with(write(), Operation(Kind.SYNC_FAILED, "file"), write())
    disk.apply(Operation(Kind.SYNC, "file"))

    assert all(images == {"file": NEW} for images in after_cuts(disk))


def test_forgetting_shows_what_the_disk_holds_and_keeps_what_is_still_to_be_written() -> None:
    dropped = disk_with(write(), Operation(Kind.SYNC_FAILED, "file"), Operation(Kind.SYNC, "file"))
    dropped.apply(Operation(Kind.FORGET, "file"))
    waiting = disk_with(write(), Operation(Kind.FORGET, "file"))

    assert dropped.cache() == {"file": OLD}
    assert all(images == {"file": OLD} for images in after_cuts(dropped))
    assert waiting.cache() == {"file": NEW}


def test_a_copy_goes_its_own_way() -> None:
    disk = disk_with(write())
    other = disk.copy()

    other.apply(Operation(Kind.SYNC, "file"))

    assert other.settled()
    assert not disk.settled()
