"""The doctor's checks that need no ledger: settings of a database, and the file system below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from api.checkup import Status
from api.places import check_file_system
from api.servers import check_settings

SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "synchronous_standby_names": "ANY 1 (a, b)",
    "data_sync_retry": "off",
    "data_checksums": "on",
    "server_version": "17.2",
}
FILE = {"journal_mode": "wal", "synchronous": "2", "page_size": "8192"}
MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /run tmpfs rw 0 0
host:/x /srv nfs4 rw 0 0
host:/y /srv/with\\040space cifs rw 0 0
/dev/vdb /srv/local xfs rw 0 0
broken
"""


def statuses(database: str, settings: dict[str, str | None]) -> dict[str, Status]:
    return {check.name: check.status for check in check_settings(database, settings)}


def test_a_safe_server_is_ok_throughout() -> None:
    assert set(statuses("postgresql", SAFE).values()) == {Status.OK}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "value", "status"),
    [
        ("fsync", "off", Status.WRONG),
        ("fsync", None, Status.UNKNOWN),
        ("full_page_writes", "off", Status.WRONG),
        ("synchronous_commit", "off", Status.WRONG),
        ("synchronous_commit", "local", Status.WRONG),
        ("synchronous_commit", "remote_write", Status.WRONG),
        ("synchronous_commit", "remote_apply", Status.OK),
        ("synchronous_commit", None, Status.UNKNOWN),
        ("synchronous_standby_names", "", Status.WARNING),
        ("synchronous_standby_names", None, Status.UNKNOWN),
        ("data_sync_retry", "on", Status.WRONG),
        ("data_sync_retry", None, Status.UNKNOWN),
        ("data_checksums", "off", Status.WARNING),
        ("data_checksums", None, Status.UNKNOWN),
    ],
)
def test_a_setting_of_a_server_is_judged_by_what_it_can_lose(
    setting: str, value: str | None, status: Status
) -> None:
    found = statuses("postgresql", {**SAFE, setting: value})

    assert found[setting] is status
    assert {each for name, each in found.items() if name != setting} == {Status.OK}


def test_without_a_standby_local_is_as_good_as_on() -> None:
    alone = {**SAFE, "synchronous_standby_names": "", "synchronous_commit": "local"}

    assert statuses("postgresql", alone)["synchronous_commit"] is Status.OK  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "value", "status"),
    [
        ("journal_mode", "delete", Status.WRONG),
        ("journal_mode", None, Status.UNKNOWN),
        ("synchronous", "1", Status.WRONG),
        ("synchronous", "0", Status.WRONG),
        ("synchronous", "3", Status.OK),
        ("page_size", "4096", Status.OK),
        ("page_size", "1024", Status.WARNING),
    ],
)
def test_a_setting_of_a_file_is_judged_too(setting: str, value: str | None, status: Status) -> None:
    found = statuses("sqlite", {**FILE, setting: value})

    assert found[setting] is status
    assert {each for name, each in found.items() if name != setting} == {Status.OK}


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/var/ledger.sqlite", Status.OK, "ext4"),
        ("/run/ledger.sqlite", Status.OK, "tmpfs"),
        ("/running/ledger.sqlite", Status.OK, "ext4"),
        ("/srv/ledger.sqlite", Status.WRONG, "nfs4"),
        ("/srv/with space/ledger.sqlite", Status.WRONG, "cifs"),
        ("/srv/local/ledger.sqlite", Status.OK, "xfs"),
    ],
)
def test_the_file_system_is_that_of_the_nearest_mount(
    tmp_path: Path, path: str, status: Status, kind: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS, encoding="utf-8")

    found = check_file_system(Path(path), mounts)

    assert (found.status, found.found) == (status, f"{path} lies on {kind}")


def test_a_system_that_lists_no_mounts_cannot_be_checked(tmp_path: Path) -> None:
    assert check_file_system(tmp_path, tmp_path / "none").status is Status.UNKNOWN
    (tmp_path / "mounts").write_text("", encoding="utf-8")
    assert check_file_system(tmp_path, tmp_path / "mounts").status is Status.UNKNOWN
