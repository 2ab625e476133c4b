"""Random histories of orders: placed, paid in every way, left to expire, of the same few items."""

from __future__ import annotations

import base64
from collections import Counter
from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.compose import uuid7
from ledger.rules.digests import listing_digest, timer_id
from ledger.rules.order_state import Order
from tests.goods import CARD_CLASS, ITEM_CLASS, card_body, placing_body
from tests.shops import listing_body
from tests.simulation.histories import Open, Place, pick
from tests.simulation.oracle import text
from tests.simulation.running import run_histories
from tests.simulation.test_stock import DAY_US, DOCUMENTS, StockHistories
from tests.simulation.test_tills import TillHistories

WEAK_KEY = base64.b64encode(bytes(32)).decode()
KEYS = (None, base64.b64encode(bytes([9] * 32)).decode())
LISTED = {"cards/gift": 9900, "cards/points": 1, "cards/sword": 50_001}
FOR_SALE = ("cards/a", "cards/b", "cards/c", "cards/d", "cards/blade")
BUYERS = ("ann", "bob", "eve")
LATER_US = 901_000_000


class OrderHistories(StockHistories, TillHistories):
    """Commands about orders, in a shop that has a few things for sale."""

    actions: ClassVar[tuple[str, ...]] = (
        *("order", "order", "order", "order", "pay", "pay", "pay", "confirm", "confirm", "confirm"),
        *("buy", "buy", "twice", "twice", "expire", "expire", "expire", "top_up", "pay_out"),
        *("policy", "edit", "withdraw", "lodge"),
        *("freeze", "transfer", "cancel", "regret", "replay", "conflict"),
    )

    def __init__(self, open_market: Open) -> None:
        """Open the shop: a trade policy, a merchant, listings, cards with an agent, money."""
        super().__init__(open_market)
        dice = Random(0)  # noqa: S311
        self.policy_first(dice)
        until = text(self.world.clock.now() + 300 * DAY_US)
        for name in (CARD_CLASS, ITEM_CLASS):
            body = {"class": name, "merchant": "shop", "namespace": "cards", "origin": None}
            places = [("shop", "merchant"), ("guard", "reviewer")]
            streams = ("merchant/shop", "namespace/cards")
            seal = ("documents", "issuer")
            full = body | {"until": until}
            self.surely(dice, "qualify-merchant/1", places, full, expects=streams, seal=seal)
        for name in LISTED:
            streams = (f"listing/{name}", "merchant/shop")
            self.surely(
                dice, "publish-listing/1", [("shop", "merchant")], listed(name), expects=streams
            )
        placed = {"agent": "system", "terms": self.model.terms[0][0]}
        for item in FOR_SALE[:-1]:
            body = card_body(item, **placed)
            self.surely(dice, "register-card/1", [("shop", "owner")], body, seal=("card", "code"))
        body = {"class": "other", "item": FOR_SALE[-1]}
        self.surely(dice, "register-item/1", [("shop", "owner")], body, seal="name")
        body = placing_body(FOR_SALE[-1], **placed)
        stream = f"item/{FOR_SALE[-1]}"
        self.surely(dice, "place-in-escrow/1", [("shop", "owner")], body, expects=stream)
        for buyer in BUYERS[:2]:
            money = {"amount": "60000", "currency": "CNY"}
            body = {"amount": money, "party": buyer, "provider": "internal"}
            self.surely(dice, "top-up/1", [("guard", "cashier")], body, seal="transaction")

    def policy_first(self, dice: Random) -> None:
        body = {"effective_at": None, "policy": DOCUMENTS[0], "replaces": None}
        places = [("operator", "root")]
        self.surely(dice, "publish-trade-policy/1", places, body, expects="policy/trade")

    def surely(
        self, dice: Random, kind: str, places: list[Place], body: dict[str, Any], **how: Any
    ) -> None:
        """Send one command as it should be."""
        self.regretting = True
        self.act(dice, kind, places, body, **how)
        self.regretting = False
        self.send_held()

    def order(self, dice: Random) -> None:
        fresh = uuid7(self.world.clock.now(), dice.randbytes(10))
        free = [
            name
            for name, item in self.model.items.items()
            if (goods := item.get("goods")) and goods["agent"] and goods["order"] is None
        ]
        wanted = [pick(dice, free, FOR_SALE) for _ in range(dice.choice((1, 1, 2, 3)))]
        if dice.random() > 0.03:
            wanted = sorted(set(wanted))
        lines = [self.line(dice, item) for item in wanted]
        now = max(self.world.clock.now(), self.model.at)
        running = [digest for digest, since, _ in self.model.terms if since <= now]
        terms = pick(dice, running[-1:], [digest for digest, *_ in self.model.terms])
        body = {
            "agreement": pick(dice, [DOCUMENTS[0]["agreement"]], ("0" * 64,)),
            "currency": pick(dice, ["CNY"], ("ETH", "USD")),
            "key": pick_key(dice),
            "lines": lines,
            "order": pick(dice, [fresh], [fresh, *self.model.orders]),
            "terms": terms,
        }
        streams = {f"{room}/{line[room]}" for line in lines for room in ROOMS}
        buyer = (self.who(dice, dice.choice(BUYERS)), "buyer")
        self.act(dice, "place-order/1", [buyer], body, expects=sorted(streams))

    def line(self, dice: Random, item: str) -> dict[str, Any]:
        sword = item == FOR_SALE[-1]
        fitting = ["cards/sword"] if sword else ["cards/gift", "cards/points"]
        name = pick(dice, fitting, tuple(LISTED))
        body = self.model.listings[name]["body"]
        line = {
            "item": item,
            "listing": name,
            "merchant": "shop",
            "price": body["price"]["amount"],
            "snapshot": listing_digest(body),
        }
        spoilt = {"price": "7", "snapshot": "0" * 64, "merchant": "ann", "listing": "cards/no"}
        if dice.random() < 0.06:
            name = dice.choice(sorted(spoilt))
            line[name] = spoilt[name]
        return line

    def some_order(self, dice: Random, *states: str) -> tuple[str, dict[str, Any]]:
        """Pick an order in one of these states, now and then any, or none that was placed."""
        fitting = [name for name, one in self.model.orders.items() if one["state"] in states]
        name = pick(dice, fitting, [*sorted(self.model.orders), uuid7(0, bytes(10))])
        unknown = {"buyer": "ann", "currency": "CNY", "lines": [], "pay_by": self.model.at}
        return name, self.model.orders.get(name, unknown)

    @staticmethod
    def amount(dice: Random, order: dict[str, Any]) -> dict[str, str]:
        total = sum(line["price"] for line in order["lines"])
        amount = dice.choice((total, total, total, total + 1, max(total - 1, 0)))
        return {"amount": str(amount), "currency": pick(dice, ["CNY"], ("ETH", "USD"))}

    def pay(self, dice: Random) -> None:
        name, order = self.some_order(dice, "unpaid")
        body = {"amount": self.amount(dice, order), "order": name}
        place = (self.who(dice, order["buyer"]), "buyer")
        self.act(dice, "pay-order/1", [place], body, expects=f"order/{name}")

    def buy(self, dice: Random) -> None:
        """Order, and pay before anything else happens."""
        self.order(dice)
        self.send_held()
        self.pay(dice)

    def twice(self, dice: Random) -> None:
        """Let the provider say twice, at once, that the same order was paid."""
        self.order(dice)
        self.send_held()
        unpaid = [name for name, one in self.model.orders.items() if one["state"] == "unpaid"]
        for name in unpaid[-1:]:
            total = str(sum(line["price"] for line in self.model.orders[name]["lines"]))
            money = {"amount": total, "currency": "CNY"}
            body = {"amount": money, "order": name, "provider": "alipay"}
            for _ in range(2):
                place = (self.who(dice, "guard"), "cashier")
                self.act(dice, "confirm-payment/1", [place], body, seal="transaction")

    def confirm(self, dice: Random) -> None:
        name, order = self.some_order(dice, "unpaid", "unpaid", "paid", "expired")
        if dice.random() < 0.2:
            self.world.clock.advance(LATER_US)
        provider = dice.choice(("alipay", "wechat"))
        body = {"amount": self.amount(dice, order), "order": name, "provider": provider}
        place = (self.who(dice, "guard"), "cashier")
        self.act(dice, "confirm-payment/1", [place], body, seal="transaction")

    def expire(self, dice: Random) -> None:
        name, order = self.some_order(dice, "unpaid")
        due = text(order["pay_by"] + dice.choice((0, 0, 0, 0, 0, 1)))
        if dice.random() < 0.7:
            self.world.clock.advance(max(0, order["pay_by"] - self.world.clock.now()))
        rule = pick(dice, ["order-unpaid"], ("order-inspected",))
        place = (self.who(dice, "system"), "system")
        identifier = timer_id(f"order/{name}", rule, due)
        body = {"due": due, "order": name}
        self.act(dice, "expire-order/1", [place], body, command_id=identifier)

    def edit(self, dice: Random) -> None:
        name = dice.choice(sorted(LISTED))
        body = listed(name, text=dice.choice("abcdef") * 64)
        streams = (f"listing/{name}", "merchant/shop")
        place = (self.who(dice, "shop"), "merchant")
        self.act(dice, "publish-listing/1", [place], body, expects=streams)

    def freeze(self, dice: Random) -> None:
        item = dice.choice(FOR_SALE)
        kind, ground = (
            ("unfreeze-item/1", "dispute-ended")
            if self.model.items.get(item, {"frozen": False})["frozen"]
            else ("freeze-item/1", "in-dispute")
        )
        body = {"ground": ground, "item": item}
        place = (self.who(dice, "guard"), "freezer")
        self.act(dice, kind, [place], body, seal="reason")

    @invariant()
    def orders_are_as_the_model_says(self) -> None:
        """An item is one order's; what lies in escrow is the total of what was paid, once."""
        for name, order in self.model.orders.items():
            found = self.world.ledger.stream(f"order/{name}")
            assert found is not None
            assert isinstance(found.state, Order)
            told = (found.state.buyer, found.state.state, found.state.pay_by)
            assert told == (order["buyer"], order["state"], order["pay_by"])
            held = [
                amount
                for (account, _), amount in self.model.accounts.items()
                if account.startswith(f"escrow/{name}/")
            ]
            right = [line["price"] for line in order["lines"]] if order["state"] == "paid" else []
            assert sorted(held) == sorted(right)
        alive = Counter(
            line["item"]
            for order in self.model.orders.values()
            for line in order["lines"]
            if order["state"] != "expired"
        )
        assert not alive or max(alive.values()) == 1
        for name in FOR_SALE:
            goods = self.world.item(name).goods
            assert goods is not None
            assert (goods.order is not None) == (name in alive)


ROOMS = ("item", "listing", "merchant")


def listed(name: str, **changes: Any) -> dict[str, Any]:
    """The body of one of the shop's listings."""
    sword = {"class": ITEM_CLASS, "product": "swords"} if name == "cards/sword" else {}
    price = {"amount": str(LISTED[name]), "currency": "CNY"}
    body = listing_body(name, "shop", price=price, **changes)
    return body | {"class": CARD_CLASS, "product": "gift-cards"} | sword


def pick_key(dice: Random) -> str | None:
    """Pick a buyer's key: none, a good one, and now and then a weak one."""
    return WEAK_KEY if dice.random() < 0.03 else dice.choice(KEYS)


def test_random_histories_of_orders_fund_each_once_and_reserve_each_item_once(
    template: Any,
) -> None:
    run_histories(partial(OrderHistories, template.copy), share=20)


def test_histories_of_orders_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(OrderHistories, fresh_market), share=1)
