"""A large log and a small one, made once a run and kept for the lines that compare them."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from sqlalchemy import make_url

from benching.appending import answered, append, writing
from benching.bench import Bench
from benching.cores import pinned
from benching.market import PARTIES, Market, batches
from benching.trading import Shop, settle
from ledger.application import Outcome
from projections.runner import Runner

SMALLER = 20
STEP = 1_024
SOLD = 128
_KEEP_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Grown:
    """A log, published and with its views: the items that it had then, and those that orders sold.

    Attributes:
        market: The log, which later lines of the benchmark let grow.
        items: What was registered, half of it transferred since.
        sold: Cards that were bought by an order each.
        index: Of the last entry that the views showed then.

    """

    market: Market
    items: list[str]
    sold: list[str]
    index: int


@dataclass(frozen=True, slots=True)
class Growth:
    """The large log, and the small one that it began as."""

    large: Grown
    small: Grown

    @staticmethod
    def of(bench: Bench) -> Growth:
        """Return the logs of a run, making them for the first line that asks."""
        # Making them is outside every clock and may use every core.
        with pinned(None):
            return bench.once("growth", partial(_grow, bench))


def _grow(bench: Bench) -> Growth:
    url, copy = bench.sqlite("large"), bench.sqlite("small")
    large = bench.enter(Market.create(url, bench))
    shop = Shop(large.world, bench.some(PARTIES, least=4))
    number = bench.some(SOLD, least=4)
    early = _sell(shop, number)
    # What is set up and sold comes on top of the sizes that are asked for.
    begun = large.world.size()
    _trade(large, begun + bench.entries // SMALLER)
    _copy(url, copy)
    small = bench.enter(large.twin(copy))
    _keep(small)
    # The writer of the large log knows its streams from having written them.
    for item in small.items:
        small.ledger.stream(f"item/{item}")
    grown = Grown(small, small.items, early, small.world.size() - 1)
    with _Keeper(large):
        _trade(large, begun + bench.entries)
    late = _sell(shop, number)
    _keep(large)
    return Growth(Grown(large, large.items, early + late, large.world.size() - 1), grown)


def _sell(shop: Shop, number: int) -> list[str]:
    """Sell so many cards, from their registration to the merchant's money; return their names."""
    shop.stock(number)
    steps = shop.orders(number)
    outcomes: list[Outcome] = []
    for step in steps:
        append(shop.ledger, batches(step), outcomes)
    settle(outcomes)
    return [made.item for made in steps[0]]


def _trade(market: Market, entries: int) -> None:
    """Append until the log has so many entries: as many transfers as registrations."""
    with writing(market) as writer:
        while (missing := entries - market.world.size()) > 0:
            number = min(STEP, (missing + 1) // 2)
            made = market.registrations(number)
            made += market.transfers(min(number, len(market.items)))
            results = writer.submit([each.submission for each in made])
            market.settle(made, [answered(result) for result in results])


def _copy(url: str, copy: str) -> None:
    source, target = (str(make_url(each).database) for each in (url, copy))
    with closing(sqlite3.connect(source)) as old, closing(sqlite3.connect(target)) as new:
        old.backup(new)


def _keep(market: Market) -> None:
    """Publish a checkpoint over everything and bring the views up to it."""
    market.world.publish()
    Runner(market.world.reader).catch_up()


class _Keeper:
    """Publishes beside the appends, as a server does; a context."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exception: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(_KEEP_EVERY_S):
            _keep(self._market)
