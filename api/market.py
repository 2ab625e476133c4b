"""A simulated market: parties with keys of their own, a clock that the script moves, fixed dice.

Commands are queued and handed in together as long as none needs the outcome of another. Every
command says beforehand whether it will be accepted, or which refusal it is meant to meet; anything
else stops the market, because it is a bug of the ledger or of the script.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from api.desk import Hand, Order, write
from api.enrolment import OPERATOR
from api.house import House, new_key
from ledger.application import Accepted, Outcome
from ledger.clock import FixedClock
from ledger.rules.commands import Command
from ledger.rules.compose import Context
from ledger.rules.state import Item, Party
from ledger.rules.text import party_stream
from ledger.signer import LocalSigner
from ledger.submission import Submission

T = TypeVar("T")

SECOND_US = 1_000_000
BATCH = 64
_WORD_BYTES = 8


class MarketBroken(Exception):
    """The ledger answered a command of the script in another way than the script says."""

    def __init__(self, kind: str, *, expected: str, found: str) -> None:
        super().__init__(f"{kind}: expected {expected}, found {found}")
        self.kind = kind
        self.expected = expected
        self.found = found


class Dice:
    """Random bytes and choices that follow from a seed: SHA-256 of seed and counter."""

    def __init__(self, seed: str) -> None:
        """Start from a seed."""
        self._seed = seed.encode()
        self._count = 0
        self._left = b""

    def __call__(self, size: int) -> bytes:
        """Give that many bytes."""
        while len(self._left) < size:
            block = self._seed + b"\x00" + self._count.to_bytes(_WORD_BYTES)
            self._left += hashlib.sha256(block).digest()
            self._count += 1
        given, self._left = self._left[:size], self._left[size:]
        return given

    def below(self, limit: int) -> int:
        """Give a number from 0 to `limit` - 1."""
        return int.from_bytes(self(_WORD_BYTES)) % limit

    def pick(self, choices: Sequence[T]) -> T:
        """Give one of several."""
        return choices[self.below(len(choices))]


@dataclass(frozen=True, slots=True)
class _Queued:
    kind: str
    submission: Submission
    refused: str | None


@dataclass
class Market:
    """The floor: who is there, what was said, and what the ledger answered.

    Attributes:
        house: The ledger.
        clock: The house's clock.
        dice: Decide everything.
        wallets: Keys of each party, the one in use last.
        accepted: Commands accepted, by kind.
        refused: Commands refused, by the code of the refusal.

    """

    house: House
    clock: FixedClock
    dice: Dice
    wallets: dict[str, list[LocalSigner]] = field(default_factory=dict)
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    checkpoints: int = 0
    _queue: list[_Queued] = field(default_factory=list)
    _touched: set[str] = field(default_factory=set)

    def make_key(self, party: str, *, alg: str = "ed25519") -> LocalSigner:
        """Make a key for a party and put it to use."""
        key = new_key(alg, random=self.dice)
        self.wallets.setdefault(party, []).append(key)
        return key

    def hand(self, party: str, role: str, *, key: LocalSigner | None = None) -> Hand:
        """Let a party sign in a role, with the key that it uses now unless another is named."""
        return Hand(party, role, key or self.wallets[party][-1])

    def register(self, party: str, *, class_: str, by: str, alg: str = "ed25519") -> None:
        """Let a registrar register a party, with a key that is made for it."""
        key = self.make_key(party, alg=alg)
        hands = [self.hand(party, "party"), self.hand(by, "registrar")]
        body = {"class": class_, "key": key.key(), "party": party}
        self.say(Order("register-party/1", hands, body))

    def grant(self, party: str, role: str, *, second: str | None = None) -> None:
        """Let the operator grant a role; one that moves property needs a second party."""
        hands = [self.hand(OPERATOR, "root"), self.hand(party, "grantee")]
        if second is not None:
            hands.append(self.hand(second, "second"))
        self.say(Order("grant-role/1", hands, {"party": party, "role": role}))

    def head(self, stream: str) -> str | None:
        """Return the leaf of a stream's head, once what is queued for it is in."""
        self._settle(stream)
        return self.house.head_of(stream)

    def item(self, item: str) -> Item:
        """Return the state of an item that is registered."""
        stream = f"item/{item}"
        self._settle(stream)
        found = self.house.ledger.stream(stream)
        assert found is not None  # noqa: S101 - the script registered it
        assert isinstance(found.state, Item)  # noqa: S101 - by the stream's name
        return found.state

    def party(self, party: str) -> Party:
        """Return keys and roles of a party that is registered."""
        stream = party_stream(party)
        self._settle(stream)
        found = self.house.ledger.stream(stream)
        assert found is not None  # noqa: S101 - the script registered it
        assert isinstance(found.state, Party)  # noqa: S101 - by the stream's name
        return found.state

    def say(
        self,
        order: Order,
        *,
        streams: Sequence[str] = (),
        refused: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> Command:
        """Queue one command, some seconds after the one before.

        Args:
            order: What is said, and by whom.
            streams: Whose present heads it expects; it writes them.
            refused: Code of the refusal that it is meant to meet; None when it is accepted.
            context: What is wrong with the time, the log or the policy that it names.

        """
        self.clock.advance((10 + self.dice.below(25)) * SECOND_US)
        heads = {stream: self.head(stream) for stream in streams}
        order = replace(order, expect={**heads, **order.expect})
        said = replace(self.context(), **(context or {}))
        command, submission = write(said, order, random=self.dice)
        self.hand_in(command, submission, refused=refused)
        self._touched.update(order.expect)
        return command

    def hand_in(
        self, command: Command, submission: Submission, *, refused: str | None = None
    ) -> None:
        """Queue a command that is written already."""
        self._queue.append(_Queued(command.kind, submission, refused))
        if len(self._queue) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Hand in what is queued.

        Raises:
            MarketBroken: A command met another fate than the script says.

        """
        queued, self._queue = self._queue, []
        self._touched.clear()
        if not queued:
            return
        outcomes = self.house.ledger.submit([each.submission for each in queued])
        for each, outcome in zip(queued, outcomes, strict=True):
            found = "accepted" if isinstance(outcome, Accepted) else outcome.code
            expected = each.refused or "accepted"
            if found != expected:
                raise MarketBroken(each.kind, expected=expected, found=_told(outcome))
            if isinstance(outcome, Accepted):
                self.accepted[each.kind] += 1
            else:
                self.refused[found] += 1

    def publish(self) -> None:
        """Hand in what is queued and publish a checkpoint over it."""
        self.flush()
        self.checkpoints += self.house.publisher.publish() is not None

    def context(self) -> Context:
        """Return what a composer needs to know; the policy of the day does not change."""
        policy = self.house.ledger.opened().policy
        return Context(self.house.origin, policy.digest, self.clock.now())

    @property
    def said(self) -> int:
        """How many commands were handed in or queued."""
        return self.accepted.total() + self.refused.total() + len(self._queue)

    def _settle(self, stream: str) -> None:
        if stream in self._touched:
            self.flush()


def _told(outcome: Outcome) -> str:
    return "accepted" if isinstance(outcome, Accepted) else f"{outcome.code} ({outcome})"
