"""cards: card keys of a merchant, and the index that tells them apart."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cards import CardFileRefused, Goods, Row, lines_of, open_file, read_rows
from api.cards import upload as hand_in
from api.cli.failures import USAGE, Usage
from api.cli.options import Dir, Json, own_key, writing
from api.cli.output import Output, plain
from api.cli.parcels import check
from api.duplicates import report_doubles, reports, sold_by
from api.folder import LedgerFolder
from api.house import House
from api.parcels import address_of, open_delivered
from api.policies.publishing import terms_recorded
from api.timers import SYSTEM
from ledger.log.reader import LogReader
from ledger.registry import Filled
from ledger.rules.merchants import merchant_stream
from ledger.rules.state import Namespace, Published
from ledger.rules.text import check_namespace, check_party
from ledger.rules.trade_state import Merchant

app = typer.Typer(
    help="Card keys of a merchant, and the index that tells them apart.", no_args_is_help=True
)
app.command("check")(check)
_STDIN = "-"
_FILE = typer.Argument(
    metavar="FILE", help="CSV with a column `key`, or one key a line; - reads stdin."
)
_MERCHANT = typer.Option("--merchant", metavar="ID", help="Whose keys they are; it signs.")
_PRODUCT = typer.Option(
    "--product", metavar="NAMESPACE", help="What they are for; a key is registered in it once."
)
_CLASS = typer.Option("--class", metavar="CLASS", help="Of goods; default: the merchant's only.")
_AS = typer.Option(
    "--as", metavar="PARTY", help="Whose key of the keystore, or of D/keys, signs; default: ID."
)


@app.command("upload")
def upload(  # noqa: PLR0913 - each is an option of the command line
    file: Annotated[str, _FILE],
    *,
    folder: Dir,
    merchant: Annotated[str, _MERCHANT],
    product: Annotated[str, _PRODUCT],
    class_: Annotated[str | None, _CLASS] = None,
    as_: Annotated[str | None, _AS] = None,
    as_json: Json = False,
) -> int:
    """Register a file of card keys for sale; a key that was registered before is left out."""
    out = Output(as_json=as_json)
    rows = _read(file)
    check_party(merchant, field="merchant")
    with writing(folder, out) as house:
        goods = _goods(house, merchant, check_namespace(product, field="product"), class_)
        key = own_key(house, as_ or merchant)
        with out.progress("registering card keys") as step:
            told = hand_in(house, goods, key, rows, step)
    document = {"schema": 1, **told.document()}
    shown = {name: each for name, each in document.items() if name != "schema"}
    shown["duplicate_rows"] = [f"{row} ({item})" for row, item in told.duplicates]
    out.result(document, plain(shown))
    return USAGE if told.left else 0


@app.command("open")
def open_(  # noqa: PLR0913 - each is an option of the command line
    parcel: Annotated[Path, typer.Argument(metavar="PARCEL", help="What was delivered.")],
    *,
    folder: Dir,
    item: Annotated[str, typer.Option("--item", metavar="NS/ID", help="What was bought.")],
    order: Annotated[str, typer.Option("--order", metavar="UUID", help="Of which order it is.")],
    line: Annotated[int, typer.Option("--line", min=1, metavar="N", help="Of which line.")],
    with_: Annotated[
        Path, typer.Option("--with", metavar="FILE", help="The order's private X25519 key.")
    ],
    as_json: Json = False,
) -> None:
    """Open a parcel with its order's key, and check that it is the card that was committed to."""
    with LedgerFolder.open(folder, read_only=True) as house:
        address = address_of(house.reader, house.origin, item=item, order=order, line=line)
    opening = open_delivered(address, parcel, key=with_)
    document = {
        "schema": 1,
        "item": item,
        "product": address.product,
        "commitment": address.commitment,
        "key": opening.text,
    }
    shown = {name: each for name, each in document.items() if name != "schema"}
    Output(as_json=as_json).result(document, plain(shown))


