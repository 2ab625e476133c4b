"""keystore: a person's own keys, outside every ledger's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.failures import Usage
from api.cli.options import Json, Vkey, read_vkey
from api.cli.output import Output, plain
from api.config import read_config
from api.keystore import Keystore, keystore_of
from ledger.errors import KeyFileInvalid
from ledger.proof.vkey import VerifierKey
from ledger.signer import load_signer

app = typer.Typer(
    help="Your own keys, outside every ledger's folder: what --as PARTY signs requests with.",
    no_args_is_help=True,
)

LedgerDir = Annotated[
    Path | None, typer.Option("--dir", metavar="D", help="The ledger's folder, where you have it.")
]


@app.command("import")
def import_(
    party: Annotated[str, typer.Argument(metavar="PARTY", help="Whose key it is.")],
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Its private key, PKCS #8 PEM.")],
    *,
    folder: LedgerDir = None,
    vkey: Vkey = None,
    as_json: Json = False,
) -> None:
    """Copy a private key into the keystore of a log; the file itself is left where it is."""
    keystore = opened(folder, vkey)
    if folder is not None and keystore.folder.resolve().is_relative_to(folder.resolve()):
        raise Usage(f"the keystore {keystore.folder} lies inside the ledger's folder")
    key = load_signer(file)
    path = keystore.add(party, key)
    shown: dict[str, Any] = {"schema": 1, "party": party, "id": key.key_id, "file": str(path)}
    Output(as_json=as_json).result(shown, plain({n: shown[n] for n in ("party", "id", "file")}))


@app.command("list")
def list_(*, folder: LedgerDir = None, vkey: Vkey = None, as_json: Json = False) -> None:
    """List whose keys the keystore of a log holds; private parts are never shown."""
    keystore = opened(folder, vkey)
    keys = [_described(keystore, party) for party in keystore.parties()]
    lines = [
        f"{key['party']:<24} {key['alg'] or '-':<8} {key['id'] or key['fault']}" for key in keys
    ]
    shown = {"schema": 1, "folder": str(keystore.folder), "keys": keys}
    Output(as_json=as_json).result(shown, *lines, f"{len(keys)} keys in {keystore.folder}")


def opened(folder: Path | None, vkey: str | None) -> Keystore:
    """Find the keystore of a log: by its folder, or by its verifier key.

    Raises:
        Usage: Neither is named, or both.
        LedgerNotOpen: The folder holds no ledger.
        MalformedKey: It is no verifier key.

    """
    if folder is not None and vkey is None:
        return keystore_of(read_config(folder).origin)
    if vkey is not None and folder is None:
        return keystore_of(VerifierKey.parse(read_vkey(vkey)).name)
    raise Usage("name the log: either --dir D or --vkey KEY|@FILE")


def _described(keystore: Keystore, party: str) -> dict[str, Any]:
    try:
        key = keystore.load(party)
    except KeyFileInvalid as error:
        return {"party": party, "alg": None, "id": None, "fault": error.message}
    return {"party": party, "alg": key.alg, "id": key.key_id, "fault": None}
