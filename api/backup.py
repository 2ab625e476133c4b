"""Backups: one folder that verified itself before it got its name, and restoring it.

In a backup: `backup.json` (what it is, and the hash of every other file), `ledger.sqlite` (the
whole ledger, whatever database it lives in), `config.json`, `vkey`, and `keys/` if that was asked
for. Never in it: the vault's keys, since a copy of them would outlive an erasure; the signer's
mark, which must be younger than any copy of the database; the address of a database, which may
hold a password.
Decision: docs/adr/0020.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from api.config import (
    KEYS_FOLDER,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    SQLITE_FILE,
    VKEY_FILE,
    write_config,
    write_whole,
)
from api.house import House
from ledger.crashpoints import CrashPoint, reach
from ledger.errors import BackupDamaged, BackupRefused
from ledger.log.files import sync_folder
from ledger.log.reader import LogReader
from ledger.proof.audit import Progress, audit
from ledger.proof.database import DatabaseSource, sqlite_snapshot
from ledger.proof.report import VALID, Report
from ledger.record.copying import close_file, copy_to_file
from ledger.record.database import open_engine
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import migrate
from ledger.rules.text import format_time
from projections.runner import Runner

LIST: Final = "backup.json"
SCHEMA: Final = 1
_LIST_BYTES_MAX: Final = 1 << 20
_BYTES_AT_ONCE: Final = 1 << 20
_FIELDS: Final = frozenset({"at", "files", "log", "root", "schema", "size", "unpublished", "vkey"})


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup, as its own list describes it."""

    folder: Path
    log: str
    vkey: str
    size: int
    unpublished: int
    root: str
    files: dict[str, str]

    @property
    def has_keys(self) -> bool:
        """Whether private keys are in it."""
        return any(name.startswith(f"{KEYS_FOLDER}/") for name in self.files)

    def document(self) -> dict[str, Any]:
        """Write it as JSON, as the commands print it."""
        return {
            "schema": SCHEMA,
            "backup": str(self.folder),
            "log": self.log,
            "size": self.size,
            "unpublished": self.unpublished,
            "root": self.root,
            "keys": self.has_keys,
            "files": len(self.files),
        }


@dataclass(frozen=True, slots=True)
class Steps:
    """Who is told about the two long steps."""

    copying: Progress
    auditing: Progress
    processes: int = 1


def make_backup(house: House, to: Path, steps: Steps, *, with_keys: bool = False) -> Backup:
    """Copy a ledger into a new folder while others go on writing to it, and verify the copy.

    Args:
        house: Open, for reading is enough.
        to: The backup's folder; must not exist. Its parent must.
        steps: Who is told how far it is.
        with_keys: Put the private keys in too.

    Raises:
        BackupRefused: The folder exists, or the copy does not verify; nothing is left behind.
        DatabaseUnavailable: The ledger cannot be read.
        OSError: A file cannot be written; run it again.

    """
    if to.exists():
        raise BackupRefused(
            "there is something in that place already", folder=str(to), do="Choose another name."
        )
    with drafting(to, "backup") as draft:
        return _make(house, to, draft, steps, with_keys=with_keys)


def _make(house: House, to: Path, draft: Path, steps: Steps, *, with_keys: bool) -> Backup:
    # Where the database is says nothing about the copy, and may hold a password.
    write_config(draft, replace(house.config, database=None))
    write_whole(draft / VKEY_FILE, f"{house.vkey}\n".encode())
    if with_keys:
        _copy_keys(house.folder / KEYS_FOLDER, draft / KEYS_FOLDER)
    copy_to_file(house.recorder.engine, draft / SQLITE_FILE, steps.copying)
    reach(CrashPoint.BACKUP_COPIED)
    bring_up(draft / SQLITE_FILE)
    report = _audited(draft, house.vkey, steps)
    if report.verdict != VALID:
        raise BackupRefused(
            "the copy does not verify, and so neither does the ledger",
            verdict=report.verdict,
            **_fault(report),
            do="Run `yinzheng audit --dir D`; keep the files as they are.",
        )
    document = {
        "at": format_time(house.clock.now()),
        "files": {name: _hash(draft / name) for name in sorted(_names(draft))},
        "log": house.origin,
        "root": report.root,
        "schema": SCHEMA,
        "size": report.size,
        "unpublished": report.unpublished,
        "vkey": house.vkey,
    }
    write_whole(draft / LIST, json.dumps(document, indent=1, sort_keys=True).encode() + b"\n")
    reach(CrashPoint.BACKUP_VERIFIED)
    give_name(draft, to)
    return read_backup(to)


