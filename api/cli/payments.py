"""payments: what is set up for providers, and their statements against the ledger."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.chargebacks import chargeback
from api.cli.doctor import FOUND_WRONG
from api.cli.failures import Usage
from api.cli.options import Dir, Json
from api.cli.output import Output
from api.enrolment import party_state
from api.folder import LedgerFolder
from api.house import House
from api.payments.movements import movements
from api.payments.notices import CASHIER
from api.payments.port import Port
from api.payments.reconcile import reconcile
from api.payments.setup import FILE, FOLDER, read_ports
from api.payments.statements import BYTES_MAX, read_statement
from ledger.errors import KeyFileInvalid
from ledger.rules.text import PROVIDERS, time_us

_ABLE = "can record payments"

app = typer.Typer(
    help="Payment providers: how they are set up, and whether their word is the ledger's.",
    no_args_is_help=True,
)


app.command("chargeback")(chargeback)

_FILE = typer.Argument(metavar="FILE", help="The provider's statement, as CSV.")
_PROVIDER = typer.Option("--provider", metavar="P", help="alipay, internal or wechat.")
_FROM = typer.Option("--from", metavar="TIME", help="Miss nothing recorded before it.")
_TO = typer.Option("--to", metavar="TIME", help="Miss nothing recorded then or later.")


@app.command("reconcile")
def compare(
    file: Annotated[Path, _FILE],
    *,
    folder: Dir,
    provider: Annotated[str, _PROVIDER],
    since: Annotated[str | None, _FROM] = None,
    until: Annotated[str | None, _TO] = None,
    as_json: Json = False,
) -> int:
    """Compare a provider's statement with the ledger and list every difference."""
    if provider not in PROVIDERS:
        raise Usage(f"{provider} is no provider", do=f"One of {', '.join(PROVIDERS)}.")
    first = None if since is None else time_us(since, field="--from")
    last = None if until is None else time_us(until, field="--to")
    with file.open("rb") as opened:
        rows = read_statement(opened.read(BYTES_MAX + 1))
    with LedgerFolder.open(folder, read_only=True) as house:
        moved = movements(house, 0, house.reader.size())
        ours = (each for each in moved if each.provider == provider)
        found = reconcile(rows, ours, since=first, until=last)
    told = f"{found.rows} rows, {found.entries} entries, {found.matched} alike, "
    lines = ["  ".join(_shown(value) for value in each.values()) for each in found.differences]
    document = {"schema": 1, "provider": provider, **found.document()}
    Output(as_json=as_json).result(document, *lines, f"{told}{len(found.differences)} differences")
    return FOUND_WRONG if found.differences else 0


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


def _shown(value: object) -> str:
    return "-" if value in (None, "") else str(value)


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
