"""order activate: what came of using an item that was sold."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from api.cli.failures import Usage
from api.cli.options import Dir, Item, Json, own_key, read_secret, writing
from api.cli.output import Output, plain
from api.cli.standing import sold_by
from api.desk import Hand, send
from api.desk import Order as Command
from api.timers import SYSTEM
from ledger.rules.items import item_stream
from ledger.rules.text import check_item, format_time

_SEALED = "Kept sealed; @FILE keeps it out of the list of processes."
_AS = typer.Option(
    "--as", metavar="PARTY", help="The order's buyer, or `system` for the ledger itself."
)
_PLATFORM = typer.Option("--platform", metavar="NAME", help="Where it was tried, as `steam`.")
_TIME = typer.Option("--time", metavar="TIME", help="When it was tried; default: now.")
_ACCOUNT = typer.Option("--account", metavar="TEXT|@FILE", help=f"At that platform. {_SEALED}")
_EVIDENCE = typer.Option("--evidence", metavar="TEXT|@FILE", help=f"What shows it. {_SEALED}")
_ERROR = typer.Option("--error", metavar="TEXT|@FILE", help=f"What it answered. {_SEALED}")


def activate(  # noqa: PLR0913 - each is an option of the command line
    item: Item,
    outcome: Annotated[Literal["success", "failure"], typer.Argument(help="Whether it worked.")],
    *,
    folder: Dir,
    as_: Annotated[str, _AS],
    platform: Annotated[str, _PLATFORM],
    time: Annotated[str | None, _TIME] = None,
    account: Annotated[str, _ACCOUNT] = "",
    evidence: Annotated[str, _EVIDENCE] = "",
    error: Annotated[str, _ERROR] = "",
    as_json: Json = False,
) -> None:
    """Record what came of using an item that was sold; a success once, late or not."""
    name = check_item(item, field="NS/ID")
    out = Output(as_json=as_json)
    told = {"account": account, "error": error, "evidence": evidence}
    seal = {each: (as_, _read(each, text)) for each, text in told.items()}
    with writing(folder, out) as house:
        body: dict[str, Any] = {
            "item": name,
            "order": sold_by(house, name, "item-not-sold"),
            "outcome": outcome,
            "platform": platform,
            "time": time or format_time(house.clock.now()),
        }
        stream = item_stream(name)
        hand = Hand(as_, "system" if as_ == SYSTEM else "buyer", own_key(house, as_))
        expect = {stream: house.head_of(stream)}
        accepted = send(house, Command("record-activation/1", [hand], body, expect, seal=seal))
        late = house.reader.written(accepted.index).data["late"]
    document = {"schema": 1, **body, "late": late}
    out.result(document, plain({each: document[each] for each in ("item", "outcome", "late")}))


def _read(name: str, text: str) -> str:
    try:
        return read_secret(text)
    except OSError as error:
        told = f"cannot read {Path(text[1:])}: {error.strerror}"
        raise Usage(told, code="file-not-readable", field=f"--{name}") from error
