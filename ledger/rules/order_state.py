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
    frozen. `claimed` counts those ever opened. `labels` are those the merchant had when the order
    was placed. `released` (with the fee), `refunded` and what is
    held add up to `price` from the payment on.
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
    claimed: int = 0
    labels: tuple[str, ...] = ()

    @property
    def held(self) -> int:
        """What is in escrow for this line."""
        if self.state != HELD:
            return 0
        return self.price - self.released - self.refunded - self.charged_back

    @property
    def delivered(self) -> bool:
        """Whether the item was delivered; a sold item is the buyer's whatever follows."""
        return self.inspect_by is not None

    def fee_on(self, released: int) -> int:
        """Say what of the fee belongs to so much of the price: the whole fee to the whole of it.

        The merchant owes it by all that was released to it, never by the sum of single parts,
        whose roundings would add up.
        """
        return self.fee * released // self.price

    def settled(self, *, released: int = 0, refunded: int = 0) -> Line:
        """Return the line after so much of its escrow left, ended once nothing is held."""
        line = self._replace(released=self.released + released, refunded=self.refunded + refunded)
        return line if line.held else line._ended()

    def paid_back(self, amount: int) -> Line:
        """Return the line after a refund: out of escrow or, once released, by the merchant."""
        if self.state == HELD:
            return self.settled(refunded=amount)
        released = self.released - amount
        return self._replace(released=released, refunded=self.refunded + amount)._ended()

    def _ended(self) -> Line:
        if self.refunded and self.released:
            return self._replace(state=SPLIT)
        return self._replace(state=RELEASED if self.released else REFUNDED)


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
