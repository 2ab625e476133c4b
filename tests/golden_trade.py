"""The story of the second golden log: the kinds and event types of trade.

The first one (`tests.golden_story`) keeps its bytes; what is built later is told here. Who changes
a line here changes the files below tests/golden/trade/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ledger.log.export import export_log
from ledger.log.reader import LogReader
from ledger.rules.text import b64encode
from tests.chargebacks import charge_back, end_chargeback, recover
from tests.codes import ask, ask_and_answer, revoke_code
from tests.credit import claw_back, earn_credit, grant_credit, redeem_credit, update_level
from tests.databases import sqlite_file_url
from tests.deposits import (
    COOL_DOWN_US,
    agree_deposit,
    fund_deposit,
    request_deposit,
    withdraw_deposit,
)
from tests.duplicates import report_duplicate
from tests.escrow import (
    accept,
    close_claim,
    deliver,
    give_refund,
    open_claim,
    record_activation,
    refund_lines,
    release_lines,
    reveal_card,
)
from tests.golden_story import HOUR_US, publisher_of
from tests.goods import CARD_CLASS, ITEM_CLASS, place_in_escrow, register_card, withdraw_from_escrow
from tests.money import pay_out, top_up
from tests.orders import confirm_payment, expire_order, order_of, pay_order, place_order
from tests.shops import end_listing, publish_listing, qualify, revoke_qualification, update_labels
from tests.terms import publish_terms, terms
from tests.worlds import World

SEED = "golden-trade"
DAY_US = 24 * HOUR_US
EARNING = "mias/paid-12"
"""The card whose line has earned its buyer credit and points."""


def write_golden_trade(folder: Path, log: Path) -> None:
    """Play the story in the empty `folder` and export the log into the folder `log`."""
    with World.create(sqlite_file_url(folder), SEED) as world:
        play(world)
        publisher_of(world).publish()
        export_log(LogReader(world.recorder), log)


def play(world: World) -> None:
    """Play the whole story, without a checkpoint."""
    _play_orders(world)
    _deposit(world)
    _escrow(world)
    _reveal(world)
    _activate(world)
    _duplicate(world)
    _credit(world)
    _codes(world)
    _wait(world)


def play_orders(world: World) -> None:
    """Play what goes before deliveries: orders that are paid, have expired, or wait."""
    _play_orders(world)
    _wait(world)


def _play_orders(world: World) -> None:
    _terms(world)
    _shops(world)
    _money(world)
    _goods(world)
    _orders(world)


def _wait(world: World) -> None:
    """The last order waits for its payment."""
    place_order(world, "ben", "mias/points", "mias/card-7", "mias/card-6")


def _terms(world: World) -> None:
    """The first trade policy, and the one that waits for its day."""
    publish_terms(world, terms())
    later = terms(id="small-2", notice_days=14)
    publish_terms(world, later, world.clock.now() + 8 * DAY_US)


def _shops(world: World) -> None:
    """A merchant is reviewed, lists, edits what matters and what does not, and ends a listing."""
    world.register("mia", kind="merchant")
    world.register("rex")
    world.grant("rex", "reviewer")
    world.open_namespace("mias", "mia")
    qualify(world, "mia", "rex", namespace="mias", origin="platform-direct")
    qualify(world, "mia", "rex", namespace="mias", **{"class": "software-key"})
    publish_listing(world, "mias/gift-100", "mia")
    price = {"amount": "9500", "currency": "CNY"}
    publish_listing(world, "mias/gift-100", "mia", price=price, region="global")
    publish_listing(world, "mias/gift-100", "mia", price=price, region="global", text="c" * 64)
    publish_listing(world, "mias/office", "mia", **{"class": "software-key"})
    revoke_qualification(world, "mia", "rex", "software-key")
    end_listing(world, "mias/office", "mia")


def _money(world: World) -> None:
    """A cashier records money in two currencies by two providers; some of it is taken out."""
    world.register("kay")
    world.register("ben")
    world.grant("kay", "cashier", second="ben")
    top_up(world, "ben", "kay", 20_000)
    top_up(world, "ben", "kay", 5, currency="ETH", provider="wechat")
    pay_out(world, "ben", "kay", 7_500)
    pay_out(world, "ben", "kay", 5, currency="ETH", provider="wechat")


def _goods(world: World) -> None:
    """Cards and a thing are registered and placed with an agent; some of them are taken back."""
    register_card(world, "mias/card-1", "mia", agent="system")
    register_card(world, "mias/card-2", "mia")
    place_in_escrow(
        world, "mias/card-2", "mia", "system", **{"class": CARD_CLASS, "product": "gift-cards"}
    )
    register_card(world, "mias/card-3", "mia", agent="mia")
    withdraw_from_escrow(world, "mias/card-3", "mia")
    world.transfer("mias/card-3", to="ben")
    world.register_item("mias/sword")
    place_in_escrow(world, "mias/sword", "mia", "system")


def _orders(world: World) -> None:
    """Orders are paid from a balance and from outside, with too much and too little; one is not."""
    qualify(world, "mia", "rex", namespace="mias", **{"class": CARD_CLASS})
    publish_listing(world, "mias/points", "mia", **{"class": CARD_CLASS})
    qualify(world, "mia", "rex", namespace="mias", **{"class": ITEM_CLASS})
    price = {"amount": "50001", "currency": "CNY"}
    sword = {"class": ITEM_CLASS, "price": price, "product": "swords"}
    publish_listing(world, "mias/sword", "mia", **sword)
    world.register("zoe")
    top_up(world, "ben", "kay", 19_800)
    for number in (4, 5, 6, 7):
        register_card(world, f"mias/card-{number}", "mia", agent="system")
    world.register_item("mias/blade")
    place_in_escrow(world, "mias/blade", "mia", "system")
    pay_order(world, place_order(world, "ben", "mias/points", "mias/card-4", "mias/card-5"))
    bought = place_order(world, "zoe", "mias/sword", "mias/blade", key=b64encode(bytes([9] * 32)))
    confirm_payment(world, bought, "kay", 50_000)
    confirm_payment(world, bought, "kay", 50_003, provider="wechat")
    confirm_payment(world, bought, "kay", 50_001)
    left = place_order(world, "zoe", "mias/points", "mias/card-6", "mias/card-7")
    world.clock.advance(order_of(world, left).pay_by - world.clock.now())
    expire_order(world, left)
    confirm_payment(world, left, "kay", 19_800)


def _deposit(world: World) -> None:
    """A merchant agrees to a deposit, funds it, asks for a part, thinks better of it, and asks."""
    top_up(world, "mia", "kay", 3_000)
    agree_deposit(world, "mia")
    fund_deposit(world, "mia", 2_500)
    request_deposit(world, "mia", 400)
    request_deposit(world, "mia", None)
    request_deposit(world, "mia", 500)
    world.clock.advance(COOL_DOWN_US)
    withdraw_deposit(world, "mia")


def _credit(world: World) -> None:
    """A member is given credit, rises, redeems points, owes some; another earns by an order."""
    grant_credit(world, "ben", "kay", 12_000, "CREDIT")
    update_level(world, "ben", "vip")
    grant_credit(world, "ben", "kay", 300, "POINTS")
    redeem_credit(world, "ben", 120, "POINTS")
    claw_back(world, "ben", "kay", 500, "POINTS")
    grant_credit(world, "ben", "kay", 400, "POINTS")
    sold = world.item(EARNING).goods
    assert sold is not None
    assert sold.sold is not None
    earn_credit(world, sold.sold, 1)
    earn_credit(world, sold.sold, 1, "POINTS")


def _escrow(world: World) -> None:
    """Lines are delivered, accepted, inspected, refunded by a timer and a merchant, and claimed.

    A card goes in a parcel where the order brought a key. Claims end in every way there is. Of the
    last order a line is delivered, one frozen, and one awaited; days have passed, and mia is
    reviewed anew, now for goods of no named origin, so that it loses the label of a direct source.
    """
    qualify(world, "mia", "rex", namespace="mias", **{"class": CARD_CLASS})
    update_labels(world, "mia", "platform-direct")
    world.register("ari")
    world.grant("ari", "arbitrator", second="ben")
    for number in range(11, 22):
        register_card(world, f"mias/paid-{number}", "mia", agent="system")
    world.register("lou")
    top_up(world, "lou", "kay", 200_000)
    key = b64encode(bytes([9] * 32))

    _charge(world, _bought(world, 21))
    late = _bought(world, 11, key=key)
    world.clock.advance(2 * HOUR_US)
    refund_lines(world, late)

    order = _bought(world, 12, 13, key=key)
    deliver(world, order, 1)
    deliver(world, order, 2, by=world.signs("mia", "merchant"))
    accept(world, order, 1)
    give_refund(world, order, 1, 100)
    give_refund(world, order, 2, 1_001)
    world.clock.advance(3 * DAY_US)
    release_lines(world, order, 2)
    end_chargeback(world, order, charge_back(world, order, {1: 5_000}), "won")
    end_chargeback(world, order, charge_back(world, order, {1: 300, 2: 400}), "lost")
    world.clock.advance(DAY_US)
    recover(world, "mia")

    order = _bought(world, 14, 15, 16, 17)
    early = open_claim(world, order, 4, kind="not-delivered")
    deliver(world, order, 1, 2, 3)
    arbitrator, buyer = world.signs("ari", "arbitrator"), world.signs("lou", "buyer")
    close_claim(world, early, "refund", world.signs("mia", "merchant"))
    close_claim(world, open_claim(world, order, 1), "none", buyer)
    close_claim(world, open_claim(world, order, 1), "none", arbitrator)
    close_claim(world, open_claim(world, order, 1), "refund", arbitrator)
    close_claim(world, open_claim(world, order, 2), "split", arbitrator, to_buyer=4_000)
    close_claim(world, open_claim(world, order, 3), "release", buyer)

    order = _bought(world, 18, 19, 20)
    deliver(world, order, 1, 2)
    open_claim(world, order, 2)
    for name in ("game-card", CARD_CLASS, ITEM_CLASS):
        qualify(world, "mia", "rex", namespace="mias", **{"class": name})
    update_labels(world, "mia")


def _bought(world: World, *cards: int, **changes: Any) -> str:
    """Let lou buy these cards of mia's and pay for them from his balance."""
    items = [f"mias/paid-{number}" for number in cards]
    order = place_order(world, "lou", "mias/points", *items, **changes)
    pay_order(world, order)
    return order


