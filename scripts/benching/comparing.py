"""Appends against what others do: the event library's `save()`, and another Merkle log."""

from __future__ import annotations

from functools import partial

from pymerkle import SqliteTree

from benching.appending import append
from benching.bench import Bench
from benching.market import BATCH, Market, batches
from benching.rivals import postgres_env, saving, sqlite_env
from benching.turns import Turn, Turns, timed
from ledger.application import Outcome

EVENTS_A_TURN = 128
ONE_BY_ONE_A_TURN = 48


def with_save_on_sqlite(bench: Bench) -> Turns:
    """Append commands of one signature in batches, against `save()` of one unsigned event."""
    return _with_save(bench, bench.sqlite("append"), sqlite_env(bench.place("eventsourcing")))


def with_save_on_postgres(bench: Bench) -> Turns:
    """Do the same on PostgreSQL, each in a database of its own on one server."""
    return _with_save(bench, bench.postgres(), postgres_env(bench.postgres()))


def _with_save(bench: Bench, url: str, env: dict[str, str]) -> Turns:
    number, events = bench.some(BATCH, least=4), bench.some(EVENTS_A_TURN, least=4)
    with Market.create(url, bench) as market, saving(env) as other:
        while True:
            made = market.registrations(number)
            outcomes: list[Outcome] = []
            yield Turn(
                ours=timed(partial(append, market.ledger, batches(made), outcomes), number),
                base=timed(partial(other.save, events), events),
                units=number,
            )
            market.settle(made, outcomes)


def with_merkle_log(bench: Bench) -> Turns:
    """Append signed commands one by one, against one by one to pymerkle's tree on SQLite.

    What pymerkle is given are the bytes of the ledger's own entries.
    """
    number = bench.some(ONE_BY_ONE_A_TURN, least=4)
    file = bench.place("pymerkle") / "tree.db"
    with Market.create(bench.sqlite("append"), bench) as market, SqliteTree(str(file)) as tree:
        while True:
            made = market.registrations(number)
            outcomes: list[Outcome] = []
            size = market.world.size()
            one_by_one = [[each.submission] for each in made]
            entries = [row.entry for row in market.world.recorder.entries(size - number, size)]
            yield Turn(
                ours=timed(partial(append, market.ledger, one_by_one, outcomes), number),
                base=timed(partial(_append_to_tree, tree, entries), number),
                units=number,
            )
            market.settle(made, outcomes)


def _append_to_tree(tree: SqliteTree, entries: list[bytes]) -> None:
    for entry in entries:
        tree.append_entry(entry)
