"""What the streams of trade say so far: merchants, what they list, and what is owed to whom.

Tuples, as items are: the path of an order makes several of them. Specification: docs/spec.md
section 10.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Qualification(NamedTuple):
    """That a merchant's documents for a class of goods were reviewed. `until`: microseconds."""

    item_class: str
    origin: str | None
    until: int


class Label(NamedTuple):
    """What a trade policy calls a merchant, since an entry's time (microseconds)."""

    name: str
    since: int


class Merchant(NamedTuple):
    """A party that sells: its namespace, what it is qualified for by class, its labels by name."""

    party: str
    namespace: str
    qualified: tuple[Qualification, ...]
    labels: tuple[Label, ...] = ()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The names of its labels, sorted."""
        return tuple([each.name for each in self.labels])

    def qualification(self, item_class: str) -> Qualification | None:
        """Find the qualification for a class, whether or not it has ended."""
        return next((each for each in self.qualified if each.item_class == item_class), None)


class Listing(NamedTuple):
    """What a merchant offers to everybody: the last edit whole, and its digest."""

    snapshot: str
    terms: dict[str, Any]
    ended: bool = False

    @property
    def merchant(self) -> str:
        """Who lists it."""
        return str(self.terms["merchant"])


class Escrow(NamedTuple):
    """That an owner placed an item with an agent who sells it for them, and under which terms."""

    agent: str
    terms: str


class Goods(NamedTuple):
    """What an item is as goods: its class and product, and commitments to its card and its code.

    Without a card it is a thing that is handed over. `escrow` names who may sell it, `order` the
    order that is made for it, `sold` the one that sold it last, at `sold_at`; `revealed` and
    `activated` are those that had sold it when its card was shown and when it was activated.
    `failed` counts activations that failed since it was sold last. `flagged` is the alert that
    reported its card key as another item's too. `code_revoked`: its owner revoked its code, which
    was verified for the first time at `verified_at` (microseconds).
    """

    item_class: str
    product: str
    card: str | None
    code: str | None
    escrow: Escrow | None = None
    order: str | None = None
    sold: str | None = None
    revealed: str | None = None
    sold_at: int | None = None
    activated: str | None = None
    failed: int = 0
    flagged: str | None = None
    code_revoked: bool = False
    verified_at: int | None = None


class Checks(NamedTuple):
    """What a party asked about codes: what waits for its answer, named by its commands' ids.

    `asked` are the times (microseconds) of its questions within the hour that ended with the last
    one; `wrong` those of the last answers that a code is not the item's, as many as any trade
    policy may ask about.
    """

    pending: tuple[str, ...] = ()
    asked: tuple[int, ...] = ()
    wrong: tuple[int, ...] = ()


class Claim(NamedTuple):
    """That a buyer claims a line of an order, and whether that is still open."""

    order: str
    line: int
    kind: str
    open: bool = True


class Alert(NamedTuple):
    """That two items hold one card key: each item, and the order that sold it, if one did."""

    cards: tuple[tuple[str, str | None], ...]


class Account(NamedTuple):
    """What one account holds, by currency, sorted; nothing stands there for a currency of zero."""

    holdings: tuple[tuple[str, int], ...] = ()

    def held(self, currency: str) -> int:
        """Say how much of a currency it holds, in minor units."""
        for name, amount in self.holdings:
            if name == currency:
                return amount
        return 0


class Credit(NamedTuple):
    """A member's credit and points: what it has and, of what was clawed back, still owes."""

    held: tuple[tuple[str, int], ...] = ()
    owed: tuple[tuple[str, int], ...] = ()


class Agreed(NamedTuple):
    """What a merchant agreed to of its deposit: under which trade policy, and what that says.

    `cool_down` is in seconds: how long after it was asked for a part is paid back at the earliest.
    `minimum` is by currency, as accounts are.
    """

    terms: str
    cool_down: int
    minimum: tuple[tuple[str, int], ...]


class Owed(NamedTuple):
    """What a merchant owes in a currency by chargebacks it lost, and since when it is due.

    `due`: microseconds since 1970-01-01 UTC.
    """

    currency: str
    amount: int
    due: int


class Deposit(NamedTuple):
    """A merchant's deposit: what stands for its promises, what it asked back, what was taken.

    Amounts are by currency, as those of accounts. `claims` counts what is open on what it sold,
    chargebacks too; `requested_at` (microseconds) is when it asked for what is reserved; `owed` is
    sorted by currency.
    """

    available: tuple[tuple[str, int], ...] = ()
    reserved: tuple[tuple[str, int], ...] = ()
    forfeited: tuple[tuple[str, int], ...] = ()
    claims: int = 0
    agreed: Agreed | None = None
    requested_at: int | None = None
    owed: tuple[Owed, ...] = ()
