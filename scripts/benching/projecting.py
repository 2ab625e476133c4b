"""Rebuilding the views, against what the event library does for a projection."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from eventsourcing.projection import ProjectionRunner

from benching.bench import Bench
from benching.market import Market
from benching.rivals import (
    Following,
    Position,
    Positions,
    Saving,
    Swords,
    postgres_env,
    saving,
    sqlite_env,
)
from benching.turns import Turn, Turns, timed
from projections.runner import Runner

ITEMS = 2_000
EVENTS_A_TURN = 500
PATIENCE_S = 60.0


def on_sqlite(bench: Bench) -> Turns:
    """Rebuild all views, against a process application that keeps only its position."""
    env = sqlite_env(bench.place("eventsourcing"))
    own = {**env, "SQLITE_DBNAME": str(bench.place("following") / "es.db")}
    follower = Following(own)
    try:
        with saving(env) as other:
            follower.follow(Swords.name, other.application.notification_log)
            pull = partial(follower.pull_and_process, Swords.name)
            yield from _turns(bench, bench.sqlite("project"), other, pull)
    finally:
        follower.close()


def on_postgres(bench: Bench) -> Turns:
    """Rebuild all views, against a projection that keeps only its position."""
    env = postgres_env(bench.postgres())
    with saving(env) as other:
        follow = partial(_follow, env, other)
        yield from _turns(bench, bench.postgres(), other, follow)


def _turns(bench: Bench, url: str, other: Saving, follow: Callable[[], object]) -> Turns:
    items, events = bench.some(ITEMS, least=4), bench.some(EVENTS_A_TURN, least=4)
    with Market.create(url, bench) as market:
        market.stock(items)
        market.append(market.transfers(items))
        runner = Runner(market.world.reader)
        entries = market.world.size()
        # What was saved so far is no part of the first turn.
        follow()
        while True:
            other.save(events)
            yield Turn(
                ours=timed(runner.rebuild, entries),
                base=timed(follow, events),
                units=entries,
            )


def _follow(env: dict[str, str], other: Saving) -> None:
    """Start the library's projection and wait until it has caught up."""
    with ProjectionRunner(
        application_class=Swords, projection_class=Positions, view_class=Position, env=env
    ) as runner:
        runner.wait(other.size(), timeout=PATIENCE_S)