def read_backup(folder: Path) -> Backup:
    """Read a backup's own list, and check that every file is there and is what it says.

    Raises:
        BackupDamaged: It is no backup, or a file is missing, surplus or another one.

    """
    path = folder / LIST
    if not path.is_file():
        raise BackupDamaged("the folder holds no backup", folder=str(folder), file=LIST)
    try:
        with path.open("rb") as file:
            document = json.loads(file.read(_LIST_BYTES_MAX))
        known = document.keys() == _FIELDS and document["schema"] == SCHEMA
        files = dict(document["files"])
    except (ValueError, AttributeError, TypeError, KeyError):
        known, files, document = False, {}, {}
    texts = [*files.values(), *(document.get(name) for name in ("log", "root", "vkey"))]
    if not known or not all(isinstance(each, str) for each in texts):
        raise BackupDamaged("its list cannot be read", folder=str(folder), file=LIST)
    _check_files(folder, files)
    return Backup(
        folder,
        document["log"],
        document["vkey"],
        document["size"],
        document["unpublished"],
        document["root"],
        files,
    )


def check_copy(backup: Backup, folder: Path, steps: Steps) -> None:
    """Audit the database of a backup, or a copy of it, against what its list says.

    Raises:
        BackupDamaged: It does not verify, or is another state than the list says.

    """
    if (folder / VKEY_FILE).read_bytes() != f"{backup.vkey}\n".encode():
        raise BackupDamaged("the verifier key is not the one in its list", file=VKEY_FILE)
    report = _audited(folder, backup.vkey, steps)
    if report.verdict != VALID:
        raise BackupDamaged("the backup does not verify", verdict=report.verdict, **_fault(report))
    if (report.size, report.root) != (backup.size, backup.root):
        raise BackupDamaged(
            "the backup is of another state than its list says",
            expected=f"{backup.size} {backup.root}",
            found=f"{report.size} {report.root}",
        )


@contextmanager
def drafting(to: Path, what: str) -> Iterator[Path]:
    """Give an empty private folder beside the one that it will become.

    What a killed run left there is removed; so is the draft when the block fails.

    Args:
        to: The final name.
        what: What the draft is for.

    Raises:
        BackupRefused: Another process is at work on that very name.

    """
    draft = to.absolute().with_name(f".{to.name}.{what}")
    draft.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    handle = os.open(draft, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BackupRefused(
                "another process is at work there", folder=str(draft), do="Wait for it."
            ) from None
        _empty(draft)
        try:
            yield draft
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
    finally:
        os.close(handle)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def give_name(draft: Path, to: Path) -> None:
    """Make everything in a draft durable, then give it its final name."""
    for path in draft.rglob("*"):
        if path.is_dir():
            sync_folder(path)
        else:
            with path.open("rb") as file:
                os.fsync(file.fileno())
    sync_folder(draft)
    draft.rename(to)
    sync_folder(to.absolute().parent)


def _copy_keys(source: Path, target: Path) -> None:
    target.mkdir(mode=PRIVATE_FOLDER)
    for path in sorted(source.glob("*.pem")):
        write_whole(target / path.name, path.read_bytes(), mode=PRIVATE_FILE)


def bring_up(path: Path) -> None:
    """Bring schema and views of a copy up to date: rows that were copied have no views."""
    engine = open_engine(f"sqlite:///{path.absolute()}")
    try:
        migrate(engine)
        Runner(LogReader(LedgerRecorder(engine))).catch_up()
    finally:
        engine.dispose()
    close_file(path)


def _audited(folder: Path, vkey: str, steps: Steps) -> Report:
    with sqlite_snapshot(folder / SQLITE_FILE) as query:
        source = DatabaseSource(query)
        return audit(source, vkey, processes=steps.processes, progress=steps.auditing)


def _fault(report: Report) -> dict[str, Any]:
    return {name: value for name, value in (report.fault or {}).items() if name != "message"}


def _check_files(folder: Path, files: dict[str, str]) -> None:
    found = set(_names(folder)) - {LIST}
    for name in sorted(found ^ files.keys()):
        what = "is missing" if name in files else "is not in the list"
        raise BackupDamaged(f"a file {what}", folder=str(folder), file=name)
    for name, expected in sorted(files.items()):
        computed = _hash(folder / name)
        if computed != expected:
            raise BackupDamaged(
                "a file was changed", file=name, expected=expected, computed=computed
            )


def _names(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()):
            raise BackupDamaged("it is no plain file", folder=str(folder), file=name)
        if not path.is_dir():
            yield name


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BYTES_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()
