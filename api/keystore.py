"""The keystore: a person's own keys, one file a party, outside every ledger's folder.

A ledger's folder belongs to whoever runs it; the key that a party reads and signs with does not. It
lies in `$YINZHENG_KEYSTORE`, by default `$XDG_CONFIG_HOME/yinzheng`, in a folder for each log, mode
0700, as `PARTY.pem`, mode 0600; the keys that deliveries are encrypted to lie below it as
`orders/ORDER.pem`. What others could read is refused, not repaired.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from api.config import PRIVATE_FOLDER
from ledger.errors import KeyFileInvalid
from ledger.log.files import sync_folder
from ledger.rules.text import check_party, check_uuid7
from ledger.signer import LocalSigner, load_signer, write_private

PLACE: Final = "YINZHENG_KEYSTORE"
_SUFFIX: Final = ".pem"
_ORDERS: Final = "orders"
# No id has a plus, so that each file name is one party's.
_SLASH: Final = "+"
_OTHERS: Final = 0o077


class Keystore:
    """The keys of this user in one log."""

    def __init__(self, folder: Path) -> None:
        """Use a folder, whether it is there or not."""
        self.folder = folder

    def file(self, party: str) -> Path:
        """Name the file of a party's key. Raises `Malformed` when it is no party."""
        return self.folder / f"{check_party(party, field='party').replace('/', _SLASH)}{_SUFFIX}"

    def load(self, party: str) -> LocalSigner:
        """Read the key of a party.

        Raises:
            KeyFileInvalid: It is not there, others can read it or its folder, or it is no key.
            Malformed: It is no party.

        """
        path = self.file(party)
        if not path.exists():
            raise KeyFileInvalid(
                "the keystore has no key of this party; `yinzheng keystore import` puts one there",
                file=str(path),
            )
        self._check_private()
        return load_signer(path)

    def add(self, party: str, key: LocalSigner) -> Path:
        """Keep the key of a party, and return its file.

        Raises:
            KeyFileInvalid: There is one already, which is left as it is, or others can read the
                folder.
            Malformed: It is no party.

        """
        path = self.file(party)
        self.folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._check_private()
        key.save(path)
        return path

    def order_file(self, order: str) -> Path:
        """Name the file of an order's private key. Raises `Malformed` when it is no order."""
        return self.folder / _ORDERS / f"{check_uuid7(order, field='order')}{_SUFFIX}"

    def add_order_key(self, order: str, key: X25519PrivateKey) -> Path:
        """Keep the private key of an order durably, before anybody encrypts to it.

        Raises:
            KeyFileInvalid: There is one already, or others can read the folder.
            Malformed: It is no order.

        """
        path = self.order_file(order)
        for folder in (self.folder, path.parent):
            folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        self._check_private()
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        try:
            write_private(path, pem)
        except FileExistsError:
            raise KeyFileInvalid("the order has a key already", file=str(path)) from None
        # The name of the folder, too: it may be as new as the file.
        for folder in (path.parent, self.folder):
            sync_folder(folder)
        return path

    def parties(self) -> list[str]:
        """Name the parties that have a file here, in order."""
        names = [path.name.removesuffix(_SUFFIX) for path in self.folder.glob(f"*{_SUFFIX}")]
        return sorted(name.replace(_SLASH, "/") for name in names)

    def _check_private(self) -> None:
        if self.folder.stat().st_mode & _OTHERS:
            raise KeyFileInvalid(
                "others can look into the keystore; chmod 700 it", file=str(self.folder)
            )


def keystore_of(origin: str) -> Keystore:
    """Name the keystore of a log, wherever this user keeps keys."""
    place = os.environ.get(PLACE)
    if place:
        base = Path(place)
    else:
        config = os.environ.get("XDG_CONFIG_HOME")
        base = (Path(config) if config else Path.home() / ".config") / "yinzheng"
    return Keystore(base / hashlib.sha256(origin.encode()).hexdigest())
