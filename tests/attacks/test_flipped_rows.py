"""One bit of a stored row is flipped: the ledger never signs what it finds there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.application import Accepted
from ledger.log.errors import ReadBackDiffers
from ledger.proof.hashing import leaf_hash
from ledger.record.facts import SealedEntry
from tests.databases import sqlite_file_url
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "flipped") as opened:
        opened.register("shop")
        opened.open_namespace("cards", "shop")
        yield opened


def flipped(raw: bytes) -> bytes:
    return bytes([raw[0] ^ 1]) + raw[1:]


@pytest.mark.parametrize("column", ["leaf", "entry"])
def test_a_retry_gets_no_receipt_for_a_row_that_was_changed(
    world: World, monkeypatch: pytest.MonkeyPatch, column: str
) -> None:
    sent = world.submission(world.item_draft("cards/1"))
    (accepted,) = world.send(sent)
    assert isinstance(accepted, Accepted)
    stored = world.recorder.entry_at(accepted.index)
    assert stored is not None
    damaged: SealedEntry = replace(stored, **{column: flipped(getattr(stored, column))})
    with monkeypatch.context() as patch:
        patch.setattr(world.recorder, "entry_at", lambda _index: damaged)

        with pytest.raises(ReadBackDiffers) as refused:
            world.send(sent)

    error = refused.value
    assert (error.index, error.field) == (accepted.index, "leaf")
    assert (error.expected, error.found) == (leaf_hash(damaged.entry), damaged.leaf)
    (again,) = world.send(sent)
    assert isinstance(again, Accepted)
    assert (again.leaf, again.again) == (accepted.leaf, True)
