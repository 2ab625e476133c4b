"""What a ledger must answer about cards and escrow; see `tests.simulation.oracle`."""

from __future__ import annotations

from typing import Any

from tests.simulation.oracle import Document, Fact, need
from tests.simulation.tills import Tills


class Stock(Tills):
    """The rules of what is registered as goods and placed with an agent."""

    def register_card(self, command: Document, body: Document, at: int) -> list[Fact]:
        owner = command["signers"][0]["party"]
        self.owns_namespace(body, owner)
        need(body["item"] not in self.items, "item-exists")
        need((body["agent"] is None) == (body["terms"] is None), "malformed")
        if body["agent"] is not None:
            self.may_place(body, "card")
        return [("item/" + body["item"], "card-registered/1", {"owner": owner})]

    def may_place(self, body: Document, sells: str) -> None:
        self.exists(body["agent"])
        need(body["terms"] in [digest for digest, *_ in self.terms], "policy-not-in-force")
        classes = self.sold[body["terms"]]
        need(body["class"] in classes, "class-without-terms")
        need(classes[body["class"]] == sells, "goods-differ")

    def may_move(self, body: Document, party: str) -> None:
        super().may_move(body, party)
        goods = self.item(body).get("goods") or {"order": None, "agent": None}
        need(goods["order"] is None, "item-reserved")
        need(goods["agent"] is None, "item-escrowed")

    def place_in_escrow(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.may_move(body, command["signers"][0]["party"])
        goods = self.item(body).get("goods")
        if goods is not None:
            same = all(goods[name] == body[name] for name in ("class", "product"))
            need(same, "goods-differ")
        need(not (goods and goods["card"] and goods.get("sold")), "card-sold")
        self.may_place(body, "card" if goods and goods["card"] else "item")
        return [("item/" + body["item"], "item-escrowed/1", {})]

    def withdraw_from_escrow(self, command: Document, body: Document, at: int) -> list[Fact]:
        item = self.item(body)
        need(item["owner"] == command["signers"][0]["party"], "not-owner")
        goods = item.get("goods") or {"agent": None}
        need(goods["agent"] is not None, "item-not-escrowed")
        need(goods["order"] is None, "item-reserved")
        return [("item/" + body["item"], "item-withdrawn/1", {})]

    def fold_goods(self, item: Document, type_: str, body: Document) -> None:
        """Change what an item is as goods."""
        fresh: dict[str, Any] = {"card": None, "code": None, "order": None}
        if type_ == "card-registered/1":
            names = ("agent", "card", "class", "code", "product", "terms")
            item["goods"] = fresh | {name: body[name] for name in names}
        elif type_ == "item-escrowed/1":
            names = ("agent", "class", "product", "terms")
            known = item.get("goods") or fresh
            item["goods"] = known | {name: body[name] for name in names}
            item.update(offer=None, imports_only=False)
        else:
            item["goods"] = item["goods"] | {"agent": None, "terms": None}
