"""payments: what is set up for providers, and their statements against the ledger."""

from __future__ import annotations

from typing import Any

import typer

from api.cli.doctor import FOUND_WRONG
from api.cli.failures import Usage
from api.cli.options import Dir, Json
from api.cli.output import Output
from api.enrolment import party_state
from api.folder import LedgerFolder
from api.house import House
from api.payments.notices import CASHIER
from api.payments.port import Port
from api.payments.setup import FILE, FOLDER, read_ports
from ledger.errors import KeyFileInvalid

_ABLE = "can record payments"

app = typer.Typer(
    help="Payment providers: how they are set up, and whether their word is the ledger's.",
    no_args_is_help=True,
)


@app.command("check")
def check(*, folder: Dir, as_json: Json = False) -> int:
    """Look whether each provider that is set up can record payments."""
    with LedgerFolder.open(folder, read_only=True) as house:
        ports = read_ports(folder)
        if not ports:
            raise Usage(
                f"no provider is set up in {folder / FOLDER / FILE}",
                code="provider-not-configured",
                do="docs/operating.md, payment providers, says how.",
            )
        found = [_looked_at(house, port) for port in ports.values()]
    lines = [f"{each['provider']}: {each['party']} {each['says']}" for each in found]
    Output(as_json=as_json).result({"schema": 1, "providers": found}, *lines)
    return 0 if all(each["says"] == _ABLE for each in found) else FOUND_WRONG


def _looked_at(house: House, port: Port) -> dict[str, Any]:
    return {"provider": port.provider, "party": port.party, "says": _says(house, port.party)}


def _says(house: House, party: str) -> str:
    known = party_state(house, party)
    if known is None:
        return "is not registered"
    if not known.holds(CASHIER):
        return f"does not hold {CASHIER}"
    try:
        key = known.key(house.signer(party).key_id)
    except KeyFileInvalid:
        return "has no key here"
    if key is None or key.revoked:
        return "has another key here than the ledger knows"
    return _ABLE
