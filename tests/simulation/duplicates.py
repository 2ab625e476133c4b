"""What a ledger must answer about card keys found twice; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.labels import Labels
from tests.simulation.oracle import Document, Fact, canonical, need, tagged


class Duplicates(Labels):
    """The rule of what is reported of two cards."""

    def report_duplicate(self, command: Document, body: Document, at: int) -> list[Fact]:
        names = [card["item"] for card in body["cards"]]
        need(names[0] < names[1], "malformed")
        need("alert/" + body["alert"] not in self.heads, "alert-exists")
        pair = [f"item/{names[0]}", "card-duplicate", f"item/{names[1]}"]
        need(command["id"] == tagged("timer", canonical(pair)), "malformed")
        products = set()
        for card in body["cards"]:
            goods = self.item(card).get("goods") or {"card": None}
            need(goods["card"], "goods-differ")
            need(goods.get("sold") == card["order"], "item-not-sold")
            products.add(goods["product"])
        need(len(products) == 1, "goods-differ")
        alert = {"alert": body["alert"]}
        facts: list[Fact] = [("alert/" + body["alert"], "duplicate-reported/1", {})]
        facts += [("item/" + name, "item-flagged/1", alert) for name in names]
        for order in dict.fromkeys(card["order"] for card in body["cards"] if card["order"]):
            sold = [card["item"] for card in body["cards"] if card["order"] == order]
            lines = self.orders[order]["lines"]
            numbers = [place for place, line in enumerate(lines, 1) if line["item"] in sold]
            facts.append(("order/" + order, "order-flagged/1", alert | {"lines": numbers}))
        return facts

    def fold_ordered(self, item: Document, type_: str, data: Document) -> None:
        """Change what an entry changes that follows from another stream's, a flag among it."""
        if type_ != "item-flagged/1":
            super().fold_ordered(item, type_, data)
            return
        item.update(offer=None, goods=item["goods"] | {"flagged": data["alert"]})

    def fold_order(self, name: str, type_: str, data: Document, command: Document) -> None:
        """Change what an entry about an order changes, a flag among it."""
        if type_ != "order-flagged/1":
            super().fold_order(name, type_, data, command)
            return
        for number in data["lines"]:
            self.orders[name]["lines"][number - 1]["flagged"] = data["alert"]
