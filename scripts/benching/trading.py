"""Orders from their placing to the merchant's money, against their signature checks.

Each order is of one card and takes four commands of one signature: the buyer places it, pays it
from a balance and accepts it, the platform delivers it. Every step of an order expects the one
before by that one's digest, so that all are signed before any clock starts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count, cycle, islice
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from benching.appending import append
from benching.bench import Bench
from benching.market import BATCH, PARTIES, SEED, Made, batches, checks_of, verify_all
from benching.turns import Turn, Turns, timed
from ledger.application import Accepted, Ledger, Outcome
from ledger.rules.compose import Context, Draft, uuid7
from ledger.rules.text import b64decode
from tests.goods import CARD_CLASS, card_draft
from tests.money import top_up
from tests.orders import line_of, order_draft
from tests.shops import publish_listing, qualify
from tests.terms import publish_terms, terms
from tests.worlds import World

# Of ten parties one sells; as many cards are bought of each.
BUYERS_A_MERCHANT = 9
_PRICE, _MONEY = "9900", 10**12


def orders(bench: Bench) -> Turns:
    """Place, pay, deliver and release orders of one card each."""
    number = bench.some(BATCH, least=4)
    with Shop.create(bench.sqlite("orders"), bench) as shop:
        while True:
            shop.stock(number)
            steps = shop.orders(number)
            outcomes: list[Outcome] = []
            commands = [batch for step in steps for batch in batches(step)]
            checks = [check for step in steps for check in checks_of(step)]
            yield Turn(
                ours=timed(partial(append, shop.ledger, commands, outcomes), number),
                base=timed(partial(verify_all, checks), number),
                units=number,
            )
            settle(outcomes)


def settle(outcomes: Sequence[Outcome]) -> None:
    """Hold that every command was accepted.

    Raises:
        RuleError: The ledger refused one, which a benchmark must not hide.

    """
    for outcome in outcomes:
        if not isinstance(outcome, Accepted):
            raise outcome


class Shop:
    """A ledger of merchants that list cards, buyers with money, and a platform that delivers."""

    def __init__(self, world: World, parties: int) -> None:
        """Register everybody, publish a trade policy and list cards, in an open world."""
        self.world = world
        self._merchants = [
            f"merchant-{each}" for each in range(max(1, parties // (BUYERS_A_MERCHANT + 1)))
        ]
        buyers = [f"buyer-{each}" for each in range(parties - len(self._merchants))]
        for party in (*self._merchants, *buyers, "rex", "kay"):
            world.register(party)
        world.grant("rex", "reviewer")
        world.grant("kay", "cashier", second="rex")
        publish_terms(world, terms())
        for merchant in self._merchants:
            self._furnish(merchant)
        for buyer in buyers:
            top_up(world, buyer, "kay", _MONEY)
        self._public = {
            name: Ed25519PublicKey.from_public_bytes(world.key(name).public)
            for name in (*buyers, "system")
        }
        self._buyers, self._numbers = cycle(buyers), count()
        self._cards: list[tuple[str, str]] = []
        self._context: Context = world.context()

    @classmethod
    @contextmanager
    def create(cls, url: str, bench: Bench) -> Iterator[Shop]:
        """Open a ledger with a shop in an empty database."""
        with World.create(url, SEED) as world:
            yield cls(world, bench.some(PARTIES, least=4))

    @property
    def ledger(self) -> Ledger:
        """The write side, on the settings of production."""
        return self.world.ledger

    def stock(self, number: int) -> None:
        """Let the merchants register so many cards and place them with the platform."""
        named = [
            (f"{merchant}/card-{next(self._numbers)}", merchant)
            for merchant in islice(cycle(self._merchants), number)
        ]
        drafts = [card_draft(self.world, card, owner, agent="system") for card, owner in named]
        settle(self.world.send(*map(self.world.submission, drafts)))
        self._cards += named

    def orders(self, number: int) -> list[list[Made]]:
        """Sign so many orders: for each step, the commands of all of them."""
        cards, self._cards = self._cards[:number], self._cards[number:]
        chains = [self._order(card, merchant) for card, merchant in cards]
        return [list(step) for step in zip(*chains, strict=True)]

    def _furnish(self, merchant: str) -> None:
        self.world.open_namespace(merchant, merchant)
        qualify(self.world, merchant, "rex", **{"class": CARD_CLASS, "namespace": merchant})
        changes: dict[str, Any] = {"class": CARD_CLASS, "price": _money(_PRICE)}
        publish_listing(self.world, f"{merchant}/gift", merchant, **changes)

    def _order(self, card: str, merchant: str) -> list[Made]:
        """Sign the four commands of an order, each of which expects the one before."""
        world, buyer = self.world, next(self._buyers)
        number = uuid7(world.clock.now(), world.dice(10))
        placed = order_draft(world, number, buyer, [line_of(world, card, f"{merchant}/gift")])
        made = [self._made(placed, card)]
        for kind, party, role, body in (
            ("pay-order/1", buyer, "buyer", {"amount": _money(_PRICE)}),
            ("deliver-lines/1", "system", "agent", {"parcels": [{"line": 1, "parcel": None}]}),
            ("accept-lines/1", buyer, "buyer", {"lines": [1]}),
        ):
            # Whoever delivers relies on no state of the order that it would have to name.
            after = {} if role == "agent" else {f"order/{number}": made[-1].digest}
            signers = [world.signs(party, role)]
            draft = Draft(kind, party, signers, {"order": number, **body}, after=after)
            made.append(self._made(draft, card))
        return made

    def _made(self, draft: Draft, card: str) -> Made:
        command = self.world.compose(draft, context=self._context)
        submission = self.world.sign(command, self.world.key(draft.by))
        verify = self._public[draft.by].verify
        check = verify, b64decode(submission.sigs[0], field="sigs"), command.message
        return Made(submission, card, draft.by, (check,), command.digest)


def _money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "CNY"}
