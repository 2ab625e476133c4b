"""What things cost in a large log, against what they cost in a small one.

The small log is a copy of the large one as it was when it had a twentieth of its entries; half of
the entries register an item, half transfer one; some cards are sold by orders in both. Both are
made once a run, by real appends, real checkpoints and real views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from api.provenance import provenance_of
from benching.appending import append
from benching.bench import Bench
from benching.growth import Grown, Growth
from benching.market import BATCH, batches
from benching.turns import Turn, Turns, timed
from ledger.application import Outcome
from ledger.log.prover import Prover

PROOFS_A_TURN = 32
PAGES_A_TURN = 128
SEED = 20_171_023

Ask = Callable[[str], object]


def appends(bench: Bench) -> Turns:
    """Append transfers of items from anywhere in the log."""
    growth, dice = Growth.of(bench), Random(SEED)  # noqa: S311 - the same items on every run
    number = min(bench.some(BATCH, least=4), len(growth.small.items))
    while True:
        sides = []
        for grown in (growth.large, growth.small):
            made = grown.market.transfers_of(dice.sample(grown.items, number))
            sides.append((grown.market, made, list[Outcome]()))
        ours, base = (
            timed(partial(append, market.ledger, batches(made), outcomes), number)
            for market, made, outcomes in sides
        )
        yield Turn(ours=ours, base=base, units=number)
        for market, made, outcomes in sides:
            market.settle(made, outcomes)


def proofs(bench: Bench) -> Turns:
    """Prove the whole history of items from anywhere in the log."""

    def prover(grown: Grown) -> Ask:
        return Prover(grown.market.world.reader).prove

    return _questions(bench, bench.some(PROOFS_A_TURN, least=2), prover, _items)


def provenance(bench: Bench) -> Turns:
    """Ask what a buyer asks, of items from anywhere in the log; orders sold every other one."""

    def told(grown: Grown) -> Ask:
        reader, index = grown.market.world.reader, grown.index
        return lambda item: provenance_of(reader, item, index)

    def mixed(grown: Grown, dice: Random, number: int) -> list[str]:
        few = (number + 1) // 2
        return dice.choices(grown.sold, k=few) + dice.choices(grown.items, k=number - few)

    return _questions(bench, bench.some(PAGES_A_TURN, least=2), told, mixed)


def _items(grown: Grown, dice: Random, number: int) -> list[str]:
    return dice.choices(grown.items, k=number)


def _questions(
    bench: Bench,
    number: int,
    asker: Callable[[Grown], Ask],
    pick: Callable[[Grown, Random, int], list[str]],
) -> Turns:
    growth, dice = Growth.of(bench), Random(SEED)  # noqa: S311 - the same items on every run
    large, small = asker(growth.large), asker(growth.small)
    while True:
        yield Turn(
            ours=timed(partial(_ask, large, pick(growth.large, dice, number)), number),
            base=timed(partial(_ask, small, pick(growth.small, dice, number)), number),
            units=number,
        )


def _ask(question: Ask, items: Sequence[str]) -> None:
    for item in items:
        question(item)
