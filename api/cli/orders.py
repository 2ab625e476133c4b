"""order: what buyers do with orders, and what the platform delivers."""

from __future__ import annotations

from base64 import b64encode
from contextlib import suppress
from typing import Annotated, Any, Final

import typer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from rich.table import Table

from api.access import Caller
from api.cli.activations import activate
from api.cli.failures import Usage
from api.cli.options import Dir, Item, Json, own_key, writing
from api.cli.output import Output, plain
from api.cli.parcels import EvidenceFile, open_order
from api.cli.standing import sold_by
from api.delivering import deliver_paid
from api.desk import Hand, send
from api.desk import Order as Command
from api.evidence import Evidence, write_evidence
from api.folder import LedgerFolder
from api.house import House
from api.keystore import keystore_of
from api.orders import order_document
from api.packing import NotPacked
from api.revealing import open_card
from ledger.cards.commitments import read_opening
from ledger.errors import LedgerError
from ledger.rules.compose import ID_RANDOM_BYTES, uuid7
from ledger.rules.errors import ItemFrozen, RuleError, StaleExpectation
from ledger.rules.items import item_stream
from ledger.rules.listings import listing_stream
from ledger.rules.merchants import merchant_stream
from ledger.rules.model import TERMS_STREAM
from ledger.rules.order_state import Order
from ledger.rules.orders import LINES_MAX, order_stream
from ledger.rules.state import Published, Terms
from ledger.rules.text import check_item, check_party, check_uuid7
from ledger.rules.trade_errors import (
    CardRevealed,
    ItemFlagged,
    ItemNotForSale,
    ItemReserved,
    UnknownListing,
    UnknownOrder,
)
from ledger.rules.trade_state import Listing
from ledger.rules.views_goods import GoodsRow
from ledger.rules.views_orders import OrderRow
from projections.orders import Orders
from projections.stock import STOCK_MAX, Stock

app = typer.Typer(
    help="What buyers do with orders, and what the platform delivers.", no_args_is_help=True
)
app.command("open")(open_order)
app.command("activate")(activate)
_TRIES: Final = 5
_KEY_BYTES: Final = 32
_GONE: Final = (StaleExpectation, ItemReserved, ItemNotForSale, ItemFlagged, ItemFrozen)

As = Annotated[
    str,
    typer.Option("--as", metavar="PARTY", help="Who signs, by a key of the keystore or of D/keys."),
]
Number = Annotated[str, typer.Argument(metavar="ORDER", help="The number of an order.")]


