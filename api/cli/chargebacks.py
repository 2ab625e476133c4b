"""payments chargeback: what a provider takes back of an order, and how that ends."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

import typer

from api.cli.failures import Usage
from api.cli.options import Dir, Json, own_key, read_secret, writing
from api.cli.output import Output, plain
from api.desk import Hand, Order, send
from api.disclosures import open_field
from api.house import House
from api.orders import order_document
from ledger.record.stored import read_stored
from ledger.rules.chargebacks import RECEIVED, STAGES
from ledger.rules.compose import ID_RANDOM_BYTES, uuid7
from ledger.rules.order_state import Order as OrderState
from ledger.rules.orders import order_stream
from ledger.rules.text import PROVIDERS, check_uuid7
from ledger.rules.trade_errors import UnknownOrder

_KIND: Final = "record-chargeback/1"
_PART: Final = re.compile(r"([1-9][0-9]?)=([1-9][0-9]{0,37})", re.ASCII)
_ORDER = typer.Argument(metavar="ORDER", help="The number of an order.")
_STAGE = typer.Argument(metavar="STAGE", help="received, won or lost.")
_AS = typer.Option("--as", metavar="PARTY", help="A cashier that is no side of the order.")
_PROVIDER = typer.Option("--provider", metavar="P", help="alipay, internal or wechat.")
_LINE = typer.Option("--line", metavar="N=AMOUNT", help="What is taken of line N; once a line.")
_CASE = typer.Option("--case", metavar="ID", help="Which case was won or lost.")
_NUMBER = typer.Option(
    "--transaction", metavar="TEXT|@FILE", help="The provider's number of the case; kept sealed."
)


def chargeback(  # noqa: PLR0913 - each is an option of the command line
    number: Annotated[str, _ORDER],
    stage: Annotated[str, _STAGE],
    *,
    folder: Dir,
    as_: Annotated[str, _AS],
    provider: Annotated[str, _PROVIDER],
    transaction: Annotated[str, _NUMBER],
    line: Annotated[list[str] | None, _LINE] = None,
    case: Annotated[str | None, _CASE] = None,
    as_json: Json = False,
) -> None:
    """Record what a provider took back of an order's lines, gave again, or kept."""
    _check(stage, provider, line, case)
    out = Output(as_json=as_json)
    parts = sorted(map(_part, line or ()), key=lambda part: int(part["line"]))
    with writing(folder, out) as house:
        stream = order_stream(check_uuid7(number, field="ORDER"))
        found = house.ledger.stream(stream)
        if found is None or not isinstance(found.state, OrderState):
            raise UnknownOrder(f"no such order: {number}", order=number)
        told_number = read_secret(transaction)
        if stage == RECEIVED:
            _check_fresh(house, number, found.state, provider, told_number)
        fresh = uuid7(house.clock.now(), house.random(ID_RANDOM_BYTES))
        body: dict[str, Any] = {
            "case": fresh if case is None else check_uuid7(case, field="--case"),
            "lines": parts,
            "order": number,
            "provider": provider,
            "stage": stage,
        }
        seal = {"transaction": (found.state.buyer, told_number)}
        hands = [Hand(as_, "cashier", own_key(house, as_))]
        send(house, Order(_KIND, hands, body, seal=seal))
        after = house.ledger.stream(stream)
        assert after is not None  # noqa: S101 - it was read before
        assert isinstance(after.state, OrderState)  # noqa: S101 - by the stream's name
        document = order_document(number, after.state, after.head)
    told = {"case": body["case"], "stage": stage, "order": number}
    out.result({"schema": 1, "case": body["case"], **document}, plain(told))


def _check(stage: str, provider: str, line: list[str] | None, case: str | None) -> None:
    if stage not in STAGES:
        raise Usage(f"{stage} is no stage", do=f"One of {', '.join(STAGES)}.")
    if provider not in PROVIDERS:
        raise Usage(f"{provider} is no provider", do=f"One of {', '.join(PROVIDERS)}.")
    if (stage == RECEIVED) != bool(line) or (stage == RECEIVED) != (case is None):
        raise Usage(
            "received goes with --line, won and lost with --case",
            do="Name each line that is charged back, or the case that ended.",
        )


def _check_fresh(
    house: House, number: str, order: OrderState, provider: str, transaction: str
) -> None:
    """Refuse what is open by this number: a lost answer, and the same typed again, takes once."""
    open_cases = {case.number for case in order.cases if case.open}
    for row in house.recorder.stream_entries(order_stream(number)) if open_cases else ():
        command = read_stored(row).command
        if command is None or command.kind != _KIND or command.body["stage"] != RECEIVED:
            continue
        body = command.body
        if body["provider"] != provider or body["case"] not in open_cases:
            continue
        (sealed,) = command.document["sealed"]
        boxes = {box.name: box.box for box in house.recorder.disclosures(row.index)}
        opened = open_field(house, row.index, command.id, sealed, boxes.get(sealed["name"]))
        if opened.value == transaction:
            raise Usage(
                "a chargeback of this number is open already",
                code="chargeback-exists",
                do="Nothing, if it is the same; else look at the provider's number.",
                order=number,
                case=body["case"],
            )


def _part(text: str) -> dict[str, Any]:
    match = _PART.fullmatch(text)
    if match is None:
        raise Usage(f"{text} is not N=AMOUNT", do="As 1=9900: line 1, 9,900 minor units.")
    return {"amount": match[2], "line": int(match[1])}
