"""The commands that clients send: a tree of them for each item, signed once per process.

A command names the one before it (`after`), never a hash or a time of this history, so that the
same signed bytes serve in every seed. Two children of one command cannot both be recorded.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from ledger.application import Submission
from ledger.rules.commands import Command
from ledger.rules.compose import Context, Draft, Sealing, compose, uuid7
from ledger.rules.text import format_time
from tests.determinism.simdb import SimDatabase
from tests.determinism.simrecorder import Link, SimRecorder
from tests.worlds import SECOND_US, START_US, World

SEED = "determinism"
PARTIES = ("shop", "ann", "bob", "eve", "dan")
REGISTERED, UNREGISTERED = 6, 6
ITEMS = tuple(f"cards/{number}" for number in range(REGISTERED + UNREGISTERED))
LARGE = 250
DAY_US = 24 * 3600 * SECOND_US
SHORT_LIFE_US = 900 * SECOND_US


@dataclass(eq=False)
class Ware:
    """One signed command about an item, and what may come after it."""

    item: str
    path: str
    command: Command
    submission: Submission
    owner: str
    offer: tuple[str, str] | None = None
    _children: dict[str, Ware] = field(default_factory=dict)
    _cancel: list[Ware] = field(default_factory=list)

    @property
    def digest(self) -> str:
        return self.command.digest

    @property
    def steps(self) -> str:
        """What may follow, a letter each; they exclude each other."""
        return "ynab" if self.offer else "aabbcdo"

    def child(self, step: str) -> Ware:
        """The command that follows by this step."""
        if step not in self._children:
            self._children[step] = template("small").shelf.child(self, step)
        return self._children[step]

    def cancelled(self) -> Ware:
        """The command that forbids this one."""
        if not self._cancel:
            self._cancel = [template("small").shelf.cancel(self)]
        return self._cancel[0]


class Shelf:
    """Composes and signs wares for one opened ledger."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._now = world.clock.now()
        self.roots: dict[str, Ware] = {}

    def make(self, item: str, path: str, draft: Draft, owner: str, **more) -> Ware:
        """Sign one command; its id and its life come from its path."""
        dice = sha256(f"{item}|{path}|{draft.kind}".encode()).digest()
        life = SHORT_LIFE_US if dice[-1] < 32 and path else DAY_US
        context = self._world.context(not_after=self._now + life)
        context = Context(context.log, context.policy, self._now, context.not_after)
        command = compose(context, uuid7(self._now, dice[:10]), draft)
        sent = self._world.sign(command, seal=tuple(draft.seal))
        return Ware(item, path, command, sent, owner, **more)

    def root(self, item: str) -> Ware:
        """The registration of an item."""
        if item not in self.roots:
            salt = sha256(f"salt {item}".encode()).digest()
            seal = [Sealing("name", "shop", salt, "a sword")]
            body = {"class": "virtual-equipment", "item": item}
            places = [self._world.signs("shop", "owner")]
            draft = Draft("register-item/1", "shop", places, body, seal=seal)
            self.roots[item] = self.make(item, "", draft, "shop")
        return self.roots[item]

    def child(self, ware: Ware, step: str) -> Ware:
        if step in "yn":
            return self._answer(ware, "accept-transfer/1" if step == "y" else "withdraw-offer/1")
        others = [party for party in PARTIES if party != ware.owner]
        turn = sha256(f"{ware.item}{ware.path}{step}".encode()).digest()[0]
        to = others[turn % len(others)]
        return self._offer(ware, to) if step == "o" else self._transfer(ware, step, to)

    def _transfer(self, ware: Ware, step: str, to: str) -> Ware:
        price = {"amount": str(len(ware.path) + 1), "currency": "CNY"} if step == "b" else None
        places = [self._world.signs(ware.owner, "owner"), self._world.signs(to, "recipient")]
        body = {"item": ware.item, "price": price}
        draft = self._after(ware, "transfer-item/1", places, body)
        return self.make(ware.item, ware.path + step, draft, to)

    def _offer(self, ware: Ware, to: str) -> Ware:
        until = format_time(self._now + DAY_US)
        body = {"item": ware.item, "price": None, "to": to, "until": until}
        places = [self._world.signs(ware.owner, "owner")]
        draft = self._after(ware, "offer-transfer/1", places, body)
        ware_of = self.make(ware.item, ware.path + "o", draft, ware.owner)
        ware_of.offer = (ware_of.digest, to)
        return ware_of

    def _answer(self, ware: Ware, kind: str) -> Ware:
        assert ware.offer is not None
        digest, to = ware.offer
        accepts = kind == "accept-transfer/1"
        party = to if accepts else ware.owner
        places = [self._world.signs(party, "recipient" if accepts else "owner")]
        body = {"item": ware.item, "offer": digest}
        draft = self._after(ware, kind, places, body)
        return self.make(ware.item, ware.path + ("y" if accepts else "n"), draft, party)

    def _after(self, ware: Ware, kind: str, places: list, body: dict) -> Draft:
        after = {f"item/{ware.item}": ware.digest}
        return Draft(kind, places[0].party, places, body, after=after)

    def cancel(self, ware: Ware) -> Ware:
        party = ware.command.signers[0].party
        places = [self._world.signs(party, "signer")]
        draft = Draft("cancel-command/1", party, places, {"command": ware.command.document})
        return self.make(ware.item, ware.path + "!", draft, ware.owner)


@dataclass
class Template:
    """An opened ledger to copy, and everything to send to it."""

    database: SimDatabase
    world: World
    shelf: Shelf
    mark: bytes
    now: int


@cache
def template(base: str) -> Template:
    """Open a ledger and register parties and items; `large` has nearly a full tile of entries."""
    database = SimDatabase()
    with TemporaryDirectory(prefix="yz-vault-") as vault:
        world = World(SimRecorder(Link(database)), Path(vault), seed=SEED)
        world.submit(world.opening())
        for party in PARTIES:
            world.register(party)
        world.open_namespace("cards", "shop")
        # The commands are the same ones in both: they are about other items than the filling.
        world.clock.advance(START_US + 3600 * SECOND_US - world.clock.now())
        shelf = Shelf(world)
        for item in ITEMS[:REGISTERED]:
            accepted = world.send(shelf.root(item).submission)
            assert [type(one).__name__ for one in accepted] == ["Accepted"], accepted
        if base == "large":
            fill(world)
        world.publish()
        mark = world.mark.path.read_bytes()
    return Template(database, world, shelf, mark, START_US + 3900 * SECOND_US)


def fill(world: World) -> None:
    """Move one item to and fro until the first tile is nearly full."""
    world.register_item("cards/filling")
    step: Callable[[], str] = lambda: "ann" if world.size() % 2 else "bob"  # noqa: E731
    world.transfer("cards/filling", to="eve")
    while world.size() < LARGE:
        to = step()
        if world.item("cards/filling").owner == to:
            to = "dan"
        world.transfer("cards/filling", to=to)