def _charge(world: World, order: str) -> None:
    """A provider takes the price out of escrow, gives it again, and takes it for good."""
    end_chargeback(world, order, charge_back(world, order, {1: 9_900}), "won")
    end_chargeback(
        world,
        order,
        charge_back(world, order, {1: 9_900}, provider="wechat"),
        "lost",
        provider="wechat",
    )


def _reveal(world: World) -> None:
    """A buyer who brought no key asks to see a card that was sold to it."""
    reveal_card(world, "mias/paid-16")


def _activate(world: World) -> None:
    """A card fails and then works, days late; another works in time, as the platform says."""
    record_activation(world, "mias/paid-12", "failure")
    record_activation(world, "mias/paid-12")
    record_activation(world, "mias/paid-16", by=world.signs("system", "system"))


def _duplicate(world: World) -> None:
    """Two cards of two orders turn out to hold one key."""
    report_duplicate(world, "mias/paid-12", "mias/paid-16")


def _codes(world: World) -> None:
    """A stranger and then the owner verify a code, which is revoked; one is wrong, one waits."""
    ask_and_answer(world, "zoe", "mias/paid-16")
    ask_and_answer(world, "lou", "mias/paid-16")
    ask_and_answer(world, "lou", "mias/paid-16", "other")
    revoke_code(world, "mias/paid-16")
    ask_and_answer(world, "lou", "mias/paid-16")
    ask_and_answer(world, "zoe", None)
    ask(world, "zoe")
