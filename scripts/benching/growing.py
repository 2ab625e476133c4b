"""What things cost in a large log, against what they cost in a small one.

The small log is a copy of the large one as it was when it had a twentieth of its entries; half of
the entries register an item, half transfer one. Both are made once a run, by real appends, real
checkpoints and real views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from benching.appending import append
from benching.bench import Bench
from benching.growth import Grown, Growth
from benching.market import BATCH, batches
from benching.turns import Turn, Turns, timed
from ledger.application import Outcome
from ledger.log.prover import Prover
from projections.history import History

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

    return _questions(bench, bench.some(PROOFS_A_TURN, least=2), prover)


def provenance(bench: Bench) -> Turns:
    """Ask the views for the history of items from anywhere in the log."""

    def history(grown: Grown) -> Ask:
        return History(grown.market.world.reader).page

    return _questions(bench, bench.some(PAGES_A_TURN, least=2), history)


def _questions(bench: Bench, number: int, asker: Callable[[Grown], Ask]) -> Turns:
    growth, dice = Growth.of(bench), Random(SEED)  # noqa: S311 - the same items on every run
    large, small = asker(growth.large), asker(growth.small)
    while True:
        yield Turn(
            ours=timed(partial(_ask, large, dice.choices(growth.large.items, k=number)), number),
            base=timed(partial(_ask, small, dice.choices(growth.small.items, k=number)), number),
            units=number,
        )


def _ask(question: Ask, items: Sequence[str]) -> None:
    for item in items:
        question(item)
