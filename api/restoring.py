"""Restoring a backup into a folder that is not there, and into a database that is empty.

Nothing is overwritten. The backup is checked before, and the copy of it audited, in a draft beside
the folder; the last step gives the draft its name. A killed run leaves a draft, which the next one
removes, and at most a filled PostgreSQL database, which the next one compares and accepts.
Whether the ledger may then be written is not decided here but at the gate: a restored ledger is as
old as its backup. Decision: docs/adr/0020.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from api.backup import LIST, Backup, Steps, bring_up, check_copy, drafting, give_name, read_backup
from api.config import (
    CONFIG_FILE,
    KEYS_FOLDER,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    SQLITE_FILE,
    VKEY_FILE,
    Config,
    read_config,
    write_config,
    write_whole,
)
from api.folder import check_database
from api.house import VAULT_FOLDER
from ledger.crashpoints import CrashPoint, reach
from ledger.errors import BackupDamaged, LedgerExists, LedgerNotOpen
from ledger.proof.audit import Progress
from ledger.proof.vkey import VerifierKey
from ledger.record.copying import compare_rows, copy_rows
from ledger.record.database import open_engine, open_engine_read_only
from ledger.record.errors import CopyDiffers
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import migrate


def restore_backup(
    source: Path,
    folder: Path,
    steps: Steps,
    *,
    database_url: str | None = None,
    vkey: str | None = None,
) -> Backup:
    """Put a backup back.

    Args:
        source: The backup's folder.
        folder: Where the ledger will lie; must not be there, or be empty.
        steps: Who is told how far it is.
        database_url: Of an empty PostgreSQL database; a SQLite file in the folder when None.
        vkey: The verifier key of the log, where the caller knows it from elsewhere.

    Raises:
        BackupDamaged: The backup is not what it says, or is of another log; nothing was restored.
        LedgerExists: The folder or the database holds something; it was left as it is.
        Malformed: The URL names no such database.
        DatabaseUnavailable: The database cannot be reached.

    """
    _check_free(folder, database_url)
    backup = read_backup(source)
    if vkey not in {None, backup.vkey}:
        raise BackupDamaged("the backup is of another log", expected=vkey, found=backup.vkey)
    with drafting(folder, "restore") as draft:
        _copy_files(backup, draft, steps.copying)
        # A backup of an earlier version is brought up to this one, as a copy.
        bring_up(draft / SQLITE_FILE)
        check_copy(backup, draft, steps)
        config = _configured(backup, draft)
        if database_url is not None:
            _fill(draft / SQLITE_FILE, database_url, steps.copying)
            (draft / SQLITE_FILE).unlink()
            write_config(draft, replace(config, database=database_url))
        reach(CrashPoint.RESTORED)
        if folder.exists():
            folder.rmdir()
        give_name(draft, folder)
    return backup


def begin_again(folder: Path, *, vkey: str, database_url: str | None = None) -> None:
    """Make a ledger's folder without entries, when a mirror is all that is left of it.

    Args:
        folder: Must not be there, or be empty.
        vkey: The log's verifier key, known from elsewhere than the mirror.
        database_url: Of an empty PostgreSQL database; a SQLite file in the folder when None.

    Raises:
        LedgerExists: The folder or the database holds something; it was left as it is.
        MalformedKey: The key is none.
        DatabaseUnavailable: The database cannot be reached.

    """
    _check_free(folder, database_url)
    config = Config(VerifierKey.parse(vkey).name, None)
    with drafting(folder, "restore") as draft:
        for private in (KEYS_FOLDER, VAULT_FOLDER):
            (draft / private).mkdir(mode=PRIVATE_FOLDER)
        write_config(draft, replace(config, database=database_url))
        write_whole(draft / VKEY_FILE, f"{vkey}\n".encode())
        engine = open_engine(config.url(draft) if database_url is None else database_url)
        try:
            migrate(engine)
            if LedgerRecorder(engine).head().size:
                raise LedgerExists("the database holds a ledger", do="Name an empty database.")
        finally:
            engine.dispose()
        if folder.exists():
            folder.rmdir()
        give_name(draft, folder)


def _check_free(folder: Path, database_url: str | None) -> None:
    if database_url is not None:
        check_database(database_url)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LedgerExists(
            "there is something in that folder; it was left as it is",
            folder=str(folder),
            do="Name a folder that is not there, or move the old one away first.",
        )


def _configured(backup: Backup, draft: Path) -> Config:
    """Read the configuration that was backed up, and check that it is of this log."""
    try:
        config = read_config(draft)
    except LedgerNotOpen as error:
        raise BackupDamaged("its configuration cannot be read", file=CONFIG_FILE) from error
    if (config.origin, config.database) != (backup.log, None):
        raise BackupDamaged(
            "its configuration is of another log",
            file=CONFIG_FILE,
            expected=backup.log,
            found=config.origin,
        )
    return config


def _copy_files(backup: Backup, draft: Path, progress: Progress) -> None:
    for private in (KEYS_FOLDER, VAULT_FOLDER):
        (draft / private).mkdir(mode=PRIVATE_FOLDER)
    for done, name in enumerate(sorted(backup.files), start=1):
        target = draft / name
        target.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        shutil.copyfile(backup.folder / name, target)
        if name.startswith(f"{KEYS_FOLDER}/"):
            target.chmod(PRIVATE_FILE)
        progress(done, len(backup.files))
    shutil.copyfile(backup.folder / LIST, draft / LIST)
    # Once more on the copies: what was read a second time need not be what was checked before.
    read_backup(draft)
    (draft / LIST).unlink()


def _fill(file: Path, url: str, progress: Progress) -> None:
    """Fill an empty database; one that a killed run filled is compared and accepted."""
    source, target = open_engine_read_only(f"sqlite:///{file.absolute()}"), open_engine(url)
    try:
        migrate(target)
        if LedgerRecorder(target).head().size == 0:
            copy_rows(source, target, progress)
        compare_rows(source, target)
    except CopyDiffers as differs:
        raise LedgerExists(
            "the database holds another ledger, or another state; it was left as it is",
            table=differs.table,
            do="Name an empty database.",
        ) from differs
    finally:
        source.dispose()
        target.dispose()
