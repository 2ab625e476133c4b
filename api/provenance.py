"""An item's history and holder as JSON, from the rows of the views."""

from __future__ import annotations

import json
from typing import Any

from ledger.rules.text import format_time
from ledger.rules.views import HistoryRow, OwnershipRow


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
