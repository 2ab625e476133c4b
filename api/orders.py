"""An order as JSON, from the state of its stream."""

from __future__ import annotations

from typing import Any

from ledger.rules.order_state import Line, Order
from ledger.rules.state import Head
from ledger.rules.text import format_time
from ledger.rules.timers import order_timers


def order_document(name: str, order: Order, head: Head) -> dict[str, Any]:
    """Write an order: its lines, where the money of each is, and what falls due."""
    return {
        "buyer": order.buyer,
        "chargebacks": [
            {
                "case": case.number,
                "lines": [{"amount": str(part.amount), "line": part.line} for part in case.parts],
                "open": case.open,
                "provider": case.provider,
            }
            for case in order.cases
        ],
        "currency": order.currency,
        "head": head.leaf,
        "head_index": head.index,
        "lines": [line_document(number, line) for number, line in enumerate(order.lines, start=1)],
        "order": name,
        "pay_by": format_time(order.pay_by),
        "state": order.state,
        "terms": order.terms,
        "tier": order.tier,
        "timers": [
            {"due": format_time(timer.due), "rule": timer.rule} for timer in order_timers(order)
        ],
        "total": str(order.total),
    }


def line_document(number: int, line: Line) -> dict[str, Any]:
    """Write one line of an order; amounts in minor units of its currency."""
    return {
        "charged_back": str(line.charged_back),
        "claims": list(line.claims),
        "class": line.item_class,
        "deliver_by": _time(line.deliver_by),
        "delivered": line.inspect_by is not None,
        "fee": str(line.fee),
        "flagged": line.flagged,
        "inspect_by": _time(line.inspect_by),
        "item": line.item,
        "labels": list(line.labels),
        "line": number,
        "listing": line.listing,
        "merchant": line.merchant,
        "price": str(line.price),
        "refunded": str(line.refunded),
        "released": str(line.released),
        "snapshot": line.snapshot,
        "state": line.state,
    }


def _time(at: int | None) -> str | None:
    return None if at is None else format_time(at)
