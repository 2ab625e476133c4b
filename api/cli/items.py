"""item: namespaces, and what owners, recipients and freezers do with items."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.failures import Usage
from api.cli.keys import report
from api.cli.options import Dir, Item, Json, writing
from api.cli.output import Output
from api.cli.standing import standing_item
from api.desk import Hand, Order, send
from api.enrolment import open_namespace
from api.house import House
from ledger.application import Accepted
from ledger.rules.errors import NoSuchOffer
from ledger.rules.items import FREEZE_GROUNDS, ITEM_CLASSES, UNFREEZE_GROUNDS, item_stream
from ledger.rules.text import check_item, format_time

app = typer.Typer(
    help="Namespaces, and what owners, recipients and freezers do with items.",
    no_args_is_help=True,
)
_HOUR_US = 3600 * 1_000_000
_HOURS_MAX = 24 * 366


@dataclass(frozen=True, slots=True)
class Answer:
    """A command about an item that one party signs."""

    kind: str
    item: str
    party: str
    role: str


def _one_of(values: frozenset[str]) -> str:
    return "|".join(sorted(values))


As = Annotated[str, typer.Option("--as", metavar="PARTY", help="Who signs; its key is in D/keys.")]
To = Annotated[str, typer.Option("--to", metavar="PARTY", help="Who gets it.")]
Price = Annotated[
    str | None,
    typer.Option("--price", metavar="AMOUNT:CURRENCY", help="Minor units, as in 9900:CNY."),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Kept sealed.")]


@app.command("namespace")
def namespace(
    name: Annotated[str, typer.Argument(metavar="NS", help="A new namespace.")],
    owner: Annotated[str, typer.Argument(metavar="PARTY", help="Who owns it.")],
    *,
    folder: Dir,
    as_json: Json = False,
) -> None:
    """Open a namespace, in which its owner alone registers items."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        open_namespace(house, name, owner)
    document = {"schema": 1, "namespace": name, "owner": owner}
    out.result(document, f"{name} is owned by {owner}.")


@app.command("register")
def register(
    item: Item,
    *,
    folder: Dir,
    as_: As,
    class_: Annotated[str, typer.Option("--class", metavar=_one_of(ITEM_CLASSES))],
    name: Annotated[str, typer.Option("--name", metavar="TEXT", help="Its name, kept sealed.")],
    as_json: Json = False,
) -> None:
    """Register an item in a namespace that the signer owns."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        order = Order(
            "register-item/1",
            [Hand(as_, "owner", house.signer(as_))],
            {"class": class_, "item": item},
            seal={"name": (as_, name)},
        )
        outcome = send(house, order)
    report(out, outcome, item=item)


@app.command("transfer")
def transfer(
    item: Item, *, folder: Dir, as_: As, to: To, price: Price = None, as_json: Json = False
) -> None:
    """Transfer an item at once, signed by owner and recipient."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        hands = [Hand(as_, "owner", house.signer(as_)), Hand(to, "recipient", house.signer(to))]
        body = {"item": item, "price": read_price(price)}
        outcome = _send(house, "transfer-item/1", hands, body)
    report(out, outcome, item=item, owner=to)


@app.command("offer")
def offer(  # noqa: PLR0913 - each is an option of the command line
    item: Item,
    *,
    folder: Dir,
    as_: As,
    to: To,
    price: Price = None,
    hours: Annotated[
        int, typer.Option("--hours", min=1, max=_HOURS_MAX, help="How long it stands.")
    ] = 24,
    as_json: Json = False,
) -> None:
    """Offer an item to a party, which accepts or refuses."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        until = format_time(house.clock.now() + hours * _HOUR_US)
        body = {"item": item, "price": read_price(price), "to": to, "until": until}
        outcome = _send(house, "offer-transfer/1", [Hand(as_, "owner", house.signer(as_))], body)
        digest = _standing(house, item)
    report(out, outcome, item=item, offer=digest, until=until)


@app.command("accept")
def accept(item: Item, *, folder: Dir, as_: As, as_json: Json = False) -> None:
    """Accept the offer that stands."""
    _answer(folder, Answer("accept-transfer/1", item, as_, "recipient"), as_json=as_json)


@app.command("refuse")
def refuse(item: Item, *, folder: Dir, as_: As, as_json: Json = False) -> None:
    """Refuse the offer that stands."""
    _answer(folder, Answer("refuse-offer/1", item, as_, "recipient"), as_json=as_json)


@app.command("withdraw")
def withdraw(item: Item, *, folder: Dir, as_: As, as_json: Json = False) -> None:
    """Withdraw the offer that stands."""
    _answer(folder, Answer("withdraw-offer/1", item, as_, "owner"), as_json=as_json)


@app.command("freeze")
def freeze(
    item: Item,
    *,
    folder: Dir,
    as_: As,
    ground: Annotated[str, typer.Option("--ground", metavar=_one_of(FREEZE_GROUNDS))],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Freeze an item: it cannot move until it is unfrozen."""
    _freeze(folder, Answer("freeze-item/1", item, as_, "freezer"), ground, reason, as_json=as_json)


@app.command("unfreeze")
def unfreeze(
    item: Item,
    *,
    folder: Dir,
    as_: As,
    ground: Annotated[str, typer.Option("--ground", metavar=_one_of(UNFREEZE_GROUNDS))],
    reason: Reason,
    as_json: Json = False,
) -> None:
    """Unfreeze an item."""
    _freeze(
        folder,
        Answer("unfreeze-item/1", item, as_, "freezer"),
        ground,
        reason,
        as_json=as_json,
    )


def read_price(text: str | None) -> dict[str, str] | None:
    """Read AMOUNT:CURRENCY. Raises `Usage`; the ledger checks the rest."""
    if text is None:
        return None
    amount, colon, currency = text.partition(":")
    if not colon:
        raise Usage("a price is AMOUNT:CURRENCY in minor units, as in 9900:CNY")
    return {"amount": amount, "currency": currency}


def _answer(folder: Path, answer: Answer, *, as_json: bool) -> None:
    """Send what a party says about the offer that stands."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        digest = _standing(house, answer.item)
        if digest is None:
            raise NoSuchOffer(f"no offer of {answer.item} stands", item=answer.item)
        hands = [Hand(answer.party, answer.role, house.signer(answer.party))]
        outcome = _send(house, answer.kind, hands, {"item": answer.item, "offer": digest})
    report(out, outcome, item=answer.item, offer=digest)


def _freeze(folder: Path, answer: Answer, ground: str, reason: str, *, as_json: bool) -> None:
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        order = Order(
            answer.kind,
            [Hand(answer.party, answer.role, house.signer(answer.party))],
            {"ground": ground, "item": answer.item},
            seal={"reason": (answer.party, reason)},
        )
        outcome = send(house, order)
    report(out, outcome, item=answer.item, ground=ground)


def _send(house: House, kind: str, hands: list[Hand], body: dict[str, Any]) -> Accepted:
    stream = item_stream(check_item(body["item"], field="NS/ID"))
    return send(house, Order(kind, hands, body, expect={stream: house.head_of(stream)}))


def _standing(house: House, item: str) -> str | None:
    """Return the digest of the item's offer, if one stands."""
    offer = standing_item(house, item).offer
    return None if offer is None else offer.digest
