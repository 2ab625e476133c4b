"""The words rules are written in: what is given, what follows, and what a kind declares.

Specification: docs/spec.md section 9.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.schema import Schema
from ledger.rules.state import Policy, State, Stream

OPERATOR_ROLES = ("root", "system", "receipt", "checkpoint")
GRANTABLE = (
    *("arbitrator", "cashier", "freezer", "importer", "officer", "registrar", "reviewer", "root"),
)
# Who holds one of these can, alone or with others, give an item another owner, or make money.
MOVES_PROPERTY = ("arbitrator", "cashier", "importer", "officer", "root")
ROLES_HELD = frozenset({*OPERATOR_ROLES, *GRANTABLE})

LOG_STREAM = "log"
POLICY_STREAM = "policy/ledger"
TERMS_STREAM = "policy/trade"


class View(Protocol):
    """The state before a command: its writer, its verifier and a proof each bring one.

    A view that holds only a part of the log (a proof) answers None, or False, for what it lacks.
    """

    def stream(self, name: str, /) -> Stream | None:
        """Head and state of a stream, or None if it does not exist."""

    def command_at(self, index: int) -> str | None:
        """Digest of the command that wrote the entry at `index`, itself or by an effect."""

    def seen_root(self, size: int) -> str | None:
        """Root of the tree of `size` entries as it was published, or None if it was not."""

    def key_holder(self, key_id: str) -> str | None:
        """Party that registered this key, revoked or not."""

    def independent_party(self, *, besides: frozenset[str]) -> bool:
        """Say whether a party exists that is not named in entry 0 and not among `besides`."""

    def knows_accounts(self) -> bool:
        """Say whether what accounts hold may be asked: a proof brings nobody's turnover."""


class Fact(NamedTuple):
    """One thing that follows from a command: an entry of `type` with `data` on `stream`."""

    stream: str
    type: str
    data: dict[str, Any]


# What an account holds where a view does not know accounts: such a fact is not compared.
UNJUDGED: Final[dict[str, Any]] = {"unjudged": None}


class Given(NamedTuple):
    """What derive works from: the command, the entry's time (us) and index, the state before."""

    command: Command
    at: int
    index: int  # type: ignore[assignment]  # a tuple has a method of this name
    view: View
    policy: Policy

    @property
    def body(self) -> dict[str, Any]:
        """The command's body."""
        return self.command.body


Derive = Callable[[Given], list[Fact]]
Streams = Callable[[Command], tuple[str, ...]]


def _no_streams(_command: Command) -> tuple[str, ...]:
    return ()


def _nothing(_given: Given) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Kind:
    """A command kind: who signs it, what it holds, what it must expect and what follows.

    Attributes:
        name: With version, as in the command.
        signers: The accepted tuples of roles, in order of signing.
        body: Schema of the body.
        derive: State before to facts; may refuse.
        sealed: Names that must all be sealed, sorted.
        expects: Streams that `expect` must name.
        reads: Other streams that derive asks for, and that a proof must hold; not its signers'.
        exact: `expect` names no other.
        newcomer: Role whose key is registered by this very command, or None.
        risky: A key that is cooling down may not sign it.
        before_expect: Checks that come before `expect` is looked at.

    """

    name: str
    signers: tuple[tuple[str, ...], ...]
    body: Schema
    derive: Derive
    sealed: tuple[str, ...] = ()
    expects: Streams = _no_streams
    newcomer: str | None = None
    risky: bool = False
    before_expect: Callable[[Given], None] = _nothing
    exact: bool = False
    reads: Streams = _no_streams


Evolve = Callable[[State | None, Entry], State]


@dataclass(frozen=True, slots=True)
class EventType:
    """An event type: the fields of its data, all public, and how it changes its stream's state.

    What is not public is sealed in the command and never stands in an entry.
    """

    name: str
    data: Schema
    evolve: Evolve
    says: str = field(default="")


Kinds = Mapping[str, Kind]
EventTypes = Mapping[str, EventType]
