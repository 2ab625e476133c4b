"""Random histories of cards and escrow: registered, placed with agents, taken back, moved."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.digests import terms_digest
from ledger.rules.state import Item
from tests.goods import CARD_CLASS, ITEM_CLASS, card_body, placing_body
from tests.simulation.histories import Histories, pick
from tests.simulation.market import ITEMS, PEOPLE
from tests.simulation.oracle import text
from tests.simulation.running import run_histories
from tests.terms import terms

CARDS = ("cards/a", "cards/b", "cards/c", "old/a", "no/a")
DOCUMENTS = (terms(), terms(id="b"), terms(id="c", classes=[terms()["classes"][0]]))
DAY_US = 86_400_000_000


class StockHistories(Histories):
    """Commands about goods."""

    actions: ClassVar[tuple[str, ...]] = (
        *("policy", "card", "card", "card", "lodge", "lodge", "lodge", "withdraw", "withdraw"),
        *("transfer", "offer", "cancel", "regret", "replay", "conflict"),
    )

    def policy(self, dice: Random) -> None:
        """Publish a trade policy, the first or its successor."""
        self.announce(dice, dice.choice(DOCUMENTS))

    def announce(self, dice: Random, document: dict[str, Any]) -> None:
        """Publish a trade policy, in force at once if it is the first and else in eight days."""
        now = max(self.world.clock.now(), self.model.at)
        running = [digest for digest, since, _ in self.model.terms if since <= now]
        body = {
            "effective_at": text(now + 8 * DAY_US) if running else None,
            "policy": document,
            "replaces": running[-1] if running else None,
        }
        places = [("operator", "root")]
        self.act(dice, "publish-trade-policy/1", places, body, expects="policy/trade")

    def placing(self, dice: Random) -> dict[str, Any]:
        known = [digest for digest, *_ in self.model.terms]
        return {
            "agent": pick(dice, ["system", "shop"], PEOPLE),
            "terms": pick(dice, known, (terms_digest(DOCUMENTS[2]), "0" * 64)),
        }

    def card(self, dice: Random) -> None:
        item = pick(dice, [name for name in CARDS if name not in self.model.items], CARDS)
        owner = self.model.namespaces.get(item.partition("/")[0], "shop")
        body = card_body(item, **{"class": pick(dice, [CARD_CLASS], (ITEM_CLASS, "voucher"))})
        if dice.random() < 0.7:
            body |= self.placing(dice)
        if dice.random() < 0.05:
            body["terms"] = None if body["terms"] else "0" * 64
        place = (self.who(dice, owner), "owner")
        self.act(dice, "register-card/1", [place], body, seal=("card", "code"))

    def lodge(self, dice: Random) -> None:
        name = pick(dice, self.model.items, (*ITEMS, *CARDS))
        item = self.model.items.get(name, {"owner": "shop"})
        goods = item.get("goods") or {"class": ITEM_CLASS, "product": "swords"}
        changes = self.placing(dice) | {"class": goods["class"], "product": goods["product"]}
        if dice.random() < 0.1:
            changes[dice.choice(("class", "product"))] = CARD_CLASS
        body = placing_body(name, **changes)
        self.on_item(dice, "place-in-escrow/1", item["owner"], body)

    def withdraw(self, dice: Random) -> None:
        out = [
            name for name, one in self.model.items.items() if (one.get("goods") or {}).get("agent")
        ]
        name = pick(dice, out, (*ITEMS, *CARDS))
        owner = self.model.items.get(name, {"owner": "shop"})["owner"]
        self.on_item(dice, "withdraw-from-escrow/1", owner, {"item": name})

    def transfer(self, dice: Random) -> None:
        name = pick(dice, self.model.items, (*ITEMS, *CARDS))
        owner = self.model.items.get(name, {"owner": "shop"})["owner"]
        places = [(self.who(dice, owner), "owner"), (dice.choice(PEOPLE), "recipient")]
        body = {"item": name, "price": None}
        self.act(dice, "transfer-item/1", places, body, expects=f"item/{name}")

    def offer(self, dice: Random) -> None:
        name = pick(dice, self.model.items, ITEMS)
        owner = self.model.items.get(name, {"owner": "shop"})["owner"]
        until = text(self.world.clock.now() + DAY_US)
        body = {"item": name, "price": None, "to": dice.choice(PEOPLE), "until": until}
        self.on_item(dice, "offer-transfer/1", owner, body)

    def on_item(self, dice: Random, kind: str, owner: str, body: dict[str, Any]) -> None:
        place = (self.who(dice, owner), "owner")
        self.act(dice, kind, [place], body, expects=f"item/{body['item']}")

    @invariant()
    def goods_are_where_the_model_says(self) -> None:
        """What an item is as goods, and with whom, is what was signed last; none is offered."""
        for name, item in self.model.items.items():
            found = self.world.item(name)
            assert isinstance(found, Item)
            goods, right = found.goods, item.get("goods")
            assert (goods is None) == (right is None)
            if goods is not None and right is not None:
                placed = goods.escrow or (None, None)
                told = (goods.item_class, goods.product, goods.card, goods.code, *placed)
                names = ("class", "product", "card", "code", "agent", "terms")
                assert told == tuple(right[one] for one in names)
                assert goods.escrow is None or found.offer is None


def test_random_histories_of_goods_leave_them_with_whom_their_owner_said(template: Any) -> None:
    run_histories(partial(StockHistories, template.copy), share=20)


def test_histories_of_goods_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(StockHistories, fresh_market), share=1)
