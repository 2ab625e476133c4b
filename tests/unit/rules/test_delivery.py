"""Delivery: by whom, what, until when, and that it sells the item to its buyer."""

from __future__ import annotations

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.errors import Malformed
from ledger.rules.order_state import HELD
from ledger.rules.text import format_time
from tests.unit.rules.escrowing import (
    BOTH,
    INSPECT_US,
    KEY,
    PARCEL,
    delivered,
    delivering,
    lines_of,
    paid,
)
from tests.unit.rules.ordering import ITEMS, ORDER, SECOND_US, STREAM, SWORDS, placed, trading
from tests.unit.rules.small import HOUR_US, Small
from tests.unit.rules.test_orders import item, malformed, refused


def test_the_agent_delivers_lines_and_each_item_is_the_buyers() -> None:
    small = paid()
    small.at += SECOND_US
    own, *effects = small.derive(small.command(delivering(small)))

    until = format_time(small.at + INSPECT_US)
    assert own == (STREAM, "lines-delivered/1", {"inspect_by": [until, until]})
    data = {"from": "shop", "order": ORDER, "to": "bob"}
    assert effects == [(f"item/{name}", "item-sold/1", data) for name in (ITEMS[0], SWORDS[0])]

    small.at -= SECOND_US
    small.do(delivering(small))
    for name in (ITEMS[0], SWORDS[0]):
        found = item(small, name)
        assert (found.owner, found.offer, found.imports_only) == ("bob", None, False)
        assert found.goods is not None
        assert (found.goods.escrow, found.goods.order) == (None, None)
    assert [(each.state, each.inspect_by) for each in lines_of(small)] == [
        (HELD, small.at + INSPECT_US)
    ] * 2


def test_a_line_is_delivered_alone_and_the_other_waits() -> None:
    small = paid()
    small.do(delivering(small, 2))

    first, second = lines_of(small)
    assert (first.delivered, second.delivered) == (False, True)
    assert (item(small, ITEMS[0]).owner, item(small, SWORDS[0]).owner) == ("shop", "bob")
    small.do(delivering(small, 1))
    assert all(each.delivered for each in lines_of(small))


def test_the_merchant_delivers_too() -> None:
    small = paid()
    small.do(delivering(small, by="shop", role="merchant"))

    assert item(small, ITEMS[0]).owner == "bob"


@pytest.mark.parametrize(
    ("by", "role"), [("shop", "agent"), ("system", "merchant"), ("eve", "agent")]
)
def test_nobody_else_delivers(by: str, role: str) -> None:
    small = paid()

    error = refused(small, delivering(small, by=by, role=role), trade_errors.NotAgent)
    assert error.evidence == {"line": 1, "agent": "system", "merchant": "shop", "signer": by}


def test_nothing_is_delivered_twice() -> None:
    small = delivered()

    error = refused(small, delivering(small, 2), trade_errors.LineDelivered)
    assert error.evidence == {"line": 2}


def test_nothing_is_delivered_that_was_not_paid() -> None:
    small = placed(*BOTH)

    error = refused(small, delivering(small), trade_errors.LineNotHeld)
    assert error.evidence == {"line": 1, "state": "unfunded"}


def test_the_time_to_deliver_is_over_a_microsecond_after_it_whether_or_not_a_timer_fired() -> None:
    small = paid()
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due
    assert small.derive(small.command(delivering(small, 1)))[0].type == "lines-delivered/1"
    small.at = due + 1

    error = refused(small, delivering(small, 1), trade_errors.DeliveryLate)
    assert error.evidence == {"line": 1, "deliver_by": format_time(due)}
    # The sword has three hours more.
    assert small.derive(small.command(delivering(small, 2)))[0].type == "lines-delivered/1"


def test_a_frozen_item_is_not_delivered() -> None:
    small = paid()
    small.grant("ann", "freezer")
    small.act("freeze-item/1", ("ann", "freezer"), item=SWORDS[0], ground="in-dispute")

    error = refused(small, delivering(small), errors.ItemFrozen)
    assert error.evidence == {"item": SWORDS[0]}


def test_a_card_goes_in_a_parcel_where_the_order_brought_a_key_and_only_there() -> None:
    small = paid(key=KEY)
    error = refused(small, delivering(small, 1), trade_errors.ParcelDiffers)
    assert error.evidence == {"line": 1, "wanted": True}
    error = refused(small, delivering(small, 2, parcel=PARCEL), trade_errors.ParcelDiffers)
    assert error.evidence == {"line": 2, "wanted": False}
    small.do(delivering(small, 1, parcel=PARCEL))
    small.do(delivering(small, 2))

    keyless = paid()
    error = refused(keyless, delivering(keyless, 1, parcel=PARCEL), trade_errors.ParcelDiffers)
    assert error.evidence == {"line": 1, "wanted": False}


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1)])
def test_parcels_ascend_by_line(numbers: tuple[int, ...]) -> None:
    small = paid()

    found = malformed(small, delivering(small, *numbers))
    assert found == "command.body.parcels: is not sorted by line, each once"


def test_an_order_and_a_line_that_are_not_there() -> None:
    small = trading()
    error = refused(small, delivering(small), trade_errors.UnknownOrder)
    assert error.evidence == {"order": ORDER}

    small = paid()
    error = refused(small, delivering(small, 1, 3), trade_errors.UnknownLine)
    assert error.evidence == {"line": 3, "lines": 2}


def test_a_sold_item_is_at_its_owners_hand() -> None:
    small = delivered()
    small.transfer(ITEMS[0], "bob", "eve")

    assert item(small, ITEMS[0]).owner == "eve"


def test_a_delivery_expects_nothing() -> None:
    small = paid()
    draft = delivering(small)
    draft.expect[STREAM] = small.head(STREAM)

    with pytest.raises(Malformed, match="which is not asked for"):
        small.derive(small.command(draft))


def test_the_inspection_lasts_as_long_as_the_pinned_policy_says() -> None:
    small: Small = paid()
    small.at += HOUR_US
    small.do(delivering(small, 1))

    assert lines_of(small)[0].inspect_by == small.at + INSPECT_US
