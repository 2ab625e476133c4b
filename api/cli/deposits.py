"""deposit: what a merchant puts down for its promises, and how it gets that back."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from api.cli.failures import Usage
from api.cli.options import Dir, Json, own_key, writing
from api.cli.output import Output, plain
from api.deposits import deposit_document
from api.desk import Hand, Order, send
from api.folder import LedgerFolder
from api.house import House
from ledger.rules.deposits import deposit_stream
from ledger.rules.errors import Malformed
from ledger.rules.model import TERMS_STREAM
from ledger.rules.state import Terms
from ledger.rules.text import check_amount, check_currency, check_id

app = typer.Typer(
    help="Deposits of merchants: agree to the terms, fund, ask back, take out.",
    no_args_is_help=True,
)

Merchant = Annotated[str, typer.Argument(metavar="MERCHANT", help="It signs by its own key.")]
_MONEY = typer.Argument(metavar="AMOUNT", help="In minor units of the currency, as 1000000.")
_CURRENCY = typer.Option("--currency", metavar="CODE", help="As the ledger policy has it.")
_CANCEL = typer.Option("--cancel", help="Take back what was asked for; without AMOUNT.")


@app.command("agree")
def agree(merchant: Merchant, *, folder: Dir, as_json: Json = False) -> None:
    """Agree to what the trade policy in force says of deposits."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        found = house.ledger.stream(TERMS_STREAM)
        if found is None or not isinstance(found.state, Terms):
            raise Usage(
                "this log has no trade policy, which says what a deposit is for",
                code="no-trade-policy",
                do="Publish one: yinzheng policy publish FILE --dir D",
            )
        digest = found.state.at(house.clock.now()).digest
        _send(house, "agree-deposit/1", merchant, terms=digest)
        document = _document(house, merchant)
    _show(out, document)


@app.command("fund")
def fund(
    merchant: Merchant,
    amount: Annotated[str, _MONEY],
    *,
    folder: Dir,
    currency: Annotated[str, _CURRENCY] = "CNY",
    as_json: Json = False,
) -> None:
    """Move money from the merchant's balance to its deposit."""
    out = Output(as_json=as_json)
    money = _money(amount, currency)
    with writing(folder, out) as house:
        _send(house, "fund-deposit/1", merchant, amount=money)
        document = _document(house, merchant)
    _show(out, document)


@app.command("request")
def request(
    merchant: Merchant,
    amount: Annotated[str | None, _MONEY] = None,
    *,
    folder: Dir,
    currency: Annotated[str, _CURRENCY] = "CNY",
    cancel: Annotated[bool, _CANCEL] = False,
    as_json: Json = False,
) -> None:
    """Ask for a part of a deposit; it is paid back after the cool-down, by `withdraw`."""
    if cancel == (amount is not None):
        raise Usage(
            "one of AMOUNT and --cancel is needed", do="Name what is asked for, or --cancel."
        )
    out = Output(as_json=as_json)
    money = None if amount is None else _money(amount, currency)
    with writing(folder, out) as house:
        _send(house, "request-deposit/1", merchant, amount=money)
        document = _document(house, merchant)
    _show(out, document)


@app.command("withdraw")
def withdraw(merchant: Merchant, *, folder: Dir, as_json: Json = False) -> None:
    """Move what was asked for back to the merchant's balance, if nothing stands against it."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        _send(house, "withdraw-deposit/1", merchant)
        document = _document(house, merchant)
    _show(out, document)


@app.command("show")
def show(merchant: Merchant, *, folder: Dir, as_json: Json = False) -> None:
    """Show what a deposit holds, what was asked back, and how many claims and cases block it."""
    out = Output(as_json=as_json)
    with LedgerFolder.open(folder, read_only=True) as house:
        document = _document(house, merchant)
    _show(out, document)


def _money(amount: str, currency: str) -> dict[str, str]:
    try:
        return {
            "amount": check_amount(amount, "AMOUNT"),
            "currency": check_currency(currency, "--currency"),
        }
    except Malformed as error:
        raise Usage(str(error), do="Give whole minor units, as 1000000 for 10,000.00.") from None


def _send(house: House, kind: str, merchant: str, **body: Any) -> None:
    party = check_id(merchant, field="MERCHANT")
    hand = Hand(party, "merchant", own_key(house, party))
    send(house, Order(kind, [hand], {"merchant": party, **body}))


def _document(house: House, merchant: str) -> dict[str, Any]:
    party = check_id(merchant, field="MERCHANT")
    found = house.ledger.stream(deposit_stream(party))
    return {"schema": 1, **deposit_document(party, found)}


def _show(out: Output, document: dict[str, Any]) -> None:
    def told(name: str) -> str:
        return ", ".join(f"{one['amount']} {one['currency']}" for one in document[name]) or "0"

    lines = {name: told(name) for name in ("available", "reserved", "forfeited")}
    owed = ", ".join(
        f"{one['amount']} {one['currency']} (due {one['due']})" for one in document["owed"]
    )
    blocked = {
        "claims": str(document["claims"]),
        "owed": owed or "0",
        "due": document["due"] or "-",
    }
    out.result(document, plain({"merchant": document["merchant"], **lines, **blocked}))
