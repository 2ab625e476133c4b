"""Where `yinzheng audit` reads from: a ledger's own database, an export, or a server.

A database is read in one snapshot, so that a ledger can be audited while it is being written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from api.config import SQLITE_FILE, read_config
from api.custody import vault_wrapper
from api.house import VAULT_FOLDER
from ledger.log.database import reading
from ledger.proof.database import DatabaseSource, Query, sqlite_snapshot
from ledger.proof.sources import Source, folder_source, url_source
from ledger.proof.vault import VaultReader
from ledger.record.database import open_engine_read_only

_CHECKPOINT = "checkpoint"
_KEYS_KEPT = 4096


@contextmanager
def folder_of_ledger(folder: Path) -> Iterator[Source]:
    """Read the database of a ledger's folder, or a folder of exported files.

    Raises:
        LedgerNotOpen: The folder holds neither.
        Unverifiable: The database is gone or cannot be read.
        DatabaseUnavailable: The database server cannot be reached.
        HardwareKeyUnavailable: The vault's keys are wrapped, and the module cannot be used.

    """
    if is_export(folder):
        yield folder_source(folder)
        return
    config = read_config(folder)
    wrapper = vault_wrapper(config, random=os.urandom)
    # A subject has one key and many boxes.
    unwrap = None if wrapper is None else lru_cache(_KEYS_KEPT)(wrapper.unwrap)
    vault = VaultReader(folder / VAULT_FOLDER, unwrap)
    snapshot = (
        sqlite_snapshot(folder / SQLITE_FILE)
        if config.database is None
        else _engine_snapshot(config.database)
    )
    with snapshot as query:
        yield DatabaseSource(query, vault=vault)


def is_export(folder: Path) -> bool:
    """Say whether a folder holds exported files and no ledger."""
    return (folder / _CHECKPOINT).is_file() and not (folder / "config.json").exists()


def address(url: str) -> Source:
    """Read what is served at an address; `file://` names an exported folder.

    Raises:
        Unverifiable: It serves no log, or cannot be reached.

    """
    if url.startswith("file://"):
        return folder_source(Path(url.removeprefix("file://")))
    return url_source(url)


@contextmanager
def _engine_snapshot(url: str) -> Iterator[Query]:
    engine = open_engine_read_only(url).execution_options(isolation_level="REPEATABLE READ")
    try:
        with reading(engine) as connection:

            def query(sql: str) -> Iterator[tuple[Any, ...]]:
                yield from (tuple(row) for row in connection.exec_driver_sql(sql))

            yield query
    finally:
        engine.dispose()
