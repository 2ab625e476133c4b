"""Activations, read from plain documents: whose word, once, and late by the order's own policy."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning_trade import Thing, TradeMeaning
from tests.unit.proof.test_meaning_escrow import SECOND, delivered
from tests.unit.proof.test_meaning_orders import NOON, ORDER, POLICY, later

ITEM = "item/cards/1"
(PERIOD,) = [one["activation_s"] for one in POLICY["classes"] if one["class"] == "card"]


@pytest.fixture
def meaning() -> TradeMeaning:
    """Bob has bought a card of mia's, delivered at noon."""
    found = TradeMeaning(complete=True)
    found.escrow = delivered()
    found.items[ITEM] = Thing("bob", "cards", is_card=True, sold_by=ORDER, sold_at=NOON)
    return found


def record(
    meaning: TradeMeaning,
    outcome: str = "success",
    *,
    by: tuple[str, str] = ("bob", "buyer"),
    at: str = NOON,
    late: bool = False,
    order: str = ORDER,
) -> None:
    document = {"at": at, "data": {"late": late}, "stream": ITEM}
    signers = [{"party": by[0], "role": by[1]}]
    command = {"body": {"order": order, "outcome": outcome}, "signers": signers}
    meaning._activated(document, command)


def broken(meaning: TradeMeaning, **how: Any) -> tuple[str, str | None, str | None, str | None]:
    with pytest.raises(Tampered) as caught:
        record(meaning, **how)
    found = caught.value
    return found.message, found.field, found.expected, found.found


def test_an_item_is_activated_once_and_its_offer_ends(meaning: TradeMeaning) -> None:
    meaning.items[ITEM].offered_to = "eve"
    record(meaning, "failure")
    assert (meaning.items[ITEM].activated, meaning.items[ITEM].offered_to) == (False, None)
    record(meaning)
    record(meaning, "failure")
    assert meaning.items[ITEM].activated

    for by in (("bob", "buyer"), ("system", "system")):
        found = broken(meaning, by=by)
        assert found == ("an item was activated twice", "activation", None, ITEM)


def test_an_activation_is_of_the_order_that_sold_the_item(meaning: TradeMeaning) -> None:
    message = "an activation for an order that did not sell the item"
    assert broken(meaning, order=SECOND) == (message, "activation", ORDER, SECOND)
    meaning.items[ITEM].sold_by = None
    assert broken(meaning) == (message, "activation", None, ORDER)


def test_the_buyer_activates_or_the_ledger_does(meaning: TradeMeaning) -> None:
    found = broken(meaning, by=("eve", "buyer"))
    assert found == ("another party activated", "activation", "bob", "eve")

    record(meaning, by=("system", "system"))
    assert meaning.items[ITEM].activated


def test_late_is_what_the_orders_trade_policy_calls_late(meaning: TradeMeaning) -> None:
    message = "an activation is not called what it is"
    last, after = later(PERIOD), later(PERIOD, 1)
    assert broken(meaning, at=last, late=True) == (message, "activation", "False", "True")
    assert broken(meaning, at=after) == (message, "activation", "True", "False")

    record(meaning, "failure", at=last)
    record(meaning, at=after, late=True)
