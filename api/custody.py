"""Custody: where the keys of a ledger are, who signs its checkpoints, and where the mark lies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from api.config import KEYS_FOLDER, PRIVATE_FOLDER, VKEY_FILE, Config, mark_of
from ledger.errors import KeyFileInvalid
from ledger.hardware.key import HardwareKey
from ledger.hardware.module import open_hardware_key
from ledger.hardware.uri import KeyUri
from ledger.hardware.wrapping import HardwareWrapper
from ledger.log.extending import KeyTreeSigner, TreeSigner
from ledger.log.mark import Mark
from ledger.log.remote import RemoteTreeSigner
from ledger.rules.errors import Malformed
from ledger.rules.text import check_id
from ledger.signer import LocalSigner, load_signer

CHECKPOINT = "checkpoint"
VAULT = "vault"
# Beside the claim of the origin: what was signed is remembered outside the ledger's folder.
MARK_FILE = "mark"
_OLDER_MARK_FILE = "signed"
_SOCKET = "unix:"
_SOCKET_BYTES_MAX = 107


def own_mark(origin: str) -> Mark:
    """Name the mark of a log on this machine, taking over that of an earlier version.

    Raises:
        MarkDamaged: A mark cannot be read.
        RootDiffers: Two marks name one size with two roots.

    """
    folder = mark_of(origin)
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    mark = Mark(folder / MARK_FILE)
    mark.take_over(folder / _OLDER_MARK_FILE)
    return mark


def key_file(folder: Path, name: str) -> Path:
    """Name the file of a private key. Raises `Malformed` when the name is no id."""
    return folder / KEYS_FOLDER / f"{check_id(name, field='key name')}.pem"


def signing_key(folder: Path, config: Config, name: str) -> LocalSigner | HardwareKey:
    """Open a private key of a ledger: in hardware where its configuration says so, else a file.

    Raises:
        KeyFileInvalid: There is no such file here, or it is no key.
        HardwareKeyUnavailable: The module, token, PIN or key is not there.
        Malformed: The name is no id, or the configured URI is none.

    """
    uri = config.hardware.get(name)
    if uri is not None:
        return open_hardware_key(KeyUri.parse(uri))
    return load_signer(key_file(folder, name))


def vault_wrapper(config: Config, *, random: Callable[[int], bytes]) -> HardwareWrapper | None:
    """Open what wraps the vault's keys; None where they lie in their files as they are.

    Raises:
        HardwareKeyUnavailable: The module, token, PIN or key is not there.
        Malformed: The configured URI is none.

    """
    uri = config.hardware.get(VAULT)
    return None if uri is None else HardwareWrapper(KeyUri.parse(uri), random=random)


def own_tree_signer(folder: Path, config: Config) -> KeyTreeSigner:
    """Sign trees in this process, with the checkpoint key of a ledger's folder.

    Raises:
        KeyFileInvalid: The key or the verifier key cannot be read.
        HardwareKeyUnavailable: The key in hardware cannot be used.
        WrongCheckpointKey: The key is not that of the verifier key.
        MarkDamaged: The mark cannot be read.

    """
    return KeyTreeSigner(
        signing_key(folder, config, CHECKPOINT),
        origin=config.origin,
        vkey=read_own_vkey(folder),
        mark=own_mark(config.origin),
    )


def tree_signer(folder: Path, config: Config) -> TreeSigner:
    """Sign trees where the configuration says: in this process, or in the signer's.

    Raises:
        LogError: As `own_tree_signer` does.
        LedgerError: Likewise.
        Malformed: The configured socket is none.

    """
    if config.signer is not None:
        return RemoteTreeSigner(read_socket(config.signer), origin=config.origin)
    return own_tree_signer(folder, config)


def read_socket(text: str) -> Path:
    """Read the address of a signer: `unix:` and an absolute path.

    Raises:
        Malformed: It is none.

    """
    path = Path(text.removeprefix(_SOCKET))
    if not text.startswith(_SOCKET) or not path.is_absolute():
        raise Malformed("signer", f"is not {_SOCKET} and an absolute path")
    check_socket(path)
    return path


def check_socket(path: Path) -> None:
    """Accept the path of a socket. Raises `Malformed`: it is longer than the system takes."""
    if len(str(path).encode()) > _SOCKET_BYTES_MAX:
        raise Malformed("signer", f"is a path of more than {_SOCKET_BYTES_MAX} bytes")


def read_own_vkey(folder: Path) -> str:
    """Read the verifier key that lies in a ledger's folder. Raises `KeyFileInvalid`."""
    file = folder / VKEY_FILE
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        raise KeyFileInvalid(f"cannot read the vkey: {error}", file=str(file)) from None
