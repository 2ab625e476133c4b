"""What card shops are complained about when money goes back, each as a test that it cannot happen.

A refund that is paid twice; a cent that nobody can refund.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.order_state import REFUNDED
from ledger.rules.trade_errors import (
    ClaimClosed,
    ClaimOpen,
    RefundTooLarge,
)
from tests.api.serving import Served
from tests.api.test_payments import balance, holds, post
from tests.databases import sqlite_file_url
from tests.escrow import accept, close_claim, deliver, give_refund, open_claim
from tests.goods import CARD_CLASS, register_card
from tests.money import top_up as pay_in
from tests.orders import order_of, pay_order, place_order
from tests.paying import wechat_refund
from tests.regressions.shops import CARDS, PRICE, delivered, entries, furnish
from tests.shops import publish_listing as list_goods
from tests.terms import terms
from tests.worlds import World

# A refund while a dispute is open is paid twice


def test_a_refund_during_a_dispute_is_paid_once_whoever_else_refunds(shop: Served) -> None:
    world = shop.world
    order = delivered(shop, CARDS[0])
    give_refund(world, order, 1, 900)
    first, second = (open_claim(world, order, 1) for _ in range(2))
    ari, mia = world.signs("ari", "arbitrator"), world.signs("mia", "merchant")
    frozen = world.size()
    with pytest.raises(ClaimOpen):
        give_refund(world, order, 1, PRICE - 900)
    with pytest.raises(ClaimOpen):
        accept(world, order, 1)
    # What a provider says of its own refund moves nothing here.
    now = world.clock.now()
    assert post(shop, "wechat", wechat_refund(now, transaction_id=order)).status_code == 204
    assert world.size() == frozen

    close_claim(world, first, "none", ari)
    close_claim(world, second, "refund", ari)

    size = world.size()
    for claim in (first, second):
        for signer in (ari, mia):
            with pytest.raises(ClaimClosed):
                close_claim(world, claim, "refund", signer)
    with pytest.raises(RefundTooLarge) as refused:
        give_refund(world, order, 1, 1)
    assert refused.value.evidence == {"line": 1, "left": "0"}
    assert world.size() == size
    assert balance(shop) == holds(PRICE)
    line = order_of(world, order).lines[0]
    assert (line.state, line.refunded, line.held) == (REFUNDED, PRICE, 0)
    assert moved(world, 0) == {"external/wechat": -PRICE, "balance/ann": PRICE}


def moved(world: World, start: int) -> dict[str, int]:
    """What the entries from an index on left in each account, by their postings alone."""
    found: Counter[str] = Counter()
    for entry in entries(world, start):
        for posting in entry.data.get("postings", []):
            found[posting["account"]] += int(posting["amount"])
    return {account: amount for account, amount in found.items() if amount}


# A cent over or under, and the refund can never be finished


@pytest.fixture(scope="module")
def till(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A shop that sells at any price; mia has no money but what it is paid."""
    with World.create(sqlite_file_url(tmp_path_factory.mktemp("till")), "till") as world:
        furnish(world)
        yield world


def released_to(price: int, released: int) -> dict[str, int]:
    """What merchant and platform have of so much of a price, reckoned anew from the policy."""
    whole = price * terms()["merchant"]["fee_bp"] // 10_000
    fee = whole * released // price
    return {"balance/mia": released - fee, "fees": fee}


@given(
    price=st.integers(1, 30_000),
    early=st.lists(st.integers(1, 30_000), max_size=3),
    split=st.integers(0, 30_000),
    late=st.lists(st.integers(1, 30_000), max_size=4),
)
def test_however_a_price_is_refunded_in_parts_no_cent_is_made_lost_or_left(
    till: World, price: int, early: list[int], split: int, late: list[int]
) -> None:
    """Out of escrow, by a ruling that splits, of what was released; the last one takes the rest."""
    start = till.size()
    order = sold_at(till, price)
    left, released = price, 0

    def check() -> None:
        held = {} if released else {f"escrow/{order}/1": left}
        had = {"external/internal": -price, "balance/ann": price - left}
        should = {**had, **held, **released_to(price, released)}
        assert moved(till, start) == {account: each for account, each in should.items() if each}

    for amount in (each for each in early if each < price):
        if amount < left:
            give_refund(till, order, 1, amount)
            left -= amount
            check()
    if 0 < split < left:
        claim = open_claim(till, order, 1)
        close_claim(till, claim, "split", till.signs("ari", "arbitrator"), to_buyer=split)
        left -= split
    else:
        accept(till, order, 1)
    released = left
    check()
    for amount in late:
        if amount < left:
            give_refund(till, order, 1, amount)
            left = released = left - amount
            check()
    with pytest.raises(RefundTooLarge):
        give_refund(till, order, 1, left + 1)
    give_refund(till, order, 1, left)

    assert moved(till, start) == {"external/internal": -price, "balance/ann": price}
    assert order_of(till, order).lines[0].state == REFUNDED


def sold_at(world: World, price: int) -> str:
    """Sell ann a new card at a price, and deliver it."""
    name = f"cards/at-{world.size()}"
    money = {"amount": str(price), "currency": "CNY"}
    list_goods(world, name, "mia", **{"class": CARD_CLASS, "price": money})
    register_card(world, name, "mia", agent="system")
    pay_in(world, "ann", "kay", price)
    order = place_order(world, "ann", name, name)
    pay_order(world, order)
    deliver(world, order)
    return order
