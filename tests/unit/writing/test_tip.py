"""What the writer knows of the last commit follows others as far as it can, and no further."""

from __future__ import annotations

import pytest

from ledger.record.draft import Tip
from ledger.record.facts import HeadRow
from tests.databases import open_recorder
from tests.worlds import World


def test_a_tip_of_an_empty_log_catches_up_with_whoever_opened_it(sqlite_url: str) -> None:
    with open_recorder(sqlite_url) as recorder:
        tip = Tip(recorder)
        with World.create(sqlite_url, "other"):
            tip.catch_up()

            assert tip.draft().head == recorder.head()


def test_a_tip_catches_up_with_a_database_that_came_back_smaller(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at a failover: the head is behind, and what was known of streams with it."""
    with World.create(sqlite_url, "one") as world:
        world.register("ann")
        tip = Tip(world.recorder)
        assert tip.stream("party/ann") is not None
        size = world.size() - 1
        row = world.recorder.entry_at(size - 1)
        assert row is not None
        smaller = HeadRow(size, row.leaf, 0)
        monkeypatch.setattr(world.recorder, "head", lambda: smaller)

        tip.catch_up()

        assert tip.draft().head == smaller


def test_a_tip_forgets_the_streams_that_others_changed_and_keeps_the_rest(
    sqlite_url: str,
) -> None:
    with World.create(sqlite_url, "one") as world:
        world.register("ann")
        world.register("bob")
        tip = Tip(world.recorder)
        ann, bob = tip.stream("party/ann"), tip.stream("party/bob")
        assert tip.stream("namespace/cards") is None
        world.open_namespace("cards", "ann")

        tip.catch_up()

        assert tip.stream("party/ann") is ann
        assert tip.stream("party/bob") is bob
        assert tip.stream("namespace/cards") is not None
        assert tip.draft().head == world.recorder.head()
