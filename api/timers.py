"""Timers: what falls due is done by a command of the party `system`.

The id of a timer's command follows from stream, rule and due time, so that it fires once, however
many processes try. What is due stands in the views, so nothing is missed by who was not running:
after a week all of it fires on the first look, longest due first.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from api.desk import Hand, Order, send, write
from api.house import House
from ledger.application import Accepted
from ledger.rules.digests import timer_id
from ledger.rules.errors import ChangeNotDue, CommandConflict, NoSuchChange
from ledger.rules.parties import KEY_CHANGE_RULE
from ledger.rules.text import format_time, party_stream
from ledger.rules.timers import ORDER_INSPECTED, ORDER_UNDELIVERED, ORDER_UNPAID
from ledger.rules.trade_errors import TimerNotDue
from ledger.rules.views_orders import OrderRow
from ledger.submission import Submission
from projections.orders import Orders
from projections.parties import Parties

SYSTEM = "system"
KIND_OF_RULE: Final[Mapping[str, str]] = MappingProxyType(
    {
        ORDER_INSPECTED: "release-lines/1",
        ORDER_UNDELIVERED: "refund-lines/1",
        ORDER_UNPAID: "expire-order/1",
    }
)
"""By which kind of command each rule of an order is done."""


def fire_due(house: House) -> int:
    """Do everything that is due.

    Args:
        house: Open for writing; its views are up to date.

    Returns:
        How many timers fired here.

    Raises:
        DatabaseUnavailable: The rest waits for the next call.

    """
    return complete_due(house) + act_on_orders(house)


def complete_due(house: House) -> int:
    """Complete every key change whose delay has passed.

    Args:
        house: Open for writing; its views are up to date.

    Returns:
        How many were completed here.

    Raises:
        DatabaseUnavailable: The rest waits for the next call.

    """
    completed = 0
    for row in Parties(house.reader).due(house.clock.now()):
        if row.change_due is not None and row.change_digest is not None:
            completed += _complete(house, row.party, row.change_digest, format_time(row.change_due))
    return completed


def _complete(house: House, party: str, change: str, due: str) -> bool:
    order = Order(
        "complete-key-change/1",
        [Hand(SYSTEM, SYSTEM, house.signer(SYSTEM))],
        {"change": change, "due": due, "party": party},
        command_id=timer_id(party_stream(party), KEY_CHANGE_RULE, due),
    )
    try:
        return not send(house, order).again
    except (NoSuchChange, CommandConflict, ChangeNotDue):
        # Another process was first, or somebody objected in the meantime.
        return False


def act_on_orders(house: House) -> int:
    """Do what is due on orders, in batches, longest due first.

    Args:
        house: Open for writing; its views are up to date.

    Returns:
        How many timers fired here.

    Raises:
        RuleError: The ledger refuses a timer for another reason than that it was not due; all
            others fire.
        DatabaseUnavailable: The rest waits for the next call.

    """
    fired, now = 0, house.clock.now()
    refused: list[Exception] = []
    orders, after = Orders(house.reader), None
    while rows := orders.due(now, KIND_OF_RULE, after=after):
        outcomes = house.ledger.submit([_timer(house, row) for row in rows])
        for outcome in outcomes:
            if isinstance(outcome, Accepted):
                fired += not outcome.again
            elif not isinstance(outcome, TimerNotDue | CommandConflict):
                refused.append(outcome)
        after = rows[-1]
    # Not at once: what cannot be done on one order holds up nobody else's.
    if refused:
        raise refused[0]
    return fired


def _timer(house: House, row: OrderRow) -> Submission:
    # The table's own check holds both or neither.
    assert row.next_rule is not None  # noqa: S101 - said above
    assert row.next_due is not None  # noqa: S101 - said above
    due = format_time(row.next_due)
    order = Order(
        KIND_OF_RULE[row.next_rule],
        [Hand(SYSTEM, SYSTEM, house.signer(SYSTEM))],
        {"due": due, "order": row.order_id},
        command_id=timer_id(f"order/{row.order_id}", row.next_rule, due),
    )
    return write(house.context(), order, random=house.random)[1]
