"""Lines that are paid out in parts, several of them at once, and lines that nobody ordered."""

from __future__ import annotations

from collections import Counter

from tests.unit.proof.test_meaning_escrow import (
    FEE,
    SWORD_FEE,
    deliver,
    delivered,
    ordered,
    paid,
    postings,
    release,
)
from tests.unit.proof.test_meaning_orders import DUE, NAME, NOON, ORDER, TOTAL, broken

STRANGE = "order/01930000-0000-7000-8000-000000000009"


def test_a_line_that_leaves_in_two_parts_pays_its_fee_once() -> None:
    meaning, right = delivered(), Counter[str]()
    meaning.let_go(right, NAME, 1, 5000)
    first = FEE * 5000 // 9900
    assert right == {"balance/mia": 5000 - first, "fees": first, f"escrow/{ORDER}/1": -5000}

    meaning.let_go(right, NAME, 1, 4900)
    assert right == {"balance/mia": 9900 - FEE, "fees": FEE, f"escrow/{ORDER}/1": -9900}


def test_two_lines_that_nobody_delivered_go_back_to_one_buyer_together() -> None:
    meaning = paid()
    parts = [{"amount": "9900", "line": 1}, {"amount": "501", "line": 2}]
    held = {f"escrow/{ORDER}/1": -9900, f"escrow/{ORDER}/2": -501}
    data = {"lines": parts, "postings": postings({"balance/bob": TOTAL, **held})}
    command = {"kind": "refund-lines/1", "signers": []}
    meaning.refund({"at": DUE[0], "data": data, "stream": NAME}, command)

    assert [(line.held, line.refunded) for line in meaning.lines[NAME]] == [(0, 9900), (0, 501)]


def test_a_merchant_gives_back_of_two_released_lines_together() -> None:
    meaning = delivered()
    release(meaning)
    parts = [{"amount": "9900", "line": 1}, {"amount": "501", "line": 2}]
    moved = {
        "balance/bob": TOTAL,
        "balance/mia": FEE + SWORD_FEE - TOTAL,
        "fees": -FEE - SWORD_FEE,
    }
    data = {"lines": parts, "postings": postings(moved)}
    command = {"kind": "give-refund/1", "signers": [{"party": "mia"}]}
    meaning.refund({"at": NOON, "data": data, "stream": NAME}, command)

    assert [(line.released, line.refunded) for line in meaning.lines[NAME]] == [(0, 9900), (0, 501)]


def test_a_merchant_gives_back_as_little_as_one() -> None:
    meaning = delivered()
    data = {
        "lines": [{"amount": "1", "line": 2}],
        "postings": postings({"balance/bob": 1, f"escrow/{ORDER}/2": -1}),
    }
    command = {"kind": "give-refund/1", "signers": [{"party": "mia"}]}
    meaning.refund({"at": NOON, "data": data, "stream": NAME}, command)

    line = meaning.lines[NAME][1]
    assert (line.held, line.refunded) == (500, 1)


def test_an_order_that_was_never_placed_has_no_lines() -> None:
    meaning = ordered()
    assert broken("delivery", lambda: meaning.line(STRANGE, 1)) == (
        "a line that was never ordered",
        "0",
        "1",
    )

    meaning.lines.clear()
    none = ("a line that was never ordered", "0", "1")
    assert broken("delivery", lambda: deliver(meaning, 1)) == none
