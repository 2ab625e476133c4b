"""entry: what an entry holds that is not for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.access import EXTENSION, Caller
from api.cli.failures import Usage
from api.cli.keystore import LedgerDir
from api.cli.options import Json, Vkey, read_vkey
from api.cli.output import Output
from api.disclosures import ACCESS, OPEN, open_fields
from api.folder import LedgerFolder
from api.keystore import keystore_of

app = typer.Typer(help="What an entry holds that is not for everybody.", no_args_is_help=True)

_INDEX = typer.Argument(metavar="INDEX", min=0, help="Index of the entry.")
_AS = typer.Option("--as", metavar="PARTY", help="Who asks; its key is in the keystore.")
_URL = typer.Option("--url", metavar="URL", help="Where the ledger is served.")


@app.command("disclosures")
def disclosures(
    index: Annotated[int, _INDEX],
    *,
    as_: Annotated[str, _AS],
    url: Annotated[str | None, _URL] = None,
    folder: LedgerDir = None,
    vkey: Vkey = None,
    as_json: Json = False,
) -> None:
    """Open the sealed fields of an entry that are about a party, or that it may read by a role."""
    if (url is None) == (folder is None):
        raise Usage("name where to ask: either --url URL or --dir D")
    if url is not None:
        found = _ask(url, None if vkey is None else read_vkey(vkey), index, as_)
    else:
        assert folder is not None  # noqa: S101 - one of the two is given
        found = _open(folder, index, as_)
    document = {"schema": 1, "index": index, "party": as_, "disclosures": found}
    Output(as_json=as_json).result(document, *map(_line, found))


def _ask(url: str, vkey: str | None, index: int, party: str) -> list[dict[str, Any]]:
    """Ask a server, which believes nothing but the signature."""
    # It costs a quarter of a second that no other command should pay.
    from api.actors import Actor  # noqa: PLC0415
    from api.client import LedgerClient  # noqa: PLC0415

    with LedgerClient(url, vkey=vkey) as client:
        key = keystore_of(client.log.origin).load(party)
        return client.disclosures(index, Actor(party, key))


def _open(folder: Path, index: int, party: str) -> list[dict[str, Any]]:
    """Open them here, as a server would for the same key."""
    with LedgerFolder.open(folder, read_only=True) as house:
        key = keystore_of(house.origin).load(party)
        state = house.parties.of_key(key.key_id)
        own = None if state is None else state.key(key.key_id)
        if state is None or own is None or own.revoked or state.party != party:
            raise Usage(
                f"the key in the keystore is no valid key of {party}",
                code="key-not-valid",
                do=f"See which it has: yinzheng keys party {party} --dir {folder}",
                party=party,
                key=key.key_id,
            )
        caller = Caller(party, frozenset(role.name for role in state.roles))
        return [each.document() for each in open_fields(house, index, caller, ACCESS[EXTENSION])]


def _line(found: dict[str, Any]) -> str:
    shown = found["value"] if found["state"] == OPEN else f"({found['state']})"
    return f"{found['name']} of {found['subject']}: {shown}"
