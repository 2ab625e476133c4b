"""history: who held an item when, on whose word, with every gap."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.table import Table

from api.cli.failures import Usage
from api.cli.options import Dir, Item, Json
from api.cli.output import Output
from api.folder import LedgerFolder
from api.house import House
from api.provenance import history_document, holder_document, provenance_of
from ledger.rules.state import Policy
from ledger.rules.text import check_item, is_imported, time_us
from ledger.rules.views import HistoryRow, OwnershipRow
from projections.history import ROWS_MAX, History
from projections.ownership import Ownership

GAP = "provenance-gap-recorded/1"
_SHORT_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?Z?)?", re.ASCII
)
_ID_SHOWN, _HEAD_SHOWN, _TAIL_SHOWN = 24, 10, 6
_CENTS = 2
_WHAT = {
    "activation-recorded/1": "activation",
    "card-registered/1": "registered",
    "card-revealed/1": "card revealed",
    "code-revoked/1": "code revoked",
    "code-verified/1": "code verified",
    "item-escrowed/1": "with an agent",
    "item-flagged/1": "key found twice",
    "item-first-seen/1": "first seen",
    "item-freed/1": "order ended",
    "item-frozen/1": "frozen",
    "item-registered/1": "registered",
    "item-reserved/1": "reserved",
    "item-sold/1": "sold",
    "item-transferred/1": "transferred",
    "item-unfrozen/1": "unfrozen",
    "item-withdrawn/1": "taken back",
    "offer-ended/1": "offer ended",
    GAP: "GAP",
    "sale-imported/1": "sold",
    "transfer-offered/1": "offered",
}

_AT_INDEX = typer.Option("--at-index", metavar="N", min=0, help="The state after entry N.")
_AT_TIME = typer.Option("--at-time", metavar="T", help="At a time of the ledger (UTC).")
_AT_SOURCE = typer.Option("--at-source-time", metavar="T", help="At a time of imported sales.")


@dataclass(frozen=True, slots=True)
class Moment:
    """As of when: at most one is set; times in microseconds."""

    index: int | None = None
    time: int | None = None
    source_time: int | None = None


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("history")(run)
    app.command("provenance")(provenance)


def run(
    item: Item,
    *,
    folder: Dir,
    at_index: Annotated[int | None, _AT_INDEX] = None,
    at_time: Annotated[str | None, _AT_TIME] = None,
    at_source_time: Annotated[str | None, _AT_SOURCE] = None,
    as_json: Json = False,
) -> None:
    """Show who held an item when, and on whose word; gaps are shown as gaps."""
    check_item(item, field="NS/ID")
    if sum(each is not None for each in (at_index, at_time, at_source_time)) > 1:
        raise Usage("--at-index, --at-time and --at-source-time exclude each other")
    moment = Moment(
        at_index,
        None if at_time is None else read_moment(at_time, field="--at-time"),
        None if at_source_time is None else read_moment(at_source_time, field="--at-source-time"),
    )
    with LedgerFolder.open(folder) as house:
        house.runner.catch_up()
        document, rows = history_of(house, item, moment)
        policy = house.policy()
    out = Output(as_json=as_json)
    out.result(document, table_of(item, rows, policy), verdict_of(document))


def provenance(
    item: Item,
    *,
    folder: Dir,
    at_index: Annotated[int | None, _AT_INDEX] = None,
    as_json: Json = False,
) -> None:
    """Show where an item comes from, through whose hands it went, and what is known against it."""
    check_item(item, field="NS/ID")
    with LedgerFolder.open(folder) as house:
        house.runner.catch_up()
        index = _index_of(house, at_index)
        found = provenance_of(house.reader, item, index)
    if found is None:
        raise _unknown_item(item)
    document = {"schema": 1, "as_of": {"index": index}, **found}
    table = Table(title=item, title_justify="left")
    for name in ("entry", "when", "how", "owner", "on whose word"):
        table.add_column(name, no_wrap=name != "owner")
    for row in found["owners"]:
        when = str(row["source_time"] or row["at"]).replace("T", " ")[:19]
        how = _WHAT.get(row["type"], row["type"])
        table.add_row(str(row["index"]), when, how, _party(row["owner"]), row["word"])
    used = found["activation"]
    told = f"; activation: {used['outcome']}{', late' if used['late'] else ''}" if used else ""
    flags = ", ".join(found["flags"])
    Output(as_json=as_json).result(document, table, f"{flags}; held by {found['owner']}{told}")


def _index_of(house: House, at_index: int | None) -> int:
    """Return the index of the entry that is asked for, the last by default. Raises `Usage`."""
    size = house.reader.size()
    if at_index is not None and at_index >= size:
        raise Usage(
            f"the log has no entry {at_index}",
            code="entry-not-found",
            do="Name an index below the size that `yinzheng status` shows.",
            size=size,
        )
    return size - 1 if at_index is None else at_index


def _unknown_item(item: str) -> Usage:
    return Usage(
        f"the log knew no item {item} then",
        code="unknown-item",
        do="Check the namespace and the id, or ask for a later moment.",
        item=item,
    )


def read_moment(text: str, *, field: str) -> int:
    """Read a protocol time, or the beginning of one, as microseconds. Raises `Malformed`."""
    found = _SHORT_TIME.fullmatch(text)
    if found is None:
        return time_us(text, field=field)
    day, minutes, seconds, micro = found.groups()
    whole = f"{day}T{minutes or '00:00'}:{seconds or '00'}.{(micro or '').ljust(6, '0')}Z"
    return time_us(whole, field=field)


def history_of(
    house: House, item: str, moment: Moment
) -> tuple[dict[str, Any], Sequence[HistoryRow]]:
    """Read an item's history up to a moment, and who held it then.

    Raises:
        Usage: The log has no entry at that index, or knew no such item then.

    """
    size = _index_of(house, moment.index) + 1
    rows = _rows(house, item, moment, size)
    holder = _holder(house, item, moment, size)
    if holder is None:
        raise _unknown_item(item)
    document = {
        "schema": 1,
        "item": item,
        "as_of": {"index": size - 1},
        **holder_document(holder),
        "gaps": sum(row.type == GAP for row in rows),
        "history": [history_document(row) for row in rows],
    }
    return document, rows


def table_of(item: str, rows: Sequence[HistoryRow], policy: Policy) -> Table:
    """Draw the history of an item; prices in whole units of their currencies."""
    table = Table(title=item, title_justify="left")
    for name in ("entry", "when", "what", "from", "to", "price", "on whose word"):
        table.add_column(name, no_wrap=name in {"entry", "when", "what"})
    for row in rows:
        told = history_document(row)
        table.add_row(
            str(row.entry_index),
            str(told["source_time"] or told["at"]).replace("T", " ")[:19],
            _WHAT.get(row.type, row.type),
            _party(row.from_party),
            _party(row.to_party),
            _price(row, policy),
            _word(told),
        )
    return table


def verdict_of(document: dict[str, Any]) -> str:
    """Say who holds the item, in one sentence."""
    state = " (frozen)" if document["frozen"] else ""
    gaps = f"; {document['gaps']} provenance gaps" if document["gaps"] else ""
    return f"held by {document['owner']}{state} as of entry {document['as_of']['index']}{gaps}"


def _rows(house: House, item: str, moment: Moment, size: int) -> list[HistoryRow]:
    history, start = History(house.reader), 0
    rows: list[HistoryRow] = []
    while True:
        page = history.page(item, start=start, limit=ROWS_MAX, size=size, until=moment.time)
        rows += page.rows
        if page.following is None:
            break
        start = page.following
    if moment.source_time is not None:
        # What happened on the ledger itself has no source time and plays no part.
        rows = [
            row
            for row in rows
            if row.source_time is not None and row.source_time <= moment.source_time
        ]
    return rows


def _holder(house: House, item: str, moment: Moment, size: int) -> OwnershipRow | None:
    ownership = Ownership(house.reader)
    if moment.time is not None:
        return ownership.at_time(item, moment.time).found
    if moment.source_time is not None:
        return ownership.at_source_time(item, moment.source_time).found
    return ownership.after(item, size - 1).found


def _party(party: str | None) -> str:
    """Write a party short enough for a table; the middle of a long id tells nobody anything."""
    if party is None:
        return "-"
    *_, shown = party.split("/")
    if len(shown) > _ID_SHOWN:
        shown = f"{shown[:_HEAD_SHOWN]}…{shown[-_TAIL_SHOWN:]}"
    return f"{shown} (imported)" if is_imported(party) else shown


def _price(row: HistoryRow, policy: Policy) -> str:
    if row.amount is None or row.currency is None:
        return "-"
    known = {each["currency"]: each["exponent"] for each in policy.document["currencies"]}
    places = int(known.get(row.currency, 0))
    digits = row.amount.rjust(places + 1, "0")
    whole, rest = digits[: len(digits) - places], digits[len(digits) - places :]
    kept = rest.rstrip("0") if places > _CENTS else rest
    return f"{whole}.{kept} {row.currency}" if kept else f"{whole} {row.currency}"


def _word(told: dict[str, Any]) -> str:
    signers = ", ".join(dict.fromkeys(str(signer["party"]) for signer in told["signers"]))
    said = {"signed": "signed by", "attested": "attested by", "role": "by role of"}
    because = told["reason"] or told["ground"]
    return f"{said[told['word']]} {signers}" + (f" ({because})" if because else "")
