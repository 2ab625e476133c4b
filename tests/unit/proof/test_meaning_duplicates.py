"""Card keys found twice, read from plain documents: reported once, with all that follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_trade import Thing, TradeMeaning
from tests.unit.proof.test_meaning_escrow import ordered
from tests.unit.proof.test_meaning_orders import NAME, ORDER

ALERT, OTHER = (f"01930000-0000-7000-8000-0000000000a{number}" for number in (1, 2))
ONE, TWO, SWORD = "cards/1", "cards/9", "cards/2"
Broken = tuple[str, str | None, str | None, str | None]


@pytest.fixture(params=[True, False], ids=["complete", "partial"])
def meaning(request: pytest.FixtureRequest) -> TradeMeaning:
    """Bob's order sold him a card; another card of its product lies about."""
    found = TradeMeaning(complete=request.param)
    found.escrow = found.duplicates.escrow = ordered()
    found.items[f"item/{ONE}"] = Thing(
        "bob", "cards", is_card=True, goods=("c", "p"), sold_by=ORDER
    )
    found.items[f"item/{TWO}"] = Thing(
        "mia", "cards", is_card=True, goods=("c", "p"), agent="system"
    )
    found.items[f"item/{SWORD}"] = Thing("bob", "cards", sold_by=ORDER)
    return found


def report(
    meaning: TradeMeaning,
    *items: str,
    alert: str = ALERT,
    stream: str | None = None,
    orders: tuple[str | None, ...] = (ORDER, None),
) -> None:
    cards = [
        {"item": item, "order": order}
        for item, order in zip(items or (ONE, TWO), orders, strict=True)
    ]
    document = {"stream": stream or f"alert/{alert}", "data": {}}
    meaning._reported(document, {"body": {"alert": alert, "cards": cards}})


def flag(meaning: TradeMeaning, stream: str, *, alert: str = ALERT, **more: Any) -> None:
    room = stream.partition("/")[0]
    data = {"alert": alert, **more}
    document = {"stream": stream, "type": f"{room}-flagged/1", "data": data}
    judge = TradeMeaning._item_flagged if room == "item" else TradeMeaning._order_flagged
    judge(meaning, document, {})


def flag_all(meaning: TradeMeaning) -> None:
    for item in (ONE, TWO):
        flag(meaning, f"item/{item}")
    flag(meaning, NAME, lines=[1])
    meaning.duplicates.end()


def broken(act: Callable[[], object]) -> Broken:
    with pytest.raises(Tampered) as caught:
        act()
    found = caught.value
    assert found.step == "meaning"
    assert found.field == "duplicates"
    return found.message, found.field, found.expected, found.found


def test_a_report_is_followed_by_its_flags_and_ends_offers(meaning: TradeMeaning) -> None:
    meaning.items[f"item/{TWO}"].offered_to = "eve"
    report(meaning)
    flag_all(meaning)

    assert meaning.items[f"item/{TWO}"].offered_to is None
    assert meaning.duplicates.flagged == {f"item/{ONE}", f"item/{TWO}", NAME}


def test_nobody_sells_what_is_flagged(meaning: TradeMeaning) -> None:
    stream = f"item/{TWO}"
    assert (meaning._owner(stream), meaning._agent(stream)) == ("mia", "system")
    report(meaning)
    flag_all(meaning)

    message = "a card was sold whose key another item holds too"
    for ask in (meaning._owner, meaning._agent):
        assert broken(lambda ask=ask: ask(stream)) == (message, "duplicates", None, stream)  # type: ignore[misc]


def test_a_pair_is_reported_once_and_under_an_alert_of_its_own(meaning: TradeMeaning) -> None:
    report(meaning)
    flag_all(meaning)

    again = broken(lambda: report(meaning, alert=OTHER))
    message = "a pair of cards was reported twice"
    assert again == (message, "duplicates", None, f"item/{ONE} item/{TWO}")
    turned = broken(lambda: report(meaning, TWO, ONE, alert=OTHER, orders=(None, ORDER)))
    assert turned == again
    itself = broken(lambda: report(meaning, ONE, ONE, alert=OTHER, orders=(ORDER, ORDER)))
    assert itself == (message, "duplicates", None, f"item/{ONE} item/{ONE}")
    message = "an alert was raised twice"
    assert broken(lambda: report(meaning)) == (message, "duplicates", ALERT, f"alert/{ALERT}")
    moved = broken(lambda: report(meaning, alert=OTHER, stream=f"alert/{ALERT}"))
    assert moved == (message, "duplicates", OTHER, f"alert/{ALERT}")
    strange = broken(lambda: report(meaning, alert=OTHER, stream="alert/x"))
    assert strange == (message, "duplicates", OTHER, "alert/x")


def test_a_report_is_of_two_cards_of_one_product(meaning: TradeMeaning) -> None:
    message = "a report of what is no card"
    found = broken(lambda: report(meaning, ONE, SWORD, orders=(ORDER, ORDER)))
    assert found == (message, "duplicates", None, SWORD)
    found = broken(lambda: report(meaning, ONE, "cards/none"))
    assert found == (message, "duplicates", None, "cards/none")

    meaning.items[f"item/{TWO}"].goods = ("c", "q")
    message = "a report of cards of two products"
    assert broken(lambda: report(meaning)) == (message, "duplicates", None, "['p', 'q']")


def test_a_report_names_the_orders_that_sold_the_cards(meaning: TradeMeaning) -> None:
    message = "a report that names another order"
    found = broken(lambda: report(meaning, orders=(None, None)))
    assert found == (message, "duplicates", ORDER, None)
    found = broken(lambda: report(meaning, orders=(ORDER, ORDER)))
    assert found == (message, "duplicates", None, ORDER)


def test_a_flag_is_that_of_the_report(meaning: TradeMeaning) -> None:
    message, item = "a flag that no report raised", ("item-flagged/1", {"alert": ALERT})
    found = broken(lambda: flag(meaning, f"item/{ONE}"))
    assert found == (message, "duplicates", None, str(item))

    report(meaning)
    found = broken(lambda: flag(meaning, f"item/{ONE}", alert=OTHER))
    other = ("item-flagged/1", {"alert": OTHER})
    assert found == (message, "duplicates", str(item), str(other))
    lines = [("order-flagged/1", {"alert": ALERT, "lines": [number]}) for number in (1, 2)]
    found = broken(lambda: flag(meaning, NAME, lines=[2]))
    assert found == (message, "duplicates", *map(str, lines))


def test_a_line_that_never_sold_its_card_is_not_flagged(meaning: TradeMeaning) -> None:
    ordered_too = meaning.items[f"item/{SWORD}"]
    ordered_too.is_card, ordered_too.goods, ordered_too.sold_by = True, ("c", "p"), None
    report(meaning, ONE, SWORD)

    assert meaning.duplicates.due[NAME] == ("order-flagged/1", {"alert": ALERT, "lines": [1]})


def test_every_flag_of_a_report_comes_where_the_whole_log_is_read(meaning: TradeMeaning) -> None:
    report(meaning)
    flag(meaning, f"item/{ONE}")
    if not meaning.complete:
        meaning.end()
        assert meaning.duplicates.due == {}
        return

    message, item = "a report did not raise its flag", ("item-flagged/1", {"alert": ALERT})
    assert broken(meaning.end) == (message, "duplicates", str(item), f"item/{TWO}")
