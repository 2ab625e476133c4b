"""Auditing: a log of registered and transferred items, checked from its bytes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sqlalchemy import make_url

from benching.bench import Bench
from benching.market import Market, checks_of, verify_all
from benching.turns import Turn, Turns, timed
from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource, sqlite_snapshot

ITEMS = 1_000


def full(bench: Bench) -> Turns:
    """Audit everything in one process, against checking the same signatures.

    Half the entries have one signature and half have two.
    """
    items = bench.some(ITEMS, least=4)
    url = bench.sqlite("audit")
    with Market.create(url) as market:
        registered = market.registrations(items)
        market.append(registered)
        transferred = market.transfers(items)
        market.append(transferred)
        market.world.publish()
        vkey = market.world.vkey
    checks = checks_of([*registered, *transferred])
    file = Path(str(make_url(url).database))
    entries = 2 * items
    while True:
        yield Turn(
            ours=timed(partial(_audit, file, vkey), entries),
            base=timed(partial(verify_all, checks), entries),
            units=entries,
        )


def _audit(file: Path, vkey: str) -> None:
    with sqlite_snapshot(file) as query:
        report = audit(DatabaseSource(query), vkey)
    if report.verdict != "valid":
        message = f"the audit found the log {report.verdict}"
        raise AssertionError(message)
