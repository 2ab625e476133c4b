"""Durable, linked, receipted appends through the domain rules, against their signature checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from benching.bench import Bench
from benching.market import BATCH, Made, Market, batches, checks_of, verify_all
from benching.turns import Turn, Turns, timed
from ledger.application import Ledger, Outcome
from ledger.submission import Submission

BATCHES_A_TURN = 2

Make = Callable[[Market, int], list[Made]]


def single(bench: Bench) -> Turns:
    """Append commands of one signature to SQLite."""
    return _turns(bench.sqlite("append"), bench, Market.registrations)


def cosigned(bench: Bench) -> Turns:
    """Append commands of two signatures to SQLite."""
    return _turns(bench.sqlite("append"), bench, Market.transfers)


def postgres_cosigned(bench: Bench) -> Turns:
    """Append commands of two signatures to PostgreSQL."""
    return _turns(bench.postgres(), bench, Market.transfers)


def _turns(url: str, bench: Bench, make: Make) -> Turns:
    number = bench.some(BATCHES_A_TURN * BATCH, least=4)
    with Market.create(url) as market:
        if make is Market.transfers:
            market.stock(4 * number)
        while True:
            made = make(market, number)
            outcomes: list[Outcome] = []
            yield Turn(
                ours=timed(partial(append, market.ledger, batches(made), outcomes), number),
                base=timed(partial(verify_all, checks_of(made)), number),
                units=number,
            )
            market.settle(made, outcomes)


def append(
    ledger: Ledger, commands: Sequence[Sequence[Submission]], outcomes: list[Outcome]
) -> None:
    """Append batches one after the other and keep their outcomes."""
    for batch in commands:
        outcomes += ledger.submit(batch)
