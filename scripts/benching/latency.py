"""How long a caller waits for a durable receipt while the ledger is half busy.

Commands arrive at random, as from many independent callers, at half the rate that the writer can
sustain; the wait counts from the moment at which a command was due to arrive.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from itertools import accumulate
from random import Random
from statistics import median, quantiles

from sqlalchemy import PoolProxiedConnection

from benching.appending import answered, writing
from benching.bench import Bench
from benching.market import Made, Market
from benching.turns import Turn, Turns
from ledger.application import Outcome
from ledger.record.database import open_engine
from ledger.submission import Prepared
from ledger.writer import Writer

CAPACITY_COMMANDS = 768
ARRIVALS = 1_500
COMMITS = 200
ENTRY = bytes(1_150)
BUSY = 0.5
SEED = 20_171_023
_PERCENTILES = 100


def at_half_capacity(bench: Bench) -> Turns:
    """Take the 99th percentile of the waits, against the median of a bare durable commit."""
    dice = Random(SEED)  # noqa: S311 - the same arrivals on every run
    flood, number = bench.some(CAPACITY_COMMANDS, least=8), bench.some(ARRIVALS, least=8)
    commits = bench.some(COMMITS, least=4)
    with (
        Market.create(bench.sqlite("latency"), bench) as market,
        writing(market) as writer,
        _store(bench.sqlite("commit")) as store,
    ):
        market.stock(max(flood, number))
        while True:
            capacity = _capacity(market, writer, market.transfers(flood))
            bench.note = f"at {BUSY * capacity:.0f} commands a second"
            made, outcomes = market.transfers(number), list[Outcome]()
            due_s = list(accumulate(dice.expovariate(BUSY * capacity) for _ in made))
            yield Turn(
                ours=partial(_p99_s, writer, made, due_s, outcomes),
                base=partial(_commit_s, store, commits),
                units=number,
            )
            market.settle(made, outcomes)


def _capacity(market: Market, writer: Writer[Prepared], made: Sequence[Made]) -> float:
    """Hand in commands all at once; return how many a second were recorded."""
    outcomes: list[Outcome] = []
    start = time.perf_counter()
    asyncio.run(_arrive(writer, made, [0.0] * len(made), outcomes))
    took_s = time.perf_counter() - start
    market.settle(made, outcomes)
    return len(made) / took_s


def _p99_s(
    writer: Writer[Prepared],
    made: Sequence[Made],
    due_s: Sequence[float],
    outcomes: list[Outcome],
) -> float:
    waits_s = asyncio.run(_arrive(writer, made, due_s, outcomes))
    return quantiles(waits_s, n=_PERCENTILES, method="inclusive")[-1]


async def _arrive(
    writer: Writer[Prepared],
    made: Sequence[Made],
    due_s: Sequence[float],
    outcomes: list[Outcome],
) -> list[float]:
    """Hand in each command when it is due, in seconds from now; return how long each waited."""
    loop = asyncio.get_running_loop()
    start = loop.time()

    async def wait(each: Made, due: float) -> tuple[Outcome, float]:
        (outcome,) = await writer.submit_async([each.submission])
        return answered(outcome), loop.time() - start - due

    waiting = []
    # One caller is made when it is due: making all of them first would hold up the first ones.
    for each, due in zip(made, due_s, strict=True):
        early = start + due - loop.time()
        if early > 0:
            await asyncio.sleep(early)
        waiting.append(asyncio.create_task(wait(each, due)))
    found = await asyncio.gather(*waiting)
    outcomes += [outcome for outcome, _ in found]
    return [wait_s for _, wait_s in found]


@contextmanager
def _store(url: str) -> Iterator[PoolProxiedConnection]:
    """Open a database as the ledger does, with one table of rows as long as an entry."""
    engine = open_engine(url)
    try:
        with closing(engine.raw_connection()) as connection:
            connection.cursor().execute("CREATE TABLE row (bytes BLOB)")
            yield connection
    finally:
        engine.dispose()


def _commit_s(store: PoolProxiedConnection, number: int) -> float:
    """Commit one row at a time; return the median time of it."""
    cursor, took_s = store.cursor(), []
    for _ in range(number):
        start = time.perf_counter()
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("INSERT INTO row VALUES (?)", (ENTRY,))
        cursor.execute("COMMIT")
        took_s.append(time.perf_counter() - start)
    return median(took_s)
