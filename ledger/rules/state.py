"""What a stream says so far: immutable states, one class a kind of stream.

A state is the fold of a stream's entries (`evolve`). Times are microseconds since 1970-01-01 UTC,
hashes lower-case hex. Specification: docs/spec.md section 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from ledger.rules.order_state import Order
from ledger.rules.trade_state import (
    Account,
    Alert,
    Checks,
    Claim,
    Credit,
    Deposit,
    Goods,
    Listing,
    Merchant,
)

UNKNOWN = "unknown"


class Head(NamedTuple):
    """The last entry of a stream.

    `command` is the digest of the command that wrote it, itself or by an effect; None where the
    reader has not looked it up.
    """

    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    seq: int
    leaf: str
    command: str | None


@dataclass(frozen=True, slots=True)
class Key:
    """A registered public key. `ready` is when it may do risky acts."""

    id: str
    alg: str
    public: str
    since: int
    ready: int
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A role in force. `single_handed`: no independent party signed its grant."""

    name: str
    single_handed: bool


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A revocation or recovery that waits for its delay; `digest` names its command."""

    digest: str
    requested_with: str
    due: int
    revokes: str | None
    adds: Key | None


@dataclass(frozen=True, slots=True)
class Party:
    """Keys and roles of a party.

    `founder`: entry 0 names it. `attested`: claimed from imported history, not born here.
    """

    party: str
    keys: tuple[Key, ...]
    roles: tuple[Role, ...] = ()
    founder: bool = False
    attested: bool = False
    change: KeyChange | None = None
    # Digest and not_after: forgotten once the command could no longer be appended anyway.
    cancelled: tuple[tuple[str, int], ...] = ()
    # The tier of a trade policy that was recorded last; None where none was.
    level: str | None = None

    def key(self, key_id: str) -> Key | None:
        """Find a key, revoked or not."""
        for key in self.keys:
            if key.id == key_id:
                return key
        return None

    def holds(self, role: str) -> bool:
        """Say whether the role is in force."""
        return any(held.name == role for held in self.roles)


@dataclass(frozen=True, slots=True)
class Namespace:
    """Who registers items in a namespace."""

    owner: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A transfer offered and not yet answered; `digest` names the offering command."""

    digest: str
    to: str
    until: int
    price: dict[str, str] | None


class Item(NamedTuple):
    """One digital good. `sales`: identities of its imported sales.

    A tuple: nearly every entry makes one, and a frozen dataclass takes three times as long to make.
    `goods` is there once it was registered as a card or placed with an agent.
    """

    owner: str
    frozen: bool = False
    offer: Offer | None = None
    imports_only: bool = False
    last_sale: int | None = None
    sales: tuple[str, ...] = ()
    goods: Goods | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A ledger policy: its digest and its whole document."""

    digest: str
    document: dict[str, Any]

    @property
    def registration(self) -> str:
        """`approved` or `open`."""
        return str(self.document["registration"])

    def delay(self, name: str) -> int:
        """Read a delay of the policy, in microseconds; `name` is without its unit suffix."""
        return int(self.document[name + "_s"]) * 1_000_000

    def knows(self, currency: str) -> bool:
        """Say whether the policy gives this currency an exponent."""
        return currency in [entry["currency"] for entry in self.document["currencies"]]


@dataclass(frozen=True, slots=True)
class Log:
    """What entry 0 fixed."""

    origin: str
    founders: tuple[str, ...]
    vkey: str
    receipt_delay: int
    policy: Policy


class Published(NamedTuple):
    """A trade policy: its digest, when it takes effect, and its whole document."""

    digest: str
    effective_at: int
    document: dict[str, Any]


class Terms(NamedTuple):
    """The trade policies of a log: the last that is surely in force, its successor, older ones."""

    in_force: Published
    pending: Published | None = None
    old: tuple[Published, ...] = ()

    def at(self, at: int) -> Published:
        """Return the one in force at a time after the last was published."""
        due = self.pending is not None and at >= self.pending.effective_at
        return self.pending if self.pending is not None and due else self.in_force

    def waiting(self, at: int) -> Published | None:
        """Return the one that is published and not in force yet."""
        return self.pending if self.at(at) is self.in_force else None

    def of(self, digest: str) -> Published | None:
        """Return the one of this digest that is kept: in force, pending or superseded."""
        for each in (self.in_force, self.pending, *self.old):
            if each is not None and each.digest == digest:
                return each
        return None


State = (
    Party
    | Namespace
    | Item
    | Policy
    | Log
    | Terms
    | Merchant
    | Listing
    | Account
    | Credit
    | Deposit
    | Order
    | Claim
    | Alert
    | Checks
)


class Stream(NamedTuple):
    """A stream's head and its state."""

    head: Head
    state: State
