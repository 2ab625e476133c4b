"""What a receipt rests on: it is signed after the commit, with a time that never went back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ledger.application import Accepted, Ledger
from ledger.clock import FixedClock
from ledger.log.receipts import Issuer
from ledger.rules.compose import Draft
from ledger.rules.entries import read_entry
from tests.databases import open_recorder, sqlite_file_url
from tests.worlds import ORIGIN, START_US, World

SEED = "acknowledging"


def test_a_receipt_is_only_signed_for_what_another_connection_can_read(tmp_path: Path) -> None:
    """Another process that reads the database at the moment of signing finds the very leaves."""
    url = sqlite_file_url(tmp_path)
    signed: list[int] = []
    with World.join(url, SEED) as world, open_recorder(url) as other:
        issuer = Issuer(world.key("receipt"), origin=ORIGIN)

        def issue(first: int, leaves: Sequence[bytes], **times: Any) -> Any:
            stored = other.entries(first, first + len(leaves))
            assert [row.leaf for row in stored] == list(leaves)
            signed.extend(row.index for row in stored)
            return issuer(first, leaves, **times)

        world.ledger = Ledger(
            world.recorder, clock=world.clock, issue=issue, vault=world.vault, origin=ORIGIN
        )
        world.submit(world.opening())
        world.register("ann")

        assert signed == list(range(world.size()))


def test_a_clock_that_went_back_does_not_take_the_log_with_it(tmp_path: Path) -> None:
    with World.create(sqlite_file_url(tmp_path), SEED) as world:
        registered = world.register("shop")
        (row,) = world.recorder.entries(registered.index, registered.index + 1)
        late = Ledger(
            world.recorder,
            clock=FixedClock(START_US),
            issue=Issuer(world.key("receipt"), origin=ORIGIN),
            vault=world.vault,
            origin=ORIGIN,
        )
        places = [world.signs("ann", "party"), world.signs("operator", "registrar")]
        body = {"class": "member", "key": world.key("ann").key(), "party": "ann"}
        draft = Draft("register-party/1", "ann", places, body)

        (outcome,) = late.submit([world.submission(draft)])

        assert isinstance(outcome, Accepted)
        (after,) = world.recorder.entries(outcome.index, outcome.index + 1)
        assert read_entry(row.entry).at > START_US
        assert read_entry(after.entry).at == read_entry(row.entry).at
