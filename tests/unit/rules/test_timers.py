"""Timers: what falls due on an order by its state alone."""

from __future__ import annotations

import pytest

from ledger.rules.order_state import EXPIRED, HELD, PAID, RELEASED, UNPAID, Line, Order
from ledger.rules.timers import Timer, order_timers


def line(**changes: object) -> Line:
    base = Line("a/b", "a/l", "shop", "card", 5, 0, "", state=HELD, deliver_by=70)
    return base._replace(**changes)  # type: ignore[arg-type]


def order(state: str, *lines: Line) -> Order:
    return Order("bob", None, "", "CNY", "ordinary", lines, 50, state)


def test_an_unpaid_order_waits_for_its_payment_and_for_nothing_else() -> None:
    assert order_timers(order(UNPAID, line())) == [Timer(50, "order-unpaid")]


def test_nothing_is_due_on_an_expired_order() -> None:
    assert order_timers(order(EXPIRED, line())) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [Timer(70, "order-undelivered")]),
        ({"inspect_by": 90}, [Timer(90, "order-inspected")]),
        ({"inspect_by": 90, "claims": ("c",)}, []),
        ({"claims": ("c",)}, []),
        ({"state": RELEASED}, []),
        ({"deliver_by": None}, []),
    ],
)
def test_a_held_line_waits_for_delivery_then_for_inspection_unless_it_is_claimed(
    changes: dict[str, object], expected: list[Timer]
) -> None:
    assert order_timers(order(PAID, line(**changes))) == expected


def test_one_timer_acts_on_all_lines_that_are_due_together_and_the_soonest_is_first() -> None:
    lines = (line(), line(inspect_by=60), line(), line(deliver_by=80))

    assert order_timers(order(PAID, *lines)) == [
        Timer(60, "order-inspected"),
        Timer(70, "order-undelivered"),
        Timer(80, "order-undelivered"),
    ]
