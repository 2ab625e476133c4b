"""credit: what the platform gives its members, which is no money, and what they get for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.failures import Usage
from api.cli.options import Dir, Json, own_key, read_secret, writing
from api.cli.output import Output, plain
from api.credit import credit_document
from api.desk import Hand, Order, send
from api.folder import LedgerFolder
from api.house import House
from ledger.rules.credit import CREDIT, credit_stream
from ledger.rules.errors import Malformed, UnknownParty
from ledger.rules.text import check_amount, check_id, party_stream

app = typer.Typer(
    help="Credit and points of members: given, taken back, redeemed. They are no money.",
    no_args_is_help=True,
)

Member = Annotated[str, typer.Argument(metavar="PARTY", help="Whose they are.")]
Amount = Annotated[str, typer.Argument(metavar="AMOUNT", help="How much, a whole number.")]
Unit = Annotated[str, typer.Option("--unit", metavar="UNIT", help="CREDIT or POINTS.")]
As = Annotated[str, typer.Option("--as", metavar="PARTY", help="A cashier, who serves others.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT|@FILE", help="Why; kept sealed for the member.")
]
_SOURCE = typer.Option("--source", metavar="S", help="campaign, compensation or correction.")
_GROUND = typer.Option("--ground", metavar="G", help="correction, fraud or reversal.")
_SERVICE = typer.Option("--service", metavar="NAME", help="What they are redeemed for.")


@app.command("grant")
def grant(  # noqa: PLR0913 - each is an option of the command line
    party: Member,
    amount: Amount,
    *,
    folder: Dir,
    as_: As,
    reason: Reason,
    source: Annotated[str, _SOURCE],
    unit: Unit = CREDIT,
    as_json: Json = False,
) -> None:
    """Give a member credit or points; what it owes comes off first."""
    seal = {"reason": (party, read_secret(reason))}
    body = _body(party, amount, unit) | {"source": source}
    _do(
        folder,
        Output(as_json=as_json),
        Order("grant-credit/1", [], body, seal=seal),
        as_,
        "cashier",
    )


@app.command("claw-back")
def claw_back(  # noqa: PLR0913 - each is an option of the command line
    party: Member,
    amount: Amount,
    *,
    folder: Dir,
    as_: As,
    reason: Reason,
    ground: Annotated[str, _GROUND],
    unit: Unit = CREDIT,
    as_json: Json = False,
) -> None:
    """Take credit or points back; what is no longer there is owed."""
    seal = {"reason": (party, read_secret(reason))}
    body = _body(party, amount, unit) | {"ground": ground}
    _do(
        folder,
        Output(as_json=as_json),
        Order("claw-back-credit/1", [], body, seal=seal),
        as_,
        "cashier",
    )


@app.command("redeem")
def redeem(
    party: Member,
    amount: Amount,
    *,
    folder: Dir,
    service: Annotated[str, _SERVICE],
    unit: Unit = CREDIT,
    as_json: Json = False,
) -> None:
    """Let a member redeem credit or points, signed by its own key."""
    body = _body(party, amount, unit) | {"service": service}
    _do(folder, Output(as_json=as_json), Order("redeem-credit/1", [], body), party, "member")


@app.command("show")
def show(party: Member, *, folder: Dir, as_json: Json = False) -> None:
    """Show what a member has of each unit, what it owes, and its level."""
    with LedgerFolder.open(folder, read_only=True) as house:
        document = _document(house, check_id(party, field="PARTY"))
    _show(Output(as_json=as_json), document)


def _body(party: str, amount: str, unit: str) -> dict[str, Any]:
    try:
        return {"amount": check_amount(amount, "AMOUNT"), "party": party, "unit": unit}
    except Malformed as error:
        raise Usage(str(error), do="Give a whole number, as 500.") from None


def _do(folder: Path, out: Output, order: Order, signer: str, role: str) -> None:
    with writing(folder, out) as house:
        hand = Hand(signer, role, own_key(house, signer))
        send(house, replace(order, hands=[hand]))
        document = _document(house, order.body["party"])
    _show(out, document)


def _document(house: House, party: str) -> dict[str, Any]:
    member = house.ledger.stream(party_stream(party))
    if member is None:
        raise UnknownParty(f"party {party} is not registered", party=party)
    found = house.ledger.stream(credit_stream(party))
    return {"schema": 1, **credit_document(party, member, found)}


def _show(out: Output, document: dict[str, Any]) -> None:
    def told(name: str) -> str:
        return ", ".join(f"{one['amount']} {one['currency']}" for one in document[name]) or "0"

    has = {"held": told("held"), "owed": told("owed"), "level": document["level"] or "-"}
    out.result(document, plain({"party": document["party"], **has}))
