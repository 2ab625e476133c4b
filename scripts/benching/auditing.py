"""Auditing: a log of registered and transferred items, checked from its bytes."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from pathlib import Path

from sqlalchemy import make_url

from benching.bench import Bench
from benching.market import Check, Market, verify_all
from benching.plainly import without_acceleration
from benching.turns import Turn, Turns, timed
from ledger.proof.audit import audit
from ledger.proof.database import DatabaseSource, sqlite_snapshot
from ledger.proof.structure import check_structure

ITEMS = 1_000


def full(bench: Bench) -> Turns:
    """Audit everything in one process, against checking the same signatures.

    Half the entries have one signature and half have two. The unit is one signature.
    """
    file, vkey, checks = _log(bench)
    while True:
        yield Turn(
            ours=timed(partial(_audit, file, vkey), len(checks)),
            base=timed(partial(verify_all, checks), len(checks)),
            units=len(checks),
        )


def structure(bench: Bench) -> Turns:
    """Check links and root of a log in its database, against hashing its leaves and nodes."""
    file, vkey, _ = _log(bench)
    with sqlite_snapshot(file) as query:
        raws = [raw for _, raw in DatabaseSource(query).entries(0)]
    while True:
        yield Turn(
            ours=timed(partial(_check, file, vkey), len(raws)),
            base=timed(partial(_hash, raws), len(raws)),
            units=len(raws),
        )


def _log(bench: Bench) -> tuple[Path, str, list[Check]]:
    """Make a published log: its database, its key, and the signature checks of its entries."""
    items, url = bench.some(ITEMS, least=4), bench.sqlite("audit")
    with Market.create(url, bench) as market:
        market.stock(items)
        market.append(market.transfers(items))
        market.world.publish()
        file = Path(str(make_url(url).database))
        return file, market.world.vkey, market.checks_of_log()


def _check(file: Path, vkey: str) -> None:
    with sqlite_snapshot(file) as query:
        check_structure(DatabaseSource(query), vkey)


def _hash(raws: list[bytes]) -> bytes:
    """Hash every leaf and every node of the tree in bare loops."""
    hashes = [sha256(b"\x00" + raw).digest() for raw in raws]
    while len(hashes) > 1:
        pairs = zip(hashes[::2], hashes[1::2], strict=False)
        # The last of an odd number goes up as it is.
        rest = hashes[len(hashes) & ~1 :]
        hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs] + rest
    return hashes[0]


def _audit(file: Path, vkey: str) -> None:
    # As a stranger audits: with nothing but the standard library's JSON.
    with without_acceleration(), sqlite_snapshot(file) as query:
        report = audit(DatabaseSource(query), vkey)
    if report.verdict != "valid":
        message = f"the audit found the log {report.verdict}"
        raise AssertionError(message)
