"""Publishing: entries are read back, checked again with their signatures, hashed and signed."""

from __future__ import annotations

from functools import partial

from benching.bench import Bench
from benching.market import Market, checks_of, verify_all
from benching.turns import Turn, Turns, timed

ENTRIES_A_TURN = 512


def publish(bench: Bench) -> Turns:
    """Publish entries of one signature each, against checking these signatures."""
    number = bench.some(ENTRIES_A_TURN, least=4)
    with Market.create(bench.sqlite("publish"), bench) as market:
        while True:
            made = market.registrations(number)
            market.append(made)
            yield Turn(
                ours=timed(market.world.publish, number),
                base=timed(partial(verify_all, checks_of(made)), number),
                units=number,
            )