@app.command("reindex")
def reindex(*, folder: Dir, as_json: Json = False) -> None:
    """Make the index of card keys anew from the vault, after it was lost or put back."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house, out.progress("reading card keys") as step:
        filled = house.registry.reindex(house.ledger.stream, step)
        doubles = _doubles(house, filled)
    _show(out, filled, doubles)


@app.command("repepper")
def repepper(*, folder: Dir, as_json: Json = False) -> None:
    """Add a pepper, and give every card key a fingerprint under it."""
    out = Output(as_json=as_json)
    with writing(folder, out) as house, out.progress("reading card keys") as step:
        version, filled = house.registry.repepper(house.ledger.stream, step)
        doubles = _doubles(house, filled)
    _show(out, filled, doubles, pepper=version)


@app.command("sightings")
def sightings(*, folder: Dir, as_json: Json = False) -> None:
    """List who tried to register card keys of others, and keys found twice; for staff only."""
    with writing(folder, Output(as_json=as_json)) as house:
        found = [
            {
                "at": each.at,
                "party": each.owner,
                "stream": f"item/{each.item}",
                "other_party": each.other_owner,
                "other_stream": f"item/{each.other_item}",
                "other_order": sold_by(house, each.other_item),
            }
            for each in house.registry.sightings()
        ]
        twice = [{"at": each.at, **each.document()} for each in reports(house)]
    document = {"schema": 1, "doubles": twice, "sightings": found}
    Output(as_json=as_json).result(document, *map(plain, [*found, *twice]))


def _doubles(house: House, filled: Filled) -> list[dict[str, str | None]]:
    """Report each double, and name both items, the orders that sold them and the alert."""
    return [each.document() for each in report_doubles(house, filled.doubles)]


def _show(out: Output, filled: Filled, doubles: list[dict[str, str | None]], **more: int) -> None:
    document: dict[str, Any] = {
        "schema": 1,
        **more,
        "cards": filled.cards,
        "unreadable": filled.unreadable,
        "doubles": doubles,
    }
    out.result(document, plain({name: each for name, each in document.items() if name != "schema"}))


def _read(file: str) -> list[Row]:
    try:
        if file == _STDIN:
            sys.stdin.reconfigure(encoding="utf-8-sig", newline="")  # type: ignore[union-attr]
            return read_rows(lines_of(sys.stdin))
        return read_rows(open_file(Path(file)))
    except CardFileRefused as refused:
        raise Usage(
            refused.message,
            code="card-file-refused",
            do="Correct the rows that are named; no key was uploaded.",
            rows=refused.rows,
        ) from None


def _goods(house: House, merchant: str, product: str, class_: str | None) -> Goods:
    """Fill in what an upload leaves out, from the log."""
    terms = terms_recorded(LogReader(house.recorder))
    if terms is None:
        raise Usage(
            "this log has no trade policy, which says what cards are held to",
            code="no-trade-policy",
            do="Publish one: yinzheng policy publish FILE --dir D",
        )
    in_force = terms.at(house.clock.now())
    found = house.ledger.stream(merchant_stream(merchant))
    if found is None or not isinstance(found.state, Merchant):
        raise Usage(
            f"{merchant} was never qualified as a merchant",
            code="unknown-merchant",
            do="The merchant and a reviewer sign qualify-merchant/1 (docs/spec.md section 9.9); "
            "`yinzheng submit` hands it in.",
        )
    return Goods(
        merchant=merchant,
        namespace=_namespace(house, found.state, product),
        product=product,
        item_class=class_ or _only_class(house, found.state, in_force),
        agent=SYSTEM,
        terms=in_force.digest,
    )


def _namespace(house: House, merchant: Merchant, product: str) -> str:
    """Choose the namespace of the items: the product's own where the merchant owns it."""
    found = house.ledger.stream(f"namespace/{product}")
    own = (
        found is not None
        and isinstance(found.state, Namespace)
        and found.state.owner == merchant.party
    )
    return product if own else merchant.namespace


def _only_class(house: House, merchant: Merchant, in_force: Published) -> str:
    now = house.clock.now()
    cards = {each["class"] for each in in_force.document["classes"] if each["sells"] == "card"}
    classes = [
        each.item_class
        for each in merchant.qualified
        if each.until > now and each.item_class in cards
    ]
    if len(classes) != 1:
        raise Usage(
            f"{merchant.party} is qualified for {len(classes)} classes of cards; name one",
            do="Add --class CLASS.",
            classes=classes,
        )
    return classes[0]
