"""What happened to an item: on whose word, at which price, page by page."""

from __future__ import annotations

import json

import pytest

from ledger.log.reader import LogReader
from projections.errors import ViewBehind
from projections.history import ROWS_MAX, History
from projections.runner import Runner
from tests.unit.projections.markets import DAY_1, HUGE, entries_of
from tests.worlds import World


def test_an_items_life_is_told_in_order(shown: LogReader) -> None:
    page = History(shown).page("cards/1")

    told = [
        (row.entry_index, row.type, row.from_party, row.to_party, row.word) for row in page.rows
    ]
    assert told == [
        (12, "item-registered/1", None, "shop", "signed"),
        (13, "item-transferred/1", "shop", "bob", "signed"),
        (17, "transfer-offered/1", "bob", "eve", "signed"),
        (18, "offer-ended/1", None, None, "signed"),
        (19, "item-frozen/1", None, None, "role"),
        (20, "item-unfrozen/1", None, None, "role"),
    ]
    assert (page.size, page.following) == (shown.size(), None)


def test_an_accepted_offer_shows_its_price_and_both_signatures(shown: LogReader) -> None:
    accepted = History(shown).page("cards/2").rows[-1]

    assert (accepted.type, accepted.kind) == ("item-transferred/1", "accept-transfer/1")
    # More than 2**63: text all the way.
    assert (accepted.amount, accepted.currency) == (HUGE["amount"], "ETH")
    assert json.loads(accepted.signers) == [
        {"party": "shop", "role": "owner"},
        {"party": "eve", "role": "recipient"},
    ]


def test_imported_history_shows_its_gaps_and_its_source(shown: LogReader) -> None:
    rows = History(shown).page("cards/old").rows

    assert [(row.type, row.from_party, row.to_party, row.reason) for row in rows] == [
        ("item-first-seen/1", None, "imported/cards/ann", "earlier-history-unknown"),
        ("sale-imported/1", "imported/cards/ann", "unknown", None),
        ("provenance-gap-recorded/1", "unknown", "imported/cards/cho", "buyer-not-recorded"),
        ("sale-imported/1", "imported/cards/cho", "imported/cards/dan", None),
        (
            "provenance-gap-recorded/1",
            "imported/cards/dan",
            "imported/cards/eli",
            "moved-elsewhere",
        ),
        ("sale-imported/1", "imported/cards/eli", "imported/cards/fay", None),
    ]
    assert {row.word for row in rows} == {"attested"}
    assert [row.amount for row in rows] == [None, HUGE["amount"], None, None, None, None]
    assert {row.source_row for row in rows} == {1}


def test_an_unknown_item_has_no_history(shown: LogReader) -> None:
    page = History(shown).page("cards/none")

    assert (page.size, page.rows, page.following) == (shown.size(), (), None)


def test_pages_that_are_turned_show_one_moment(world: World, shown: LogReader) -> None:
    history = History(shown)
    whole = history.page("cards/1")
    first = history.page("cards/1", limit=2)
    world.transfer("cards/1", to="eve")
    Runner(shown).catch_up()

    rows, page = list(first.rows), first
    while page.following is not None:
        page = history.page("cards/1", start=page.following, limit=2, size=first.size)
        assert page.size == first.size
        rows += page.rows

    assert tuple(rows) == whole.rows
    assert len(history.page("cards/1").rows) == len(rows) + 1


def test_the_history_after_an_entry_ends_with_it(shown: LogReader) -> None:
    history = History(shown)
    whole = history.page("cards/1").rows

    for size in range(shown.size() + 1):
        page = history.page("cards/1", size=size)
        assert page.rows == tuple(row for row in whole if row.entry_index < size)


@pytest.mark.parametrize("limit", [1, 2, 5, 6, 7])
def test_a_time_cuts_what_is_later_from_every_page(shown: LogReader, limit: int) -> None:
    history, at = History(shown), entries_of(shown)[18].at
    rows, start = [], 0

    while True:
        page = history.page("cards/1", start=start, limit=limit, until=at)
        rows += page.rows
        if page.following is None:
            break
        start = page.following

    assert [row.entry_index for row in rows] == [12, 13, 17, 18]


@pytest.mark.parametrize(("limit", "rows"), [(-5, 1), (0, 1), (1, 1), (ROWS_MAX * 2, 6)])
def test_a_page_is_never_empty_nor_endless(shown: LogReader, limit: int, rows: int) -> None:
    assert len(History(shown).page("cards/1", limit=limit).rows) == rows


def test_a_size_that_the_views_have_not_reached_is_refused(world: World, shown: LogReader) -> None:
    size = shown.size()
    world.import_sale("cards/new", seller="ann", buyer="ben", time=DAY_1)

    with pytest.raises(ViewBehind) as behind:
        History(shown).page("cards/new", size=size + 3)

    assert (behind.value.size, behind.value.wanted) == (size, size + 3)
