"""Earning: what a buyer's order gives it in credit and points once a line has ended well.

`system` records it once for each line and unit: the id of its command follows from them. How much
it is follows from what was released of the price and from the trade policy that the order pinned.
Specification: docs/spec.md section 9.20.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ledger.rules import schema
from ledger.rules.credit import CREDIT, DATA, UNITS_BODY, credit_after, given_back
from ledger.rules.delivery import line_of
from ledger.rules.digests import timer_id
from ledger.rules.errors import Malformed
from ledger.rules.escrow import line_number
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.order_state import Line
from ledger.rules.orders import order_and_terms, order_of, order_stream
from ledger.rules.payments import check_buyer
from ledger.rules.terms import terms_of
from ledger.rules.trade_errors import CreditNotEarned

KIND: Final = "earn-credit/1"
RULE: Final = "credit-earned"
_WHOLE_BP: Final = 10_000
_SHARE: Final[Mapping[str, str]] = {CREDIT: "purchase_bp", "POINTS": "points_bp"}


def earning_id(order: str, line: int, unit: str) -> str:
    """Return the id of the one command that gives a buyer a unit for a line."""
    return timer_id(order_stream(order), RULE, f"{line}/{unit}")


def earned(line: Line, policy: Mapping[str, Any] | None, unit: str) -> int:
    """Say how much of a unit a line has earned its buyer; 0 until it has ended.

    Args:
        line: As it is now.
        policy: The trade policy that its order pinned; None where the log keeps it no more.
        unit: `CREDIT` or `POINTS`.

    """
    if policy is None or line.held or line.claims:
        return 0
    return int(line.released * policy["credit"][_SHARE[unit]] // _WHOLE_BP)


def _earn(given: Given) -> list[Fact]:
    body, order = given.body, order_of(given)
    line, unit = line_of(order, body["line"]), body["unit"]
    check_buyer(order, body["party"])
    if given.command.id != earning_id(body["order"], body["line"], unit):
        raise Malformed("command.id", "is not the id of what this line earns")
    terms = terms_of(given, order.terms)
    right = earned(line, None if terms is None else terms.document, unit)
    if not right or body["amount"] != str(right):
        raise CreditNotEarned(
            "the line has earned another amount", line=body["line"], unit=unit, earned=str(right)
        )
    return [given_back(given, "credit-earned/1", unit, right)]


KINDS = (
    Kind(
        KIND,
        (("system",),),
        UNITS_BODY | {"line": line_number, "order": schema.uuid7},
        _earn,
        reads=order_and_terms,
        exact=True,
    ),
)
EVENTS = (
    EventType("credit-earned/1", DATA, credit_after, "a line of an order earned credit or points"),
)
