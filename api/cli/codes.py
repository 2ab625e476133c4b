"""codes: see, revoke and check the verification codes that cards are issued with."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from api.access import Caller
from api.cli.failures import Usage
from api.cli.options import Dir, Item, Json, own_key, read_secret, writing
from api.cli.output import Output, plain
from api.codes import answer, ask
from api.desk import Hand, Order, send
from api.revealing import open_code
from ledger.cards.codes import write_code
from ledger.rules.codes import REVOKE
from ledger.rules.compose import ID_RANDOM_BYTES, uuid7
from ledger.rules.items import item_stream
from ledger.rules.text import check_item

app = typer.Typer(help="Verification codes (验真码): see, revoke, check.", no_args_is_help=True)

_OWNER = typer.Option("--as", metavar="PARTY", help="The item's owner.")
_ASKER = typer.Option("--as", metavar="PARTY", help="Who asks.")
_CODE = typer.Argument(
    metavar="CODE|@FILE", help="As it is printed; @FILE keeps it out of the list of processes."
)


@app.command("show")
def show(item: Item, *, folder: Dir, as_: Annotated[str, _OWNER], as_json: Json = False) -> None:
    """Show the code of an item to its owner."""
    name = check_item(item, field="NS/ID")
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        own_key(house, as_)
        document = {"schema": 1, **open_code(house, name, Caller(as_, frozenset()))}
    printed = None if document["code"] is None else write_code(document["code"])
    out.result(document, plain({"item": name, "product": document["product"], "code": printed}))


@app.command("revoke")
def revoke(item: Item, *, folder: Dir, as_: Annotated[str, _OWNER], as_json: Json = False) -> None:
    """Revoke the code of an item for ever: whoever has it is told so, or that it is invalid."""
    name = check_item(item, field="NS/ID")
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        stream, hand = item_stream(name), Hand(as_, "owner", own_key(house, as_))
        expect = {stream: house.head_of(stream)}
        accepted = send(house, Order(REVOKE, [hand], {"item": name}, expect))
    document = {"schema": 1, "entry": accepted.index, "item": name}
    out.result(document, f"the code of {name} is revoked")


@app.command("check")
def check(
    item: Item,
    code: Annotated[str, _CODE],
    *,
    folder: Dir,
    as_: Annotated[str, _ASKER],
    as_json: Json = False,
) -> None:
    """Ask whether a code is an item's. The item's owner is told all, others valid or invalid."""
    name = check_item(item, field="NS/ID")
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        hand = Hand(as_, "party", own_key(house, as_))
        order = ask(hand, name, _read(code))
        fresh = uuid7(house.clock.now(), house.random(ID_RANDOM_BYTES))
        send(house, replace(order, command_id=fresh))
        found = answer(house, as_, fresh)
    document: dict[str, Any] = {"schema": 1, "item": name, **found.document()}
    shown = {"item": name, "result": found.result, "first at": found.first_at or "-"}
    out.result(document, plain(shown))


def _read(text: str) -> str:
    try:
        return read_secret(text)
    except OSError as error:
        told = f"cannot read {text[1:]}: {error.strerror}"
        raise Usage(told, code="file-not-readable", field="CODE") from error
