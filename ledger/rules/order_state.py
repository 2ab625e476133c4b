"""What an order's stream says so far: its lines, what each holds in escrow, and until when.

A line's price is in escrow from the payment until it is released to the merchant, refunded to the
buyer, or split between them. Times are microseconds since 1970-01-01 UTC, amounts minor units of
the order's currency. Specification: docs/spec.md section 10.
"""

from __future__ import annotations

from typing import NamedTuple

UNPAID, PAID, EXPIRED = "unpaid", "paid", "expired"
UNFUNDED, HELD, RELEASED, REFUNDED, SPLIT = "unfunded", "held", "released", "refunded", "split"


class Line(NamedTuple):
    """One item of an order, bought at a snapshot of a listing.

    `inspect_by` is set by delivery. `claims` are those open; while there is one, the line is
    frozen. `released` and `refunded` add up to no more than `price`.
    """

    item: str
    listing: str
    merchant: str
    item_class: str
    price: int
    fee: int
    snapshot: str
    state: str = UNFUNDED
    deliver_by: int | None = None
    inspect_by: int | None = None
    claims: tuple[str, ...] = ()
    released: int = 0
    refunded: int = 0
    charged_back: int = 0


class Order(NamedTuple):
    """What one buyer ordered: its lines from 1, and the trade policy that decides about it.

    `key` is the X25519 key that deliveries are encrypted to, base64. `terms` is the digest of the
    trade policy that was in force.
    """

    buyer: str
    key: str | None
    terms: str
    currency: str
    tier: str
    lines: tuple[Line, ...]
    pay_by: int
    state: str = UNPAID

    @property
    def total(self) -> int:
        """What the buyer owes for all lines."""
        return sum(line.price for line in self.lines)
