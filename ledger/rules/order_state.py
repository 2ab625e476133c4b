"""What an order's stream says so far: its lines, what each holds in escrow, and until when.

A line's price is in escrow from the payment until it is released to the merchant, refunded to the
buyer, or split between them. Times are microseconds since 1970-01-01 UTC, amounts minor units of
the order's currency. Specification: docs/spec.md section 10.
"""

from __future__ import annotations

from typing import NamedTuple

UNPAID, PAID, EXPIRED = "unpaid", "paid", "expired"
UNFUNDED, HELD, RELEASED, REFUNDED, SPLIT = "unfunded", "held", "released", "refunded", "split"
CHARGED_BACK = "charged-back"


class Line(NamedTuple):
    """One item of an order, bought at a snapshot of a listing.

    `inspect_by` is set by delivery. `claims` are the claims and chargebacks that are open; while
    there is one, the line is frozen. `claimed` counts the claims ever opened. `labels` are those
    the merchant had when the order was placed. `flagged` is the alert that reported its item's card
    key as another item's too. `released` (with the fee), `refunded`, `charged_back` and what is
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
    flagged: str | None = None

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
        return self._after(self.released + released, self.refunded + refunded)

    def paid_back(self, amount: int) -> Line:
        """Return the line after a refund: out of escrow or, once released, by the merchant."""
        by_merchant = 0 if self.state == HELD else amount
        return self._after(self.released - by_merchant, self.refunded + amount)

    def charged(self, case: str, amount: int) -> Line:
        """Return the line after the provider took so much of it back, frozen until that ends."""
        line = self._replace(charged_back=self.charged_back + amount, claims=(*self.claims, case))
        if self.state != HELD:
            line = line._replace(released=self.released - amount)
        return line if line.held or line.released else line._replace(state=CHARGED_BACK)

    def regained(self, amount: int, *, held: bool) -> Line:
        """Return the line after the provider gave so much back: to escrow, or to its merchant."""
        line = self._replace(charged_back=self.charged_back - amount)
        if held:
            return line._replace(state=HELD)
        return line._after(line.released + amount, line.refunded)

    def thawed(self, case: str, at: int) -> Line:
        """Return the line without an open chargeback; what fell due meanwhile is due now.

        The timer of that time may have fired for other lines, and fires once.
        """
        line = self._replace(claims=tuple([each for each in self.claims if each != case]))
        if line.state != HELD:
            return line
        if line.inspect_by is not None:
            return line._replace(inspect_by=max(line.inspect_by, at))
        if line.deliver_by is not None:
            return line._replace(deliver_by=max(line.deliver_by, at))
        return line

    def _after(self, released: int, refunded: int) -> Line:
        if released + refunded + self.charged_back < self.price:
            state = self.state
        elif released and refunded:
            state = SPLIT
        else:
            state = RELEASED if released else REFUNDED
        return self._replace(state=state, released=released, refunded=refunded)


class Back(NamedTuple):
    """What a provider took back of one line, by its number; `held` says that it lay in escrow."""

    line: int
    amount: int
    held: bool


class Case(NamedTuple):
    """A provider's taking money back for an order: its number, its parts, whether it is open."""

    number: str
    provider: str
    parts: tuple[Back, ...]
    open: bool = True


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
    cases: tuple[Case, ...] = ()

    @property
    def total(self) -> int:
        """What the buyer owes for all lines."""
        return sum([line.price for line in self.lines])
