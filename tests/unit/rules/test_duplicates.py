"""Reporting card keys found twice: both items, the orders that sold them, and never again."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.commands import Command
from ledger.rules.duplicates import report_id
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.state import Item
from ledger.rules.trade_state import Alert
from tests.unit.rules.duplicating import ALERTS, FIRST, SECOND, THIRD, reported, reporting, sold_by
from tests.unit.rules.escrowing import delivered, delivering, lines_of, paid
from tests.unit.rules.ordering import ORDER, STREAM, SWORDS, line, placing, trading
from tests.unit.rules.small import Small
from tests.unit.rules.test_reveals import OTHER

PAIR = (line(FIRST), line(SECOND))


def refused(small: Small, command: Command, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(command)
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


def malformed(small: Small, command: Command) -> str:
    with pytest.raises(Malformed) as caught:
        small.derive(command)
    return str(caught.value)


def item(small: Small, name: str) -> Item:
    found = small.state(f"item/{name}")
    assert isinstance(found, Item)
    return found


def flagged(small: Small, name: str) -> str | None:
    goods = item(small, name).goods
    assert goods is not None
    return goods.flagged


def test_both_items_and_the_order_that_sold_one_are_flagged() -> None:
    small = delivered()
    facts = small.derive(reporting(small))
    alert = {"alert": ALERTS[0]}
    assert facts == [
        (f"alert/{ALERTS[0]}", "duplicate-reported/1", {}),
        (f"item/{FIRST}", "item-flagged/1", alert),
        (f"item/{SECOND}", "item-flagged/1", alert),
        (STREAM, "order-flagged/1", {**alert, "lines": [1]}),
    ]

    reported(small, FIRST, SECOND)
    assert [flagged(small, each) for each in (FIRST, SECOND, THIRD)] == [ALERTS[0], ALERTS[0], None]
    assert [each.flagged for each in lines_of(small)] == [ALERTS[0], None]
    assert small.state(f"alert/{ALERTS[0]}") == Alert(((FIRST, ORDER), (SECOND, None)))


def test_an_order_that_sold_both_is_flagged_once_with_both_lines() -> None:
    small = delivered(*reversed(PAIR))
    (*_, last) = small.derive(reporting(small))
    assert last == (STREAM, "order-flagged/1", {"alert": ALERTS[0], "lines": [1, 2]})


def test_a_line_that_was_not_delivered_is_not_flagged_with_the_one_that_was() -> None:
    small = paid(*PAIR)
    small.do(delivering(small, 1))
    (*_, last) = small.derive(reporting(small))
    assert last == (STREAM, "order-flagged/1", {"alert": ALERTS[0], "lines": [1]})


def test_cards_that_nobody_bought_are_flagged_without_an_order() -> None:
    small = paid()
    facts = small.derive(reporting(small))
    assert [fact.type for fact in facts] == ["duplicate-reported/1", *["item-flagged/1"] * 2]


def test_a_flag_ends_an_offer_and_another_report_names_its_own_alert() -> None:
    small = delivered()
    small.offer(FIRST, "bob", "ann")
    reported(small, FIRST, SECOND)
    assert item(small, FIRST).offer is None

    reported(small, FIRST, THIRD, alert=1)
    assert [flagged(small, each) for each in (FIRST, SECOND, THIRD)] == [
        *(ALERTS[1], ALERTS[0], ALERTS[1])
    ]
    assert lines_of(small)[0].flagged == ALERTS[1]


def test_the_id_of_a_report_follows_from_its_items() -> None:
    small = delivered()
    other = reporting(small, named=report_id(SECOND, FIRST))
    assert malformed(small, other) == "command.id: is not the id of the report of these items"


@pytest.mark.parametrize("names", [(SECOND, FIRST), (FIRST, FIRST)])
def test_a_report_names_two_items_in_their_order(names: tuple[str, str]) -> None:
    small = delivered()
    told = malformed(small, reporting(small, *names))
    assert told == "command.body.cards: is not sorted by item, each once"


def test_an_alert_is_raised_once() -> None:
    small = delivered()
    reported(small, FIRST, SECOND)
    refused(small, reporting(small, FIRST, THIRD), trade_errors.AlertExists, alert=ALERTS[0])


def test_a_report_is_of_cards_that_are_there() -> None:
    small = delivered()
    never = reporting(small, FIRST, "cards/never")
    refused(small, never, errors.UnknownItem, item="cards/never")
    things = reporting(small, *SWORDS)
    refused(small, things, trade_errors.GoodsDiffer, item=SWORDS[0], product=None)
    small.register_item("cards/plain", "shop")
    plain = reporting(small, FIRST, "cards/plain")
    refused(small, plain, trade_errors.GoodsDiffer, item="cards/plain", product=None)


def test_one_key_in_two_products_is_no_duplicate() -> None:
    small = delivered()
    names = {"card": "c" * 64, "code": "d" * 64, "class": "point-card", "item": "cards/other"}
    more = {"product": "phone-cards", "agent": None, "terms": None}
    small.act("register-card/1", ("shop", "owner"), **names, **more)
    command = reporting(small, FIRST, "cards/other")
    refused(small, command, trade_errors.GoodsDiffer, item="cards/other", product="phone-cards")


def test_a_report_names_the_orders_that_sold_the_cards() -> None:
    small = delivered()
    silent = reporting(small, orders=(None, None))
    wrong = reporting(small, orders=(ORDER, OTHER))
    refused(small, silent, trade_errors.ItemNotSold, item=FIRST, sold=ORDER)
    refused(small, wrong, trade_errors.ItemNotSold, item=SECOND, sold=None)


def test_only_the_ledger_reports() -> None:
    small = delivered()
    command = reporting(small, by=("ann", "system"))
    refused(small, command, errors.RoleMissing, party="ann", role="system")


def test_a_flagged_card_is_neither_ordered_nor_delivered() -> None:
    small = paid(*PAIR)
    reported(small, FIRST, THIRD)
    evidence = {"item": FIRST, "alert": ALERTS[0]}
    refused(small, small.command(delivering(small)), trade_errors.ItemFlagged, **evidence)
    small.do(delivering(small, 2))
    assert (sold_by(small, FIRST), sold_by(small, SECOND)) == (None, ORDER)

    small = trading()
    reported(small, FIRST, THIRD)
    ordered = small.command(placing(small, line(FIRST)))
    refused(small, ordered, trade_errors.ItemFlagged, **evidence)
    small.do(placing(small, line(SECOND)))


def test_a_proof_holds_both_items_and_their_orders() -> None:
    small = delivered(*PAIR)
    command = reporting(small)
    wanted = (f"item/{FIRST}", f"item/{SECOND}", STREAM)
    assert kind_of("report-duplicate/1").reads(command) == wanted
    unsold = reporting(paid())
    assert kind_of("report-duplicate/1").reads(unsold) == wanted[:2]
