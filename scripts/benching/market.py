"""The workload: a ledger with many parties and items, and signed commands for it, made in advance.

The commands are those of a marketplace: an item is registered by the owner of its namespace with
its name sealed (one signature), and transferred by its owner to another party (two signatures).
What a transfer expects of its item is known from the outcomes of the commands before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from itertools import count, islice

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benching.bench import Bench
from ledger.application import Accepted, Ledger, Outcome
from ledger.rules.compose import Context, Draft, Sealing
from ledger.rules.entries import read_entry
from ledger.rules.text import b64decode
from ledger.signer import LocalSigner
from ledger.submission import Submission
from tests.worlds import FOUNDERS, World

BATCH = 256
SEED = "bench"
PARTIES = 48

Check = tuple[Callable[[bytes, bytes], None], bytes, bytes]
"""A public key's own verification, a signature and the signed bytes."""


@dataclass(frozen=True, slots=True)
class Made:
    """A signed command: what is handed in, its item and owner after it, its signature checks."""

    submission: Submission
    item: str
    owner: str
    checks: tuple[Check, ...]
    digest: str


class Market:
    """A ledger of many parties, each with a namespace, and what is needed to trade on it."""

    def __init__(self, world: World, parties: int) -> None:
        """Register parties and open their namespaces in an open world."""
        self.world = world
        self._names = [f"member-{number}" for number in range(parties)]
        for name in self._names:
            world.register(name)
            world.open_namespace(name, name)
        self._context: Context = world.context()
        self._public = {
            name: Ed25519PublicKey.from_public_bytes(world.key(name).public) for name in self._names
        }
        self._numbers = count()
        # Of every item: its owner and the leaf of its head; the least recently moved one first.
        self._items: dict[str, tuple[str, str]] = {}

    @classmethod
    @contextmanager
    def create(cls, url: str, bench: Bench) -> Iterator[Market]:
        """Open a ledger with a market in an empty database."""
        with World.create(url, SEED) as world:
            yield cls(world, bench.some(PARTIES, least=4))

    @contextmanager
    def twin(self, url: str) -> Iterator[Market]:
        """Open a copy of this market's database, to trade there on its own."""
        with World.join(url, SEED, process="twin") as world:
            twin = copy(self)
            twin.world, twin._items = world, dict(self._items)
            yield twin

    @property
    def items(self) -> list[str]:
        """The items there are."""
        return list(self._items)

    @property
    def ledger(self) -> Ledger:
        """The write side, on the settings of production."""
        return self.world.ledger

    def registrations(self, number: int) -> list[Made]:
        """Make commands that register new items, one signature each."""
        return [self._registration() for _ in range(number)]

    def transfers(self, number: int) -> list[Made]:
        """Make commands that transfer as many different items, two signatures each."""
        items = list(islice(self._items, number))
        if len(items) < number:
            message = f"the market has {len(items)} items, {number} are to be transferred"
            raise ValueError(message)
        return self.transfers_of(items)

    def transfers_of(self, items: Sequence[str]) -> list[Made]:
        """Make commands that transfer these items, two signatures each."""
        return [self._transfer(item) for item in items]

    def stock(self, number: int) -> None:
        """Register items until there are so many."""
        missing = number - len(self._items)
        if missing > 0:
            self.append(self.registrations(missing))

    def append(self, made: Sequence[Made]) -> None:
        """Append commands in batches, outside any clock."""
        outcomes: list[Outcome] = []
        for batch in batches(made):
            outcomes += self.ledger.submit(batch)
        self.settle(made, outcomes)

    def settle(self, made: Sequence[Made], outcomes: Sequence[Outcome]) -> None:
        """Learn what became of commands.

        Raises:
            RuleError: The ledger refused one, which a benchmark must not hide.

        """
        for each, outcome in zip(made, outcomes, strict=True):
            if not isinstance(outcome, Accepted):
                raise outcome
            self._items.pop(each.item, None)
            self._items[each.item] = each.owner, outcome.leaf.hex()

    def checks_of_log(self) -> list[Check]:
        """List every signature check of the whole log, as it is stored."""
        names = [*self._names, *(name for name, _ in FOUNDERS)]
        keys = {signer.key_id: signer.public for signer in map(self.world.key, names)}
        public = {key: Ed25519PublicKey.from_public_bytes(raw) for key, raw in keys.items()}
        rows = self.world.recorder.entries(0, self.world.size())
        return [
            (public[signer.key].verify, b64decode(sig, field="sigs"), entry.command.message)
            for entry in (read_entry(row.entry) for row in rows)
            if entry.command is not None
            for signer, sig in zip(entry.command.signers, entry.sigs, strict=True)
        ]

    def _registration(self) -> Made:
        number = next(self._numbers)
        owner = self._names[number % len(self._names)]
        item = f"{owner}/sword-{number}"
        draft = Draft(
            "register-item/1",
            owner,
            [self.world.signs(owner, "owner")],
            {"class": "virtual-equipment", "item": item},
            seal=[Sealing("name", owner, self.world.dice(32), "Sword of a Thousand Truths")],
        )
        return self._made(draft, item, owner, owner)

    def _transfer(self, item: str) -> Made:
        owner, leaf = self._items[item]
        number = next(self._numbers)
        # Any other party: an item wanders through all of them.
        place = self._names.index(owner) + 1 + number % (len(self._names) - 1)
        to = self._names[place % len(self._names)]
        draft = Draft(
            "transfer-item/1",
            owner,
            [self.world.signs(owner, "owner"), self.world.signs(to, "recipient")],
            {"item": item, "price": {"amount": str(1250 + number), "currency": "CNY"}},
            {f"item/{item}": leaf},
        )
        return self._made(draft, item, to, owner, to)

    def _made(self, draft: Draft, item: str, owner: str, *signers: str) -> Made:
        command = self.world.compose(draft, context=self._context)
        keys: list[LocalSigner] = [self.world.key(name) for name in signers]
        submission = self.world.sign(command, *keys, seal=tuple(draft.seal))
        checks = tuple(
            (self._public[name].verify, b64decode(sig, field="sigs"), command.message)
            for name, sig in zip(signers, submission.sigs, strict=True)
        )
        return Made(submission, item, owner, checks, command.digest)


def batches(made: Sequence[Made]) -> list[list[Submission]]:
    """Cut commands into the batches that are handed in."""
    return [
        [each.submission for each in made[start : start + BATCH]]
        for start in range(0, len(made), BATCH)
    ]


def checks_of(made: Sequence[Made]) -> list[Check]:
    """List every signature check of the commands."""
    return [check for each in made for check in each.checks]


def verify_all(checks: Sequence[Check]) -> None:
    """Check signatures in a bare loop: what everything is compared with."""
    for verify, signature, message in checks:
        verify(signature, message)
