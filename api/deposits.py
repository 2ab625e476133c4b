"""A merchant's deposit as JSON, from the state of its stream."""

from __future__ import annotations

from typing import Any, Final

from ledger.rules.money import written
from ledger.rules.state import Stream
from ledger.rules.text import format_time
from ledger.rules.trade_state import Account, Deposit

_SECOND_US: Final = 1_000_000


def deposit_document(merchant: str, found: Stream | None) -> dict[str, Any]:
    """Write a deposit: what it holds, what was asked back and when that may be paid.

    `found` is the stream as its last entry left it; None where there never was one.
    """
    deposit = Deposit() if found is None else found.state
    assert isinstance(deposit, Deposit)  # noqa: S101 - by the stream's name
    agreed, asked = deposit.agreed, deposit.requested_at
    due = None
    if agreed is not None and asked is not None:
        due = format_time(asked + agreed.cool_down * _SECOND_US)
    return {
        "agreed": None
        if agreed is None
        else {
            "cool_down_s": agreed.cool_down,
            "minimum": written(Account(agreed.minimum)),
            "terms": agreed.terms,
        },
        "available": written(Account(deposit.available)),
        "claims": deposit.claims,
        "due": due,
        "forfeited": written(Account(deposit.forfeited)),
        "head_index": None if found is None else found.head.index,
        "merchant": merchant,
        "owed": [
            {"amount": str(each.amount), "currency": each.currency, "due": format_time(each.due)}
            for each in deposit.owed
        ],
        "requested_at": None if asked is None else format_time(asked),
        "reserved": written(Account(deposit.reserved)),
    }
