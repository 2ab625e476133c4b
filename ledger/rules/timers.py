"""Timers: what falls due on a stream by its state alone, and the commands that may say so.

A timer is a command of `system` whose id follows from the stream, the rule and the due time, so
that it is recorded once however often it fires. Its body holds the due time, its entry the time at
which it fired. Specification: docs/spec.md section 9.12.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.rules.digests import timer_id
from ledger.rules.errors import Malformed
from ledger.rules.model import Given
from ledger.rules.order_state import HELD, PAID, UNPAID, Line, Order
from ledger.rules.text import format_time
from ledger.rules.trade_errors import TimerNotDue

ORDER_UNPAID, ORDER_UNDELIVERED, ORDER_INSPECTED = (
    "order-unpaid",
    "order-undelivered",
    "order-inspected",
)


class Timer(NamedTuple):
    """What falls due on a stream: when (microseconds), and by which rule."""

    due: int
    rule: str


def order_timers(order: Order) -> list[Timer]:
    """Say what falls due on an order, soonest first: one timer a rule and a due time.

    A line with an open claim waits for the claim and for no time.
    """
    if order.state == UNPAID:
        return [Timer(order.pay_by, ORDER_UNPAID)]
    if order.state != PAID:
        return []
    return sorted({timer for line in order.lines for timer in _line_timers(line)})


def _line_timers(line: Line) -> list[Timer]:
    if line.state != HELD or line.claims:
        return []
    if line.inspect_by is not None:
        return [Timer(line.inspect_by, ORDER_INSPECTED)]
    return [] if line.deliver_by is None else [Timer(line.deliver_by, ORDER_UNDELIVERED)]


def check_timer(given: Given, stream: str, rule: str, timers: list[Timer]) -> int:
    """Accept a timer of this rule that falls due among `timers`, and return its due time.

    Raises:
        TimerNotDue: None of this rule is due at the body's time, or that time has not come.
        Malformed: The command's id is not the timer's.

    """
    due = given.body["due"]
    found = [each.due for each in timers if each.rule == rule and format_time(each.due) == due]
    if not found or given.at < found[0]:
        at = format_time(given.at)
        raise TimerNotDue("nothing is due", stream=stream, rule=rule, due=due, at=at)
    if given.command.id != timer_id(stream, rule, due):
        raise Malformed("command.id", "is not the id of this timer")
    return found[0]