@app.command("place")
def place(
    listing: Annotated[str, typer.Argument(metavar="LISTING", help="NS/ID of a listing.")],
    *,
    folder: Dir,
    as_: As,
    count: Annotated[
        int, typer.Option("--count", min=1, max=LINES_MAX, metavar="N", help="How many items.")
    ] = 1,
    with_key: Annotated[
        bool,
        typer.Option(
            "--key/--no-key",
            help="Whether cards come encrypted, for `order open`, or are revealed.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Order items of a listing, as it stands, that are free; they stay reserved for a while."""
    check_item(listing, field="LISTING")
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        order = _place(house, listing, as_, count, with_key=with_key)
        document = _document(house, order)
    _show(out, document)


def _place(house: House, listing: str, buyer: str, count: int, *, with_key: bool) -> str:
    """Order free items; another one where somebody was quicker."""
    left = _TRIES
    while True:
        left -= 1
        house.runner.catch_up()
        order = uuid7(house.clock.now(), house.random(ID_RANDOM_BYTES))
        key = X25519PrivateKey.from_private_bytes(house.random(_KEY_BYTES)) if with_key else None
        command = _placing(house, order, listing, buyer, count, key)
        # Kept before the order stands anywhere: nobody else could open what is sent to it.
        kept = None if key is None else keystore_of(house.origin).add_order_key(order, key)
        try:
            send(house, command)
        except (RuleError, LedgerError) as refused:
            # Nothing was recorded, so nothing will ever come to this key.
            if kept is not None:
                kept.unlink()
            if not left or not isinstance(refused, _GONE):
                raise
        else:
            return order


def _placing(
    house: House, order: str, name: str, buyer: str, count: int, key: X25519PrivateKey | None
) -> Command:
    listing = _listing(house, name)
    terms = _terms(house)
    lines = [_line(name, listing, row.item) for row in _pick(house, name, listing, count)]
    streams = {listing_stream(name), merchant_stream(listing.merchant)}
    streams |= {item_stream(line["item"]) for line in lines}
    body = {
        "agreement": terms.document["agreement"],
        "currency": listing.terms["price"]["currency"],
        "key": None if key is None else b64encode(key.public_key().public_bytes_raw()).decode(),
        "lines": lines,
        "order": order,
        "terms": terms.digest,
    }
    hands = [Hand(buyer, "buyer", own_key(house, buyer))]
    expect = {stream: house.head_of(stream) for stream in streams}
    return Command("place-order/1", hands, body, expect=expect)


def _listing(house: House, name: str) -> Listing:
    found = house.ledger.stream(listing_stream(name))
    if found is None or not isinstance(found.state, Listing):
        raise UnknownListing(f"no such listing: {name}", listing=name)
    return found.state


def _terms(house: House) -> Published:
    found = house.ledger.stream(TERMS_STREAM)
    if found is None or not isinstance(found.state, Terms):
        raise Usage(
            "this log has no trade policy, which says how long an order waits",
            code="no-trade-policy",
            do="Publish one: yinzheng policy publish FILE --dir D",
        )
    return found.state.at(house.clock.now())


def _pick(house: House, name: str, listing: Listing, count: int) -> list[GoodsRow]:
    """Pick any free items: who all took the first would all but one come too late."""
    terms = listing.terms
    free = Stock(house.reader).free(
        listing.merchant, terms["class"], terms["product"], limit=STOCK_MAX
    )
    if len(free) < count:
        raise Usage(
            f"{len(free)} items of {name} are free, {count} were asked for",
            code="out-of-stock",
            do="Ask for fewer, or later.",
            listing=name,
            free=len(free),
        )
    for place in range(count):
        other = place + int.from_bytes(house.random(8)) % (len(free) - place)
        free[place], free[other] = free[other], free[place]
    return free[:count]


def _line(name: str, listing: Listing, item: str) -> dict[str, str]:
    return {
        "item": item,
        "listing": name,
        "merchant": listing.merchant,
        "price": listing.terms["price"]["amount"],
        "snapshot": listing.snapshot,
    }


@app.command("pay")
def pay(number: Number, *, folder: Dir, as_: As, as_json: Json = False) -> None:
    """Pay an order from the buyer's balance."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        order = _order(house, number)
        money = {"amount": str(order.total), "currency": order.currency}
        _act(house, "pay-order/1", as_, {"amount": money, "order": number})
        document = _document(house, number)
    _show(out, document)


@app.command("accept")
def accept(
    number: Number,
    *,
    folder: Dir,
    as_: As,
    line: Annotated[
        list[int] | None, typer.Option("--line", min=1, metavar="N", help="Default: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Accept delivered lines: their price goes to the merchant."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        order = _order(house, number)
        lines = sorted(set(line or range(1, len(order.lines) + 1)))
        _act(house, "accept-lines/1", as_, {"lines": lines, "order": number})
        document = _document(house, number)
    _show(out, document)


def _act(house: House, kind: str, buyer: str, body: dict[str, Any]) -> None:
    stream = order_stream(body["order"])
    hands = [Hand(buyer, "buyer", own_key(house, buyer))]
    send(house, Command(kind, hands, body, expect={stream: house.head_of(stream)}))


@app.command("show")
def show(number: Number, *, folder: Dir, as_json: Json = False) -> None:
    """Show an order, and where the money of each line is."""
    with LedgerFolder.open(folder) as house:
        document = _document(house, number)
    _show(Output(as_json=as_json), document)


@app.command("list")
def list_(
    buyer: Annotated[str, typer.Argument(metavar="PARTY", help="Whose orders.")],
    *,
    folder: Dir,
    as_json: Json = False,
) -> None:
    """List the orders of a buyer, by number."""
    check_party(buyer, field="PARTY")
    with LedgerFolder.open(folder) as house:
        house.runner.catch_up()
        orders = Orders(house.reader)
        rows: list[OrderRow] = []
        while page := orders.of_buyer(buyer, after=rows[-1].order_id if rows else ""):
            rows += page
    table = Table(title=f"orders of {buyer}", title_justify="left")
    for name in ("order", "state", "lines", "total"):
        table.add_column(name, no_wrap=True)
    for row in rows:
        table.add_row(row.order_id, row.state, str(row.lines), f"{row.total} {row.currency}")
    listed = [
        {
            "order": row.order_id,
            "state": row.state,
            "lines": row.lines,
            "total": {"amount": row.total, "currency": row.currency},
        }
        for row in rows
    ]
    Output(as_json=as_json).result({"schema": 1, "buyer": buyer, "orders": listed}, table)


@app.command("deliver")
def deliver(*, folder: Dir, as_json: Json = False) -> None:
    """Deliver what is paid and lies with the platform, as a serving process does by itself."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        house.runner.catch_up()
        refused: list[dict[str, Any]] = []

        def tell(order: str, line: int, why: NotPacked) -> None:
            refused.append({"order": order, "line": line, "reason": why.reason})

        delivered = deliver_paid(house, tell)
    document = {"schema": 1, "delivered": delivered, "undeliverable": refused}
    out.result(document, plain({"delivered": delivered}), *map(plain, refused))


@app.command("reveal")
def reveal(
    item: Item, *, folder: Dir, as_: As, evidence: EvidenceFile = None, as_json: Json = False
) -> None:
    """Ask to see a card that was sold, for all to know, and show its key."""
    name = check_item(item, field="NS/ID")
    out = Output(as_json=as_json)
    with writing(folder, out) as house:
        key = own_key(house, as_)
        stream, body = item_stream(name), _revealing(house, name)
        hands = [Hand(as_, "owner", key)]
        command = Command("reveal-card/1", hands, body, expect={stream: house.head_of(stream)})
        # Shown as often as its owner wants; owner and key are looked at before this refusal.
        with suppress(CardRevealed):
            send(house, command)
        document = {"schema": 1, **open_card(house, name, Caller(as_, frozenset()))}
        if evidence is not None and document["opening"] is not None:
            house.publisher.publish()
            shown = read_opening("card", document["opening"])
            proof = house.prover.prove(name)
            write_evidence(evidence, Evidence(body["order"], body["line"], proof, shown))
    out.result(document, plain({each: document[each] for each in ("item", "product", "key")}))


def _revealing(house: House, item: str) -> dict[str, Any]:
    number = sold_by(house, item, "card-not-sold")
    lines = [line.item for line in _order(house, number).lines]
    return {"item": item, "line": lines.index(item) + 1, "order": number}


def _order(house: House, number: str) -> Order:
    stream = order_stream(check_uuid7(number, field="ORDER"))
    found = house.ledger.stream(stream)
    if found is None or not isinstance(found.state, Order):
        raise UnknownOrder(f"no such order: {number}", order=number)
    return found.state


def _document(house: House, number: str) -> dict[str, Any]:
    order, found = _order(house, number), house.ledger.stream(order_stream(number))
    assert found is not None  # noqa: S101 - it was read just now
    return {"schema": 1, **order_document(number, order, found.head)}


def _show(out: Output, document: dict[str, Any]) -> None:
    table = Table(title=f"order {document['order']}", title_justify="left")
    for name in ("line", "item", "price", "state", "delivered", "claims", "labels"):
        table.add_column(name, no_wrap=name != "item")
    for line in document["lines"]:
        delivered = "yes" if line["delivered"] else "no"
        price = f"{line['price']} {document['currency']}"
        claims = str(len(line["claims"]))
        table.add_row(
            *(str(line["line"]), line["item"], price, line["state"], delivered, claims),
            ", ".join(line["labels"]) or "-",
        )
    due = document["timers"][0] if document["timers"] else None
    follows = f"; {due['rule']} at {due['due']}" if due else ""
    flagged = [
        f"line {line['line']}: its card key is another item's too (alert {line['flagged']})"
        for line in document["lines"]
        if line["flagged"] is not None
    ]
    told = f"{document['state']}, {document['total']} in all{follows}"
    out.result(document, table, *flagged, told)
