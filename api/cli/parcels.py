"""order open, cards check: what was delivered to an order's key, and proving it to others."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.table import Table

from api.access import Caller
from api.cli.failures import TAMPERED, Usage
from api.cli.keystore import LedgerDir
from api.cli.options import Json, Vkey, own_key, read_vkey
from api.cli.output import Output, plain
from api.client_errors import ProblemAnswer
from api.errors import ParcelNotFound
from api.evidence import (
    DELIVERED,
    REVEALED,
    Evidence,
    Parcel,
    check_delivered,
    delivery_in,
    examine,
    promised_in,
    read_evidence,
    write_evidence,
)
from api.fetching import WHY, fetch_parcel
from api.folder import LedgerFolder
from api.house import House
from api.keystore import Keystore, keystore_of
from api.parcels import read_order_key
from ledger.cards.parcels import PARCEL_BYTES_MAX, Address, open_parcel
from ledger.log.errors import ProofTooLarge
from ledger.rules.items import item_stream
from ledger.rules.order_state import Order
from ledger.rules.orders import order_stream
from ledger.rules.text import check_uuid7
from ledger.rules.trade_errors import UnknownLine, UnknownOrder

_ORDER = typer.Argument(metavar="ORDER", help="The number of an order.")
_AS = typer.Option("--as", metavar="PARTY", help="Who bought it; its key is in the keystore.")
_URL = typer.Option("--url", metavar="URL", help="Where the ledger is served.")
_LINE = typer.Option("--line", min=1, metavar="N", help="Default: all that came in a parcel.")
_PARCEL = typer.Option(
    "--parcel", metavar="FILE", help="The parcel, as whoever delivered the line handed it over."
)
_WITH = typer.Option(
    "--with", metavar="FILE", help="The order's private key; default: from the keystore."
)
EvidenceFile = Annotated[
    Path | None,
    typer.Option(
        "--evidence", metavar="FILE", help="Write there what shows an arbitrator which card it is."
    ),
]
_FILE = typer.Argument(metavar="FILE", help="What a buyer's `--evidence` wrote.")
_SHOW = typer.Option("--show", help="Print the card key, too.")


_REVEAL = "Reveal it, for all to know: yinzheng order reveal NS/ID --as OWNER --dir D"
_NEXT = {
    "undelivered": "See what it waits for: yinzheng order show ORDER --dir D",
    "no-parcel": _REVEAL,
    "by-another": "Ask the merchant for the parcel, then add: --line N --parcel FILE",
    "lost": _REVEAL,
}


class Shelf(NamedTuple):
    """Where parcels come from: a ledger's folder, or a server.

    Attributes:
        vkey: The log's verifier key.
        keys: The keystore of this user in the log.
        items: What each line of the order bought.
        parcel: Fetches the parcel of a line.
        prove: Makes the proof of an item, as far as an entry.
        registered: Finds the entry that registered an item.

    """

    vkey: str
    keys: Keystore
    items: list[str]
    parcel: Callable[[int], bytes]
    prove: Callable[[str, int | None], bytes]
    registered: Callable[[str], int]


class Opened(NamedTuple):
    """A line whose parcel was opened."""

    address: Address
    key: str


def open_order(  # noqa: PLR0913 - each is an option of the command line
    order: Annotated[str, _ORDER],
    *,
    as_: Annotated[str, _AS],
    url: Annotated[str | None, _URL] = None,
    folder: LedgerDir = None,
    vkey: Vkey = None,
    line: Annotated[int | None, _LINE] = None,
    with_: Annotated[Path | None, _WITH] = None,
    parcel: Annotated[Path | None, _PARCEL] = None,
    evidence: EvidenceFile = None,
    as_json: Json = False,
) -> None:
    """Fetch what was delivered to the key of an order, open it, and print the card keys."""
    check_uuid7(order, field="ORDER")
    if (url is None) == (folder is None):
        raise Usage("name where to ask: either --url URL or --dir D")
    if (evidence, parcel) != (None, None) and line is None:
        raise Usage("a parcel, or evidence, is of one line; name it", do="Add --line N.")
    with _shelf(order, as_, url, folder, vkey) as found:
        private, shelf = read_order_key(with_ or found.keys.order_file(order)), found
        if parcel is not None:
            held = _read_parcel(parcel)
            shelf = found._replace(parcel=lambda _line: held)
        opened, missing = _open_lines(shelf, order, line, private, evidence)
    _show(Output(as_json=as_json), order, opened, missing)


def check(
    file: Annotated[Path, _FILE],
    *,
    vkey: Annotated[str, typer.Option("--vkey", metavar="KEY|@FILE", help="The log's key.")],
    show: Annotated[bool, _SHOW] = False,
    as_json: Json = False,
) -> int:
    """Check evidence of a card that was sold, offline: which it is, and whether it was promised."""
    evidence = read_evidence(file)
    found = examine(evidence, read_vkey(vkey))
    address = found.delivery.address
    document: dict[str, Any] = {
        "schema": 1,
        "verdict": found.verdict,
        "order": address.order,
        "line": address.line,
        "item": address.item,
        "product": address.product,
        "commitment": address.commitment,
        "digest": found.delivery.digest,
        "delivered_by": found.delivery.by,
        "index": found.delivery.entry,
    }
    if show:
        document["key"] = None if found.opening is None else found.opening.text
    shown = {name: each for name, each in document.items() if name != "schema"}
    Output(as_json=as_json).result(document, plain(shown))
    return 0 if found.verdict in {DELIVERED, REVEALED} else TAMPERED


@contextmanager
def _shelf(
    order: str, party: str, url: str | None, folder: Path | None, vkey: str | None
) -> Iterator[Shelf]:
    if url is not None:
        with _served(order, party, url, None if vkey is None else read_vkey(vkey)) as shelf:
            yield shelf
        return
    assert folder is not None  # noqa: S101 - one of the two is given
    with LedgerFolder.open(folder, read_only=True) as house:
        caller = _caller(house, party)
        found = house.ledger.stream(order_stream(order))
        if found is None or not isinstance(found.state, Order):
            raise UnknownOrder(f"no such order: {order}", order=order)
        yield Shelf(
            house.vkey,
            keystore_of(house.origin),
            [line.item for line in found.state.lines],
            lambda line: b64decode(fetch_parcel(house, order, line, caller)["parcel"]),
            house.prover.prove,
            lambda item: house.reader.stream_entries(item_stream(item))[0].index,
        )


def _caller(house: House, party: str) -> Caller:
    """Take the caller for a party whose key is at hand, as a server would for the same key."""
    key = own_key(house, party)
    state = house.parties.of_key(key.key_id)
    own = None if state is None else state.key(key.key_id)
    if state is None or own is None or own.revoked or state.party != party:
        raise Usage(
            f"the key at hand is no valid key of {party}",
            code="key-not-valid",
            do="See which it has: yinzheng keys party PARTY --dir D",
            party=party,
            key=key.key_id,
        )
    return Caller(party, frozenset())


@contextmanager
def _served(order: str, party: str, url: str, vkey: str | None) -> Iterator[Shelf]:
    # It costs a quarter of a second that no other command should pay.
    from api.actors import Actor  # noqa: PLC0415
    from api.client import LedgerClient  # noqa: PLC0415

    with LedgerClient(url, vkey=vkey) as client:
        keys = keystore_of(client.log.origin)
        actor = Actor(party, keys.load(party))
        items = [str(line["item"]) for line in client.order(order)["lines"]]
        yield Shelf(
            client.log.vkey,
            keys,
            items,
            lambda line: b64decode(client.parcel(order, line, actor)["parcel"]),
            lambda item, index: client.proof(item, index=index),
            lambda item: int(client.history(item)[0]["index"]),
        )


def _open_lines(
    shelf: Shelf, order: str, line: int | None, private: bytes, evidence: Path | None
) -> tuple[list[Opened], dict[int, str]]:
    """Open the parcels of an order, or of one line; where none is there, say why."""
    opened, missing = list[Opened](), dict[int, str]()
    if line is not None and line > len(shelf.items):
        raise UnknownLine("the order has no such line", line=line, lines=len(shelf.items))
    for number in range(1, len(shelf.items) + 1) if line is None else [line]:
        try:
            parcel = shelf.parcel(number)
        except (ParcelNotFound, ProblemAnswer) as error:
            if error.code != ParcelNotFound.code:
                raise
            missing[number] = str(error.evidence["reason"])
        else:
            opened.append(_opened(shelf, order, number, Parcel(private, parcel), evidence))
    for number, reason in missing.items() if not opened else []:
        raise Usage(WHY[reason], code=ParcelNotFound.code, do=_NEXT[reason], line=number)
    return opened, missing


def _opened(shelf: Shelf, order: str, line: int, parcel: Parcel, evidence: Path | None) -> Opened:
    """Open a parcel on the proof of its item alone, whatever else was told with it."""
    address = _proven(shelf, order, line, parcel, evidence)
    opening = open_parcel(address, parcel.sealed, private=parcel.key)
    return Opened(address, opening.text)


def _proven(shelf: Shelf, order: str, line: int, parcel: Parcel, evidence: Path | None) -> Address:
    """Prove what was promised, and that this was delivered; write what shows both, if wanted."""
    item = shelf.items[line - 1]
    try:
        proof = shelf.prove(item, None)
    except (ProofTooLarge, ProblemAnswer) as error:
        if error.code != ProofTooLarge.code or evidence is not None:
            raise
        # Others linked too much to this item. What was promised is in its first entry alone.
        first = shelf.prove(item, shelf.registered(item))
        return promised_in(first, shelf.vkey, item=item, order=order, line=line)
    delivery = delivery_in(proof, shelf.vkey, order=order, line=line)
    check_delivered(delivery, parcel)
    if evidence is not None:
        # Before it is opened: what does not open, or is another card, is what it is for.
        write_evidence(evidence, Evidence(order, line, proof, parcel))
    return delivery.address


def _read_parcel(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(PARCEL_BYTES_MAX + 1)


def _show(out: Output, order: str, opened: list[Opened], missing: dict[int, str]) -> None:
    lines = [
        {
            "line": each.address.line,
            "item": each.address.item,
            "product": each.address.product,
            "commitment": each.address.commitment,
            "key": each.key,
        }
        for each in opened
    ]
    table = Table(title=f"order {order}", title_justify="left")
    for name in ("line", "item", "product"):
        table.add_column(name, no_wrap=True)
    # Cut at the edge of a terminal, it could not be used.
    table.add_column("key", overflow="fold")
    for each in lines:
        table.add_row(*(str(each[name]) for name in ("line", "item", "product", "key")))
    absent = [{"line": line, "reason": reason} for line, reason in sorted(missing.items())]
    document = {"schema": 1, "order": order, "lines": lines, "missing": absent}
    out.result(document, table, *map(plain, absent))
