"""Composition: the folder of a ledger, made and opened.

`config.json`: origin, and where the database is.
`keys/`: private keys, mode 0600; the database's URL when it is not `ledger.sqlite`.
`vault/`: one key a subject of sealed fields.
`vkey`: the checkpoint key, to be given to whoever verifies.
`ledger.sqlite`: the log.
`rejects/`: rows that imports could not take.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.config import (
    KEYS_FOLDER,
    PRIVATE_FOLDER,
    SQLITE_FILE,
    VKEY_FILE,
    Config,
    check_unclaimed,
    claim_origin,
    new_origin,
    read_config,
    write_config,
    write_whole,
)
from api.custody import CHECKPOINT, VAULT, read_own_vkey, signing_key, vault_wrapper
from api.house import House, Random, own_key
from api.opening import FOUNDERS, open_log
from ledger.clock import Clock, SystemClock
from ledger.errors import LedgerExists, LedgerNotOpen
from ledger.record.database import open_engine, open_engine_read_only
from ledger.record.recorder import LedgerRecorder
from ledger.record.schema import check_schema, migrate
from ledger.rules.errors import Malformed
from ledger.rules.opening import vkey
from ledger.rules.text import check_origin

_DATABASES = ("sqlite", "sqlite+pysqlite", "postgres", "postgresql", "postgresql+psycopg")


class LedgerFolder:
    """Makes and opens ledgers."""

    @staticmethod
    def create(  # noqa: PLR0913 - all but the folder have their defaults
        folder: Path,
        *,
        database_url: str | None = None,
        origin: str | None = None,
        clock: Clock | None = None,
        random: Random = os.urandom,
        policy: dict[str, Any] | None = None,
        hardware: Mapping[str, str] | None = None,
    ) -> House:
        """Make a ledger: folder, keys, tables, entry 0 and the first checkpoint.

        A `create` that was killed half-way is taken up again.

        Args:
            folder: Made when it is not there.
            database_url: Of an empty database; `ledger.sqlite` in the folder when None.
            origin: Name of the log for ever; a random one when None.
            clock: The machine's clock when None.
            random: Gives random bytes.
            policy: The first ledger policy; the default one when None.
            hardware: Which of the keys `checkpoint`, `receipt` and `vault` lie in a PKCS #11
                module, and their URIs.

        Raises:
            LedgerExists: The folder or the database holds a ledger, or the origin was used here.
            DatabaseUnavailable: The database cannot be reached.
            LedgerNotOpen: The SQLite file would lie in a folder that is not there.
            HardwareKeyUnavailable: A key in hardware cannot be used.
            Malformed: The origin, the URL, the policy or a key's URI is not one.

        """
        begun = _begun(folder, database=database_url, origin=origin, hardware=hardware)
        config = begun or Config(
            new_origin(random) if origin is None else origin, database_url, hardware=hardware or {}
        )
        check_origin(config.origin, field="origin")
        _check_wanted(folder, config, begun=begun is not None)
        folder.mkdir(parents=True, exist_ok=True)
        recorder = _empty_record(config.url(folder), folder)
        try:
            _make_keys(folder, config, begun=begun is not None, random=random)
            house = House(
                folder,
                config,
                recorder,
                clock or SystemClock(),
                _write_vkey(folder, config),
                random,
            )
            # Before anything is recorded: where entries exist, the absence of a mark is a loss.
            house.mark.begin()
            open_log(house, policy=policy)
        except BaseException:
            recorder.engine.dispose()
            raise
        return house

    @staticmethod
    def open(
        folder: Path,
        clock: Clock | None = None,
        *,
        read_only: bool = False,
        random: Random = os.urandom,
        mirror: str | None = None,
    ) -> House:
        """Open the ledger of a folder.

        Args:
            folder: Made by `create`.
            clock: The machine's clock when None.
            read_only: Nothing can be written through the house.
            random: Gives random bytes.
            mirror: A copy of the published log that the gate asks too; its address or folder.

        Raises:
            LedgerNotOpen: The folder or its database holds no ledger.
            SchemaTooNew: A later version of the program made it.
            SchemaTooOld: `yinzheng migrate` helps.
            DatabaseUnavailable: The database cannot be reached.

        """
        house = _open(folder, clock or SystemClock(), read_only=read_only, random=random)
        house.mirror = mirror
        try:
            check_schema(house.recorder.engine)
            _check_open(house)
        except BaseException:
            house.close()
            raise
        return house

    @staticmethod
    def open_as_is(
        folder: Path,
        clock: Clock | None = None,
        *,
        read_only: bool = False,
        mirror: str | None = None,
    ) -> House:
        """Open a ledger that may have no entries or an older schema: to heal it, or back it up.

        Raises:
            LedgerNotOpen: The folder holds no ledger.
            DatabaseUnavailable: The database cannot be reached.

        """
        house = _open(folder, clock or SystemClock(), read_only=read_only, random=os.urandom)
        house.mirror = mirror
        return house

    @staticmethod
    def migrate(folder: Path) -> str:
        """Bring the database of a folder up to date and return its schema's revision.

        Raises:
            LedgerNotOpen: The folder holds no ledger.
            SchemaTooNew: A later version of the program made it; nothing was changed.
            DatabaseUnavailable: The database cannot be reached; nothing was changed.

        """
        with _open(folder, SystemClock(), read_only=False, random=os.urandom) as house:
            return migrate(house.recorder.engine)


def _check_wanted(folder: Path, config: Config, *, begun: bool) -> None:
    """Look at everything that can be refused before anything is made."""
    if config.database is not None:
        check_database(config.database)
    if not begun:
        check_unclaimed(config.origin)
    for name in config.hardware.keys() - {VAULT}:
        signing_key(folder, config, name)
    vault_wrapper(config, random=os.urandom)


def _empty_record(url: str, folder: Path) -> LedgerRecorder:
    engine = open_engine(url)
    try:
        migrate(engine)
        recorder = LedgerRecorder(engine)
        if recorder.head().size > 0:
            _refuse(folder)
    except BaseException:
        engine.dispose()
        raise
    return recorder


def check_database(url: str) -> None:
    """Accept the URL of a database that a ledger can live in; never shows it: it may hold secrets.

    Raises:
        Malformed: It is of another kind.
        LedgerNotOpen: It names a SQLite file in a folder that is not there.

    """
    kind, slashes, rest = url.partition("://")
    if kind not in _DATABASES or not slashes:
        raise Malformed("database", "is not sqlite:///PATH and not postgresql://...")
    if not kind.startswith("sqlite"):
        return
    path = Path(rest.removeprefix("/"))
    if not rest.removeprefix("/"):
        raise Malformed("database", "names no SQLite file")
    if not path.parent.is_dir():
        raise LedgerNotOpen(
            "the folder of the SQLite file does not exist",
            folder=str(path.parent),
            do="Make that folder, or leave --database out.",
        )


def _refuse(folder: Path) -> None:
    raise LedgerExists(
        "there is a ledger already; it was left as it is",
        folder=str(folder),
        do="Choose another folder and an empty database.",
    )


def _make_keys(folder: Path, config: Config, *, begun: bool, random: Random) -> None:
    keys = folder / KEYS_FOLDER
    keys.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
    keys.chmod(PRIVATE_FOLDER)
    if not begun:
        claim_origin(config.origin)
        write_config(folder, config)
    for name in FOUNDERS:
        if name not in config.hardware:
            own_key(folder, name, random=random)


def _write_vkey(folder: Path, config: Config) -> str:
    checkpoint = signing_key(folder, config, CHECKPOINT)
    verifier = vkey(config.origin, checkpoint.public)
    write_whole(folder / VKEY_FILE, f"{verifier}\n".encode())
    return verifier


def _begun(
    folder: Path,
    *,
    database: str | None,
    origin: str | None,
    hardware: Mapping[str, str] | None,
) -> Config | None:
    """Return the configuration of a `create` that was begun here, None where none was."""
    try:
        found = read_config(folder)
    except LedgerNotOpen as error:
        if "file" not in error.evidence:
            return None
        raise LedgerExists(
            "the folder holds a ledger whose configuration cannot be read", folder=str(folder)
        ) from error
    same = hardware is None or hardware == found.hardware
    if not same or origin not in {None, found.origin} or database not in {None, found.database}:
        raise LedgerExists(
            "the folder holds another ledger",
            folder=str(folder),
            origin=found.origin,
            do="Choose another folder.",
        )
    return found


def _check_open(house: House) -> None:
    if house.recorder.head().size == 0:
        raise LedgerNotOpen(
            "the ledger was never opened; run `yinzheng init` again", folder=str(house.folder)
        )


def _open(folder: Path, clock: Clock, *, read_only: bool, random: Random) -> House:
    config = read_config(folder)
    if config.database is None and not (folder / SQLITE_FILE).exists():
        raise LedgerNotOpen(
            "the ledger's database is gone; restore it", file=str(folder / SQLITE_FILE)
        )
    url = config.url(folder)
    engine = open_engine_read_only(url) if read_only else open_engine(url)
    return House(folder, config, LedgerRecorder(engine), clock, read_own_vkey(folder), random)
