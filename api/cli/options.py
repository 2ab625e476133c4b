"""Options that several commands have, and opening the ledger that they name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.cli.output import Output
from api.custody import key_file
from api.folder import LedgerFolder
from api.house import House
from api.keystore import keystore_of
from ledger.proof.vkey import VerifierKey
from ledger.rules.errors import Malformed
from ledger.signer import LocalSigner

VKEY_BYTES_MAX = 4096
SECRET_BYTES_MAX = 64 * 1024

Dir = Annotated[Path, typer.Option("--dir", metavar="D", help="The ledger's folder.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON line, nothing else.")]
Item = Annotated[str, typer.Argument(metavar="NS/ID", help="Namespace and id of an item.")]
Mirror = Annotated[
    str | None,
    typer.Option("--mirror", metavar="URL|FOLDER", help="A copy of the published log."),
]
Vkey = Annotated[
    str | None, typer.Option("--vkey", metavar="KEY|@FILE", help="The log's verifier key.")
]


@contextmanager
def writing(folder: Path, out: Output) -> Iterator[House]:
    """Open a ledger for writing; when the block ends well, publish and project what is new."""
    with LedgerFolder.open(folder) as house:
        house.admit()
        yield house
        settle(house, out)


def settle(house: House, out: Output) -> None:
    """Publish a checkpoint over everything, and bring the views up to it."""
    house.publisher.publish()
    with out.progress("updating views") as step:
        house.runner.catch_up(step)


def own_key(house: House, party: str) -> LocalSigner:
    """Read a party's own key from the keystore, or one that lies in the ledger's folder.

    Raises:
        KeyFileInvalid: There is none, others can read it, or it is no key.
        Malformed: It is no party.

    """
    if key_file(house.folder, party).exists():
        return house.signer(party)
    return keystore_of(house.origin).load(party)


def read_secret(text: str) -> str:
    """Read an argument that may hold a secret: itself, or @FILE.

    What stands on the command line is seen in the list of processes.

    Raises:
        OSError: The file cannot be read.
        Malformed: It is too large, or no text in UTF-8. Nothing of it is quoted.

    """
    if not text.startswith("@"):
        return text
    with Path(text[1:]).open("rb") as file:
        data = file.read(SECRET_BYTES_MAX + 1)
    if len(data) > SECRET_BYTES_MAX:
        raise Malformed(text[1:], f"has more than {SECRET_BYTES_MAX} bytes")
    try:
        return data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Malformed(text[1:], "is no text in UTF-8") from None


def read_vkey(text: str) -> str:
    """Read a verifier key argument: the key itself, or @FILE.

    Raises:
        OSError: The file cannot be read.
        MalformedKey: It is no verifier key.

    """
    if text.startswith("@"):
        with Path(text[1:]).open("rb") as file:
            text = file.read(VKEY_BYTES_MAX).decode("utf-8", "replace").strip()
    VerifierKey.parse(text)
    return text
