"""An item's history, holder and provenance as JSON, from the rows of the views.

What a buyer asks before paying: since when the log knows the item, through whose hands it went, and
whether anything is known against it. Flags say what was recorded, not that nothing else happened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from api.deals import SOLD, Deal, deals_of
from ledger.log.reader import LogReader
from ledger.rules.state import UNKNOWN
from ledger.rules.text import format_time
from ledger.rules.views import HistoryRow, OwnershipRow
from ledger.rules.views_words import ATTESTED, LATE
from projections.history import History
from projections.ownership import Ownership

CLEAN: Final = "clean"
FLAGS: Final = ("reported-stolen", "disputed", "frozen", "unknown-before-import", CLEAN)
"""What may be known against an item, the gravest first."""

# A freeze for another reason says no more than that the item is frozen.
_FLAG_OF_GROUND: Final[Mapping[str, str]] = MappingProxyType(
    {"reported-stolen": "reported-stolen", "in-dispute": "disputed"}
)


def history_document(row: HistoryRow) -> dict[str, Any]:
    """Write one thing that happened to an item."""
    price = {"amount": row.amount, "currency": row.currency}
    source = {"file": row.source_file, "row": row.source_row}
    return {
        "at": format_time(row.at),
        "command": row.command,
        "from": row.from_party,
        "ground": row.ground,
        "index": row.entry_index,
        "item_class": row.item_class,
        "kind": row.kind,
        "price": None if row.amount is None else price,
        "reason": row.reason,
        "seq": row.seq,
        "signers": json.loads(row.signers),
        "source": None if row.source_file is None else source,
        "source_time": None if row.source_time is None else format_time(row.source_time),
        "to": row.to_party,
        "type": row.type,
        "word": row.word,
    }


def holder_document(row: OwnershipRow) -> dict[str, Any]:
    """Write who holds an item, since when, and whether it is frozen."""
    return {
        "frozen": bool(row.frozen),
        "owner": row.owner,
        "since": {"at": format_time(row.from_at), "index": row.from_index},
    }


def provenance_of(reader: LogReader, item: str, index: int) -> dict[str, Any] | None:
    """Write where an item comes from and what is known against it, after the entry at `index`.

    Each question is one descent of one index, whatever the size of the log; their number is that of
    what happened to the item and its orders.

    Args:
        reader: The log whose database holds the views.
        item: `NS/ID`.
        index: Of the entry.

    Returns:
        None for an item that the log did not know then.

    Raises:
        ViewBehind: The views have not reached that entry.
        EntryMissing: Storage lacks an entry that the views tell of.
        EntryDamaged: One was changed.

    """
    history, ownership = History(reader), Ownership(reader)
    holder = ownership.after(item, index).found
    page = history.moves(item, size=index + 1)
    if holder is None or not page.rows:
        return None
    freeze = history.last_freeze(item, size=index + 1) if holder.frozen else None
    moves, first = page.rows, page.rows[0]
    ordered = history.last_order(item, size=index + 1)
    of_orders = [*(row for row in moves if row.type == SOLD), *([ordered] if ordered else [])]
    deals = deals_of(reader, of_orders, item, index)
    disputed = any(deal.line.claims for deal in deals.values())
    disputed = disputed or history.last_flag(item, size=index + 1) is not None
    flags = _flags(moves, holder, freeze, disputed=disputed)
    return {
        "activation": _activation(history.activation(item, size=index + 1)),
        "flag": flags[0],
        "flags": flags,
        "item": item,
        "made": {
            "at": format_time(first.at),
            "attested": first.word == ATTESTED,
            "index": first.entry_index,
            "item_class": first.item_class,
        },
        "more": page.following is not None,
        "owners": [_owner(row, deals.get(row.entry_index)) for row in moves],
        **holder_document(holder),
    }


def _flags(
    moves: Sequence[HistoryRow],
    holder: OwnershipRow,
    freeze: HistoryRow | None,
    *,
    disputed: bool,
) -> list[str]:
    found = {"disputed"} if disputed else set()
    if holder.frozen:
        ground = "" if freeze is None else str(freeze.ground)
        found.add(_FLAG_OF_GROUND.get(ground, "frozen"))
    # A gap in the middle of imported history is as unknown as what lies before its first row.
    if any(row.reason is not None for row in moves) or holder.owner == UNKNOWN:
        found.add("unknown-before-import")
    return [flag for flag in FLAGS if flag in found] or [CLEAN]


def _owner(row: HistoryRow, deal: Deal | None) -> dict[str, Any]:
    """Write how somebody came to hold the item, and by which order, if by one."""
    told = history_document(row)
    named = ("at", "command", "index", "price", "source_time", "type", "word")
    owner = {"owner": row.to_party, **{name: told[name] for name in named}, "sale": None}
    return owner if deal is None else {**owner, "price": deal.price, "sale": deal.document()}


def _activation(row: HistoryRow | None) -> dict[str, Any] | None:
    """Write what is known of using the item: that it worked, or else that it failed."""
    if row is None:
        return None
    late = row.reason == LATE
    at = format_time(row.at)
    return {"at": at, "index": row.entry_index, "late": late, "outcome": row.ground}
