"""Where an item comes from and what is known against it, as a buyer asks before paying."""

from __future__ import annotations

from typing import Any

import pytest

from api.provenance import provenance_of
from ledger.log.reader import LogReader
from projections.errors import ViewBehind
from projections.history import History
from projections.runner import Runner
from tests.worlds import World


def told(shown: LogReader, item: str, index: int | None = None) -> dict[str, Any]:
    index = shown.size() - 1 if index is None else index
    found = provenance_of(shown, item, index)
    assert found is not None
    return found


def owners(document: dict[str, Any]) -> list[tuple[int, str, str]]:
    return [(each["index"], each["type"], each["owner"]) for each in document["owners"]]


def test_an_item_shows_its_first_entry_and_every_owner(shown: LogReader) -> None:
    document = told(shown, "cards/1")

    assert owners(document) == [
        (12, "item-registered/1", "shop"),
        (13, "item-transferred/1", "bob"),
    ]
    assert (document["made"]["index"], document["made"]["attested"]) == (12, False)
    assert document["made"]["item_class"] == "point-card"
    assert (document["owner"], document["since"]["index"], document["more"]) == ("bob", 20, False)


def test_what_is_offered_is_not_owned_yet(shown: LogReader) -> None:
    at_offer = told(shown, "cards/1", 17)

    assert [owner for _, _, owner in owners(at_offer)] == ["shop", "bob"]


def test_a_freeze_is_flagged_by_its_ground_until_it_ends(shown: LogReader) -> None:
    flags = [told(shown, "cards/1", index)["flags"] for index in (18, 19, 20)]

    assert flags == [["clean"], ["reported-stolen"], ["clean"]]


@pytest.mark.parametrize(
    ("ground", "flag"),
    [
        ("reported-stolen", "reported-stolen"),
        ("in-dispute", "disputed"),
        ("official-order", "frozen"),
        ("under-review", "frozen"),
    ],
)
def test_every_ground_of_a_freeze_has_its_flag(
    world: World, reader: LogReader, ground: str, flag: str
) -> None:
    world.register_item("cards/9")
    world.freeze("cards/9", by="guard", ground=ground)
    Runner(reader).catch_up()

    document = told(reader, "cards/9")
    assert (document["flag"], document["flags"], document["frozen"]) == (flag, [flag], True)


def test_what_lies_before_an_import_is_flagged_as_unknown_and_never_invented(
    shown: LogReader,
) -> None:
    document = told(shown, "cards/old")

    assert (document["flag"], document["made"]["attested"]) == ("unknown-before-import", True)
    assert [owner for _, _, owner in owners(document)][:2] == ["imported/cards/ann", "unknown"]


def test_an_item_that_the_log_did_not_know_then_has_none(shown: LogReader) -> None:
    for item, index in (("cards/1", 11), ("cards/never", 20)):
        assert provenance_of(shown, item, index) is None


def test_a_long_chain_says_that_it_goes_on(shown: LogReader) -> None:
    page = History(shown).moves("cards/old", size=shown.size(), limit=2)

    assert [row.to_party for row in page.rows] == ["imported/cards/ann", "unknown"]
    assert page.following is not None
    rest = History(shown).page("cards/old", start=page.following).rows
    assert rest[0].to_party == "imported/cards/cho"


def test_nothing_is_said_beyond_what_the_views_show(shown: LogReader) -> None:
    history, size = History(shown), shown.size() + 1
    for question in (history.moves, history.last_freeze):
        with pytest.raises(ViewBehind) as caught:
            question("cards/1", size=size)
        assert (caught.value.size, caught.value.wanted) == (size - 1, size)
