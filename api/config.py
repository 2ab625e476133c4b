"""What a ledger's folder remembers between two runs, and the mark that reserves an origin.

`config.json` holds nothing secret. A database URL may hold a password, so it lies by itself in
`keys/database.url`, mode 0600. The mark is a folder outside the ledger, one an origin: an origin
names one ledger for ever, also after its folder was deleted.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ledger.errors import LedgerExists, LedgerNotOpen
from ledger.rules.errors import Malformed
from ledger.rules.text import check_origin

SCHEMA = 1
CONFIG_FILE = "config.json"
KEYS_FOLDER = "keys"
VKEY_FILE = "vkey"
DATABASE_URL_FILE = "database.url"
SQLITE_FILE = "ledger.sqlite"
PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700
_PUBLIC_FILE = 0o644
_ORIGIN_BYTES = 10


@dataclass(frozen=True, slots=True)
class Config:
    """What one ledger is, and where its parts are.

    Attributes:
        origin: Name of the log.
        database: A whole URL; None for the folder's SQLite.
        signer: `unix:` and the path of the signer's socket; None when this process signs.
        hardware: Names of keys that lie in a PKCS #11 module, to their URIs.

    """

    origin: str
    database: str | None
    signer: str | None = None
    hardware: Mapping[str, str] = field(default_factory=dict)

    def url(self, folder: Path) -> str:
        """Return the URL of the database."""
        if self.database is not None:
            return self.database
        return f"sqlite:///{(folder / SQLITE_FILE).absolute()}"


def new_origin(random: Callable[[int], bytes]) -> str:
    """Make an origin that nobody else has: `yinzheng.local/` and 16 random base32 characters."""
    name = base64.b32encode(random(_ORIGIN_BYTES)).decode("ascii").lower()
    return f"yinzheng.local/{name}"


def read_config(folder: Path) -> Config:
    """Read the configuration of a ledger's folder.

    Raises:
        LedgerNotOpen: The folder holds no ledger, or its configuration cannot be read.

    """
    path = folder / CONFIG_FILE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        origin = check_origin(document["origin"], field="origin")
        own_database = document["database"] is not None
        signer, hardware = document.get("signer"), document.get("hardware", {})
        known = document["schema"] == SCHEMA and _is_custody(signer, hardware)
    except (FileNotFoundError, NotADirectoryError):
        raise LedgerNotOpen(
            "there is no ledger in this folder; `yinzheng init --dir` makes one", folder=str(folder)
        ) from None
    except (OSError, ValueError, KeyError, TypeError, Malformed) as error:
        raise LedgerNotOpen(
            f"the configuration cannot be read: {error}", folder=str(folder), file=CONFIG_FILE
        ) from None
    if not known:
        raise LedgerNotOpen(
            "another version of the program wrote the configuration; nothing was changed",
            folder=str(folder),
            file=CONFIG_FILE,
        )
    return Config(origin, _read_url(folder) if own_database else None, signer, hardware)


def _is_custody(signer: object, hardware: object) -> bool:
    return isinstance(signer, str | None) and (
        isinstance(hardware, dict) and all(isinstance(uri, str) for uri in hardware.values())
    )


def write_config(folder: Path, config: Config) -> None:
    """Write the configuration; the database's URL goes to a file that only its owner reads."""
    if config.database is not None:
        url_file = folder / KEYS_FOLDER / DATABASE_URL_FILE
        write_whole(url_file, f"{config.database}\n".encode(), mode=PRIVATE_FILE)
    named = None if config.database is None else f"{KEYS_FOLDER}/{DATABASE_URL_FILE}"
    document: dict[str, object] = {"database": named, "origin": config.origin, "schema": SCHEMA}
    if config.signer is not None:
        document["signer"] = config.signer
    if config.hardware:
        document["hardware"] = dict(config.hardware)
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    write_whole(folder / CONFIG_FILE, text.encode(), mode=_PUBLIC_FILE)


def write_whole(path: Path, content: bytes, *, mode: int = _PUBLIC_FILE) -> None:
    """Write a file so that after a crash it holds all of the old or all of the new content."""
    draft = path.with_name(f".{path.name}.draft")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def mark_of(origin: str) -> Path:
    """Name the folder outside the ledger that reserves an origin on this machine."""
    state = os.environ.get("XDG_STATE_HOME")
    home = Path(state) if state else Path.home() / ".local" / "state"
    return home / "yinzheng" / hashlib.sha256(origin.encode()).hexdigest()


def check_unclaimed(origin: str) -> None:
    """Refuse an origin that was used on this machine, before anything is made under its name.

    Raises:
        LedgerExists: A ledger of this machine has, or had, this origin.

    """
    if mark_of(origin).exists():
        raise _claimed(origin)


def claim_origin(origin: str) -> Path:
    """Reserve an origin on this machine.

    Returns:
        The mark, which did not exist before.

    Raises:
        LedgerExists: A ledger of this machine has, or had, this origin.

    """
    mark = mark_of(origin)
    mark.parent.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    try:
        mark.mkdir(mode=PRIVATE_FOLDER)
    except FileExistsError:
        raise _claimed(origin) from None
    return mark


def _claimed(origin: str) -> LedgerExists:
    return LedgerExists(
        "a ledger of this machine has, or had, this origin; an origin names one ledger for "
        "ever: choose another one",
        origin=origin,
        mark=str(mark_of(origin)),
    )


def _read_url(folder: Path) -> str:
    path = folder / KEYS_FOLDER / DATABASE_URL_FILE
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise LedgerNotOpen(
            f"the database's URL cannot be read: {error.strerror}", file=str(path)
        ) from None
