"""Recording activations: by the buyer or the ledger, a success once, and late called late."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules import errors, trade_errors
from ledger.rules.compose import Draft
from ledger.rules.errors import Malformed
from ledger.rules.kinds import kind_of
from ledger.rules.state import Item, Terms
from ledger.rules.text import format_time
from ledger.rules.trade_state import Goods
from tests.unit.rules.escrowing import delivered, paid
from tests.unit.rules.ordering import ITEMS, ORDER, STREAM, SWORDS
from tests.unit.rules.small import Small
from tests.unit.rules.test_reveals import OTHER

CARD, SWORD = ITEMS[0], SWORDS[0]
DAY_US = 24 * 3600 * 1_000_000


def activating(
    small: Small, outcome: str = "success", *, by: tuple[str, str] = ("bob", "buyer"), **body: Any
) -> Draft:
    told = {"item": CARD, "order": ORDER, "platform": "steam", "time": format_time(small.at)}
    return small.draft("record-activation/1", by, outcome=outcome, **(told | body))


def goods(small: Small, name: str = CARD) -> Goods:
    found = small.state(f"item/{name}")
    assert isinstance(found, Item)
    assert found.goods is not None
    return found.goods


def refused(small: Small, draft: Draft, error: type[errors.Refused], **evidence: Any) -> None:
    with pytest.raises(error) as caught:
        small.derive(small.command(draft))
    assert type(caught.value) is error
    assert caught.value.evidence == evidence


def test_the_buyer_says_once_that_it_works() -> None:
    small = delivered()
    small.do(activating(small))

    assert (small.entries[-1].type, small.entries[-1].data) == (
        "activation-recorded/1",
        {"late": False},
    )
    assert (goods(small).activated, goods(small).failed) == (ORDER, 0)
    already = trade_errors.ActivatedAlready
    refused(small, activating(small), already, item=CARD, order=ORDER)
    by_system = activating(small, by=("system", "system"))
    refused(small, by_system, already, item=CARD, order=ORDER)


def test_what_fails_is_recorded_as_often_as_an_honest_buyer_tries() -> None:
    small = delivered()
    for _ in range(32):
        small.do(activating(small, "failure"))

    assert goods(small).failed == 32
    refused(small, activating(small, "failure"), errors.TooLarge, failures=32, most=32)
    small.do(activating(small))
    assert goods(small).activated == ORDER
    refused(small, activating(small), trade_errors.ActivatedAlready, item=CARD, order=ORDER)


def test_that_it_fails_after_it_worked_is_recorded_too() -> None:
    small = delivered()
    small.do(activating(small))
    small.do(activating(small, "failure"))

    assert (goods(small).activated, goods(small).failed) == (ORDER, 1)


def test_a_late_activation_is_kept_as_a_fact() -> None:
    small = delivered()
    sold_at = goods(small).sold_at
    assert sold_at is not None
    assert sold_at == small.at
    # `do` moves the clock on by a second before it derives.
    small.at = sold_at + DAY_US - 1_000_000
    small.do(activating(small, "failure"))
    small.at = sold_at + DAY_US - 1_000_000 + 1
    small.do(activating(small))

    assert [entry.data["late"] for entry in small.entries[-2:]] == [False, True]


def test_an_activation_that_outlived_its_trade_policy_is_late() -> None:
    small = delivered()
    stream = small.streams["policy/trade"]
    assert isinstance(stream.state, Terms)
    in_force = stream.state.in_force._replace(digest="e" * 64)
    terms = stream.state._replace(in_force=in_force, pending=None, old=())
    small.streams["policy/trade"] = stream._replace(state=terms)
    small.do(activating(small))

    assert small.entries[-1].data == {"late": True}


def test_only_the_buyer_or_the_ledger_says_what_came_of_it() -> None:
    small = delivered()
    by_ann = activating(small, by=("ann", "buyer"))
    refused(small, by_ann, trade_errors.NotBuyer, buyer="bob", signer="ann")
    by_ann = activating(small, by=("ann", "system"))
    refused(small, by_ann, errors.RoleMissing, party="ann", role="system")
    small.do(activating(small, by=("system", "system")))
    assert goods(small).activated == ORDER


def test_the_buyer_says_it_of_a_card_that_was_given_away_or_frozen() -> None:
    small = delivered()
    small.transfer(CARD, "bob", "ann")
    small.grant("ann", "freezer")
    small.act("freeze-item/1", ("ann", "freezer"), item=CARD, ground="in-dispute")
    small.do(activating(small))

    assert goods(small).activated == ORDER


def test_a_thing_is_activated_like_a_card() -> None:
    small = delivered()
    small.do(activating(small, item=SWORD))

    assert goods(small, SWORD).activated == ORDER


def test_nothing_is_activated_that_this_order_did_not_sell() -> None:
    small = paid()
    refused(small, activating(small), trade_errors.ItemNotSold, item=CARD, sold=None)
    small = delivered()
    other = activating(small, order=OTHER)
    refused(small, other, trade_errors.ItemNotSold, item=CARD, sold=ORDER)
    never = activating(small, item="cards/never")
    refused(small, never, errors.UnknownItem, item="cards/never")


def test_nobody_activates_in_the_future() -> None:
    small = delivered()
    draft = activating(small, time=format_time(small.at + 1))
    with pytest.raises(Malformed) as caught:
        small.derive(small.command(draft))
    assert str(caught.value) == "command.body.time: is after the time of the command"


def test_an_activation_ends_an_offer_of_the_unused_card() -> None:
    small = delivered()
    small.offer(CARD, "bob", "ann")
    small.do(activating(small))

    found = small.state(f"item/{CARD}")
    assert isinstance(found, Item)
    assert found.offer is None


def test_a_proof_holds_the_order_and_its_trade_policy() -> None:
    small = delivered()
    draft = activating(small)

    assert kind_of(draft.kind).reads(small.command(draft)) == (STREAM, "policy/trade")
