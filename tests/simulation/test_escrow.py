"""Random histories of paid lines: delivered or not, accepted, inspected, refunded, claimed."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.compose import uuid7
from ledger.rules.digests import listing_digest, timer_id
from ledger.rules.order_state import HELD, Order
from ledger.rules.text import format_time
from tests.goods import card_body
from tests.simulation.histories import Open, pick
from tests.simulation.running import run_histories
from tests.simulation.test_orders import BUYERS, KEYS, LISTED, ROOMS, OrderHistories
from tests.simulation.test_stock import DOCUMENTS

GIFT = "cards/gift"
RULES = {"order-inspected": "release-lines/1", "order-undelivered": "refund-lines/1"}
ROLES = ("arbitrator", "arbitrator", "buyer", "merchant")
OUTCOMES = {
    "arbitrator": ("none", "refund", "split"),
    "buyer": ("none", "release"),
    "merchant": ("refund",),
}
HOUR_US = 3_600_000_000
OTHER = "01930000-0000-7000-8000-0000000000fd"
EVERY_OUTCOME = ("none", "refund", "release", "split")
KINDS = ("key-invalid", "not-delivered")


class EscrowHistories(OrderHistories):
    """Commands about paid lines, of the same few items."""

    actions: ClassVar[tuple[str, ...]] = (
        *("buy", "buy", "order", "pay", "pay", "confirm", "expire"),
        *("deliver", "deliver", "deliver", "accept", "accept", "line_timer", "line_timer"),
        *("give", "give", "claim", "claim", "claim", "close", "close", "close"),
        *(
            "freeze",
            "pay_out",
            "transfer",
            "reveal",
            "reveal",
            "activate",
            "activate",
            "activate",
            "cancel",
            "regret",
            "replay",
            "conflict",
        ),
    )

    def __init__(self, open_market: Open) -> None:
        """Make `guard` the arbitrator too."""
        super().__init__(open_market)
        dice = Random(1)  # noqa: S311
        places = [("operator", "root"), ("guard", "grantee"), ("ann", "second")]
        body = {"party": "guard", "role": "arbitrator"}
        self.surely(dice, "grant-role/1", places, body)

        for buyer in BUYERS[:2]:
            self.sell(dice, buyer)

    def buy(self, dice: Random) -> None:
        """Lay in fresh cards and let somebody buy and pay for them, all as it should be."""
        self.sell(dice, dice.choice(BUYERS))

    def sell(self, dice: Random, buyer: str) -> None:
        placed = {"agent": "system", "terms": self.model.terms[0][0]}
        items = [f"cards/more-{len(self.made) + number}" for number in range(dice.choice((1, 2)))]
        for item in items:
            body = card_body(item, **placed)
            self.surely(dice, "register-card/1", [("shop", "owner")], body, seal=("card", "code"))
        now = max(self.world.clock.now(), self.model.at)
        body = {
            "agreement": DOCUMENTS[0]["agreement"],
            "currency": "CNY",
            "key": dice.choice(KEYS),
            "lines": [self.sound_line(item) for item in items],
            "order": uuid7(self.world.clock.now(), dice.randbytes(10)),
            "terms": [digest for digest, since, _ in self.model.terms if since <= now][-1],
        }
        streams = {f"{room}/{line[room]}" for line in body["lines"] for room in ROOMS}
        places = [(buyer, "buyer")]
        self.surely(dice, "place-order/1", places, body, expects=sorted(streams))
        money = {"amount": str(LISTED[GIFT] * len(items)), "currency": "CNY"}
        paid = {"amount": money, "order": body["order"], "provider": "alipay"}
        self.surely(dice, "confirm-payment/1", [("guard", "cashier")], paid, seal="transaction")
        if dice.random() < 0.5:
            self.hand_over(dice, body["order"], body["key"], len(items))

    def hand_over(self, dice: Random, order: str, key: str | None, lines: int) -> None:
        parcels = [
            {"line": number, "parcel": f"{number:064x}" if key else None}
            for number in range(1, lines + 1)
        ]
        body = {"order": order, "parcels": parcels}
        self.surely(dice, "deliver-lines/1", [("system", "agent")], body)

    def sound_line(self, item: str) -> dict[str, Any]:
        body = self.model.listings[GIFT]["body"]
        price, snapshot = body["price"]["amount"], listing_digest(body)
        seen = {"merchant": "shop", "price": price, "snapshot": snapshot}
        return {"item": item, "listing": GIFT, **seen}

    def lines(self, *, held: bool = True) -> list[tuple[str, int]]:
        """Return the lines of paid orders that hold something, or do not."""
        return [
            (name, number)
            for name, order in self.model.orders.items()
            if order["state"] == "paid"
            for number in range(1, len(order["lines"]) + 1)
            if bool(self.model.held(name, number)) == held
        ]

    def some_line(self, dice: Random, fitting: list[tuple[str, int]]) -> tuple[str, int]:
        """Pick a line that fits, now and then any, or none that there is."""
        every = [
            (name, number)
            for name, order in self.model.orders.items()
            for number in range(1, len(order["lines"]) + 2)
        ]
        texts = [f"{name} {number}" for name, number in fitting]
        none = f"{uuid7(0, bytes(10))} 1"
        name, number = pick(dice, texts, [*(f"{n} {k}" for n, k in every), none]).split()
        return name, int(number)

    def buyer(self, name: str) -> str:
        return str(self.model.orders[name]["buyer"]) if name in self.model.orders else "ann"

    def delivered(self, name: str, number: int) -> bool:
        return self.model.orders[name]["lines"][number - 1]["inspect_by"] is not None

    def deliver(self, dice: Random) -> None:
        waiting = [place for place in self.lines() if not self.delivered(*place)]
        name, number = self.some_line(dice, waiting)
        numbers = {number, *(n for o, n in waiting if o == name and dice.random() < 0.5)}
        order = self.model.orders.get(name, {"key": None, "lines": []})
        parcels = []
        for each in sorted(numbers, reverse=dice.random() < 0.03):
            cards = [line["periods"]["sells"] == "card" for line in order["lines"]]
            wanted = order["key"] is not None and each <= len(cards) and cards[each - 1]
            if dice.random() < 0.05:
                wanted = not wanted
            parcels.append({"line": each, "parcel": f"{each:064x}" if wanted else None})
        role, right = dice.choice((("agent", "system"), ("agent", "system"), ("merchant", "shop")))
        place = (self.who(dice, right), role)
        self.act(dice, "deliver-lines/1", [place], {"order": name, "parcels": parcels})

    def accept(self, dice: Random) -> None:
        fitting = [place for place in self.lines() if self.delivered(*place)]
        name, number = self.some_line(dice, fitting)
        numbers = {number, *(n for o, n in fitting if o == name and dice.random() < 0.5)}
        body = {"lines": sorted(numbers, reverse=dice.random() < 0.03), "order": name}
        place = (self.who(dice, self.buyer(name)), "buyer")
        self.act(dice, "accept-lines/1", [place], body, expects=f"order/{name}")

    def line_timer(self, dice: Random) -> None:
        name, number = self.some_line(dice, self.lines())
        due = self.model.at
        rule = dice.choice(sorted(RULES))
        if name in self.model.orders and number <= len(self.model.orders[name]["lines"]):
            line = self.model.orders[name]["lines"][number - 1]
            fitting = "order-undelivered" if line["inspect_by"] is None else "order-inspected"
            rule = pick(dice, [fitting], sorted(RULES))
            due = line["inspect_by"] or line["deliver_by"] or due
        if dice.random() < 0.6:
            self.world.clock.advance(max(0, due - self.world.clock.now()))
        body = {"due": format_time(due), "order": name}
        named = timer_id(f"order/{name}", pick(dice, [rule], sorted(RULES)), body["due"])
        place = (self.who(dice, "system"), "system")
        self.act(dice, RULES[rule], [place], body, command_id=named)

    def give(self, dice: Random) -> None:
        name, number = self.some_line(dice, self.lines(held=dice.random() < 0.6))
        left = self.model.held(name, number)
        if not left and name in self.model.orders:
            lines = self.model.orders[name]["lines"]
            left = lines[number - 1]["released"] if number <= len(lines) else 0
        amount = dice.choice((left, left // 2, left // 3, 1, left + 1, 0))
        money = {"amount": str(amount), "currency": pick(dice, ["CNY"], ("ETH",))}
        body = {"amount": money, "line": number, "order": name}
        place = (self.who(dice, "shop"), "merchant")
        self.act(dice, "give-refund/1", [place], body, expects=f"order/{name}")

    def claim(self, dice: Random) -> None:
        name, number = self.some_line(dice, self.lines())
        fresh = uuid7(self.world.clock.now(), dice.randbytes(10))
        claim = pick(dice, [fresh], [fresh, *self.model.claims])
        kind = pick(dice, KINDS, ("stolen-item",))
        body = {"claim": claim, "kind": kind, "line": number, "order": name}
        place = (self.who(dice, self.buyer(name)), "buyer")
        self.act(dice, "open-claim/1", [place], body, expects=f"order/{name}", seal="description")

    def close(self, dice: Random) -> None:
        fitting = [name for name, claim in self.model.claims.items() if claim["open"]]
        name = pick(dice, fitting, [*sorted(self.model.claims), uuid7(0, bytes(10))])
        role = dice.choice(ROLES)
        outcome = pick(dice, OUTCOMES[role], EVERY_OUTCOME)
        claim = self.model.claims.get(name, {"order": "", "line": 1})
        held = self.model.held(claim["order"], claim["line"])
        to_buyer = str(dice.choice((1, held // 2, held - 1, held))) if outcome == "split" else None
        if to_buyer is not None and int(to_buyer) < 0:
            to_buyer = None
        right = {"buyer": self.buyer(claim["order"]), "merchant": "shop", "arbitrator": "guard"}
        place = (self.who(dice, right[role]), role)
        body = {"claim": name, "outcome": outcome, "to_buyer": to_buyer}
        self.act(dice, "close-claim/1", [place], body, expects=f"claim/{name}", seal="reason")

    def reveal(self, dice: Random) -> None:
        """Ask to see a card that was sold, or one that was not."""
        goods = {name: one.get("goods") or {} for name, one in self.model.items.items()}
        name = pick(dice, [name for name, one in goods.items() if one.get("sold")], [*goods])
        sold = goods[name].get("sold") or pick(dice, self.model.orders, (OTHER,))
        lines = self.model.orders.get(sold, {"lines": []})["lines"]
        numbers = [str(number) for number, line in enumerate(lines, 1) if line["item"] == name]
        body = {"item": name, "line": int(pick(dice, numbers, ("1", "2", "3"))), "order": sold}
        place = (self.who(dice, self.model.items[name]["owner"]), "owner")
        self.act(dice, "reveal-card/1", [place], body, expects=f"item/{name}")

    def activate(self, dice: Random) -> None:
        """Record what came of using an item that was sold, or one that was not."""
        goods = {name: one.get("goods") or {} for name, one in self.model.items.items()}
        name = pick(dice, [name for name, one in goods.items() if one.get("sold")], [*goods])
        order = pick(dice, [goods[name].get("sold") or OTHER], [*self.model.orders, OTHER])
        self.world.clock.advance(dice.choice((0, 0, 20 * HOUR_US)))
        ahead = pick(dice, ("0",), ("1",))
        body = {
            "item": name,
            "order": order,
            "outcome": dice.choice(("failure", "success", "success")),
            "platform": "steam",
            "time": format_time(self.world.clock.now() + int(ahead)),
        }
        role = dice.choice(("buyer", "buyer", "system"))
        right = "system" if role == "system" else self.buyer(order)
        place = (self.who(dice, right), role)
        seal = ("account", "error", "evidence")
        self.act(dice, "record-activation/1", [place], body, expects=f"item/{name}", seal=seal)

    @invariant()
    def an_item_is_activated_once(self) -> None:
        """What the ledger says of activations is what the model counts."""
        for name, item in self.model.items.items():
            if (goods := item.get("goods")) and goods.get("sold"):
                found = self.world.item(name).goods
                assert found is not None
                said = (found.activated, found.failed, found.sold_at)
                counted = (goods.get("activated"), goods["failed"], goods["sold_at"])
                assert said == counted

    @invariant()
    def orders_are_as_the_model_says(self) -> None:
        """A line's money is held, released or refunded; its item the buyer's only if delivered.

        So at every moment a buyer that paid has the money held, the money back, or the item.
        """
        for name, right in self.model.orders.items():
            found = self.world.ledger.stream(f"order/{name}")
            assert found is not None
            assert isinstance(found.state, Order)
            told = (found.state.buyer, found.state.state, found.state.pay_by)
            assert told == (right["buyer"], right["state"], right["pay_by"])
            for number, (line, one) in enumerate(
                zip(found.state.lines, right["lines"], strict=True), 1
            ):
                self.check_line(name, number, line, one)

    def check_line(self, name: str, number: int, line: Any, right: dict[str, Any]) -> None:
        held = self.model.held(name, number)
        assert (line.held, line.released, line.refunded) == (
            held,
            right["released"],
            right["refunded"],
        )
        assert list(line.claims) == right["claims"]
        assert (line.state == HELD) == bool(held)
        if self.model.orders[name]["state"] == "paid":
            back = line.charged_back
            assert held + line.released + line.refunded + back == line.price
            assert not line.claims or held or back
            assert line.delivered or not line.released

    @invariant()
    def a_reserved_item_is_one_orders(self) -> None:
        """An item is reserved exactly while a line of it is neither delivered nor ended.

        A line of which all was charged back has ended once no case of it is open.
        """
        alive = []
        for name, order in self.model.orders.items():
            for number, line in enumerate(order["lines"], 1):
                cases = set(self.model.cases.get(name, ())) & set(line.get("claims", ()))
                waits = order["state"] == "unpaid" or self.model.held(name, number)
                if (waits or cases) and line["inspect_by"] is None:
                    alive.append(line["item"])
        assert len(alive) == len(set(alive))
        for name, item in self.model.items.items():
            reserved = (item.get("goods") or {"order": None})["order"] is not None
            assert reserved == (name in alive)
            goods = self.world.item(name).goods
            assert (goods is not None and goods.order is not None) == reserved


def test_random_histories_of_escrow_never_leave_a_buyer_with_neither_money_nor_goods(
    template: Any,
) -> None:
    run_histories(partial(EscrowHistories, template.copy), share=25)


def test_histories_of_escrow_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(EscrowHistories, fresh_market), share=1)
