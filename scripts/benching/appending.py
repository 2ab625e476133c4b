"""Durable, linked, receipted appends through the domain rules, against their signature checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from benching.bench import Bench
from benching.market import BATCH, Made, Market, batches, checks_of, verify_all
from benching.turns import Turn, Turns, timed
from ledger.application import Ledger, Outcome
from ledger.queue import Bounds
from ledger.submission import Prepared, Submission
from ledger.writer import Result, Writer

BATCHES_A_TURN = 2
WAITING = 2_048

Make = Callable[[Market, int], list[Made]]


def single(bench: Bench) -> Turns:
    """Append commands of one signature to SQLite."""
    return _turns(bench.sqlite("append"), bench, Market.registrations)


def cosigned(bench: Bench) -> Turns:
    """Append commands of two signatures to SQLite."""
    return _turns(bench.sqlite("append"), bench, Market.transfers)


def cosigned_by_writer(bench: Bench) -> Turns:
    """Append commands of two signatures to SQLite through the group-commit writer.

    All of a turn wait at once, as under load: the writer prepares in threads and commits meanwhile.
    """
    number = bench.some(WAITING, least=4)
    bounds = Bounds(batch=BATCH)
    with Market.create(bench.sqlite("append"), bench) as market, writing(market, bounds) as writer:
        market.stock(number)
        while True:
            made = market.transfers(number)
            outcomes: list[Outcome] = []
            waiting = [each.submission for each in made]
            yield Turn(
                ours=timed(partial(_write, writer, waiting, outcomes), number),
                base=timed(partial(verify_all, checks_of(made)), number),
                units=number,
            )
            market.settle(made, outcomes)


def postgres_cosigned(bench: Bench) -> Turns:
    """Append commands of two signatures to PostgreSQL."""
    return _turns(bench.postgres(), bench, Market.transfers)


def _turns(url: str, bench: Bench, make: Make) -> Turns:
    number = bench.some(BATCHES_A_TURN * BATCH, least=4)
    with Market.create(url, bench) as market:
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


@contextmanager
def writing(market: Market, bounds: Bounds | None = None) -> Iterator[Writer[Prepared]]:
    """Run the group-commit writer in front of a market's ledger."""
    writer = Writer(market.ledger, bounds=bounds)
    writer.start()
    try:
        yield writer
    finally:
        writer.stop()


def _write(
    writer: Writer[Prepared], waiting: Sequence[Submission], outcomes: list[Outcome]
) -> None:
    for outcome in writer.submit(waiting):
        outcomes.append(answered(outcome))


def answered(result: Result) -> Outcome:
    """Take a result that says what became of a command.

    Raises:
        Exception: Nobody knows what became of it, or it was not tried.

    """
    if isinstance(result, Exception):
        raise result
    return result
