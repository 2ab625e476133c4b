"""What a ledger must answer about orders and payments; see `tests.simulation.oracle`."""

from __future__ import annotations

import base64

from tests.simulation.oracle import Document, Fact, canonical, need, tagged, text, us
from tests.simulation.stock import Stock

P = 2**255 - 19
WEAK = (
    *(0, 1, P - 1),
    int("00b8495f16056286fdb1329ceb8d09da6ac49ff1fae35616aeb8413b7c7aebe0", 16),
    int("57119fd0dd4e22d8868e1c58c45c44045bef839c55b1d0b1248c50a3bc959c5f", 16),
)


class Orders(Stock):
    """The rules of orders: one table of them, each line a dictionary."""

    def terms_at(self, at: int) -> Document | None:
        running = [digest for digest, since, _ in self.terms if since <= at]
        return self.policies[running[-1]] | {"digest": running[-1]} if running else None

    def place_order(self, command: Document, body: Document, at: int) -> list[Fact]:
        buyer, stream = command["signers"][0]["party"], "order/" + body["order"]
        need(not buyer.startswith("imported/"), "wrong-signers")
        need(body["order"] not in self.orders, "order-exists")
        terms = self.terms_at(at)
        need(terms and terms["digest"] == body["terms"], "policy-not-in-force")
        assert terms is not None
        need(terms["agreement"] == body["agreement"], "agreement-differs")
        if body["key"] is not None:
            raw = base64.b64decode(body["key"])
            u = int.from_bytes(raw, "little")
            need(len(raw) == 32 and u < P and u not in WEAK, "weak-key")
        self.price({"price": {"currency": body["currency"]}})
        items = [line["item"] for line in body["lines"]]
        need(len(set(items)) == len(items), "malformed")
        classes = [self.asked(line, body, buyer, terms, at) for line in body["lines"]]
        prices = [int(line["price"]) for line in body["lines"]]
        need(sum(prices) < 10**38, "too-large")
        wait = min(each["unpaid_s"] for each in terms["classes"] if each["class"] in classes)
        data = {
            "classes": classes,
            "fees": [str(price * terms["merchant"]["fee_bp"] // 10_000) for price in prices],
            "labels": [self.merchants[line["merchant"]]["labels"] for line in body["lines"]],
            "pay_by": text(at + wait * 1_000_000),
            "tier": self.tier(buyer, terms),
        }
        reserved = {"order": body["order"]}
        effects: list[Fact] = [("item/" + name, "item-reserved/1", reserved) for name in items]
        return [(stream, "order-placed/1", data), *effects]

    def tier(self, party: str, terms: Document) -> str:
        """Return the tier a party is in: what was recorded, if the policy knows it."""
        names = {each["tier"]: each["credit_min"] for each in terms["tiers"]}
        return self.levels[party] if self.levels.get(party) in names else min(names, key=names.get)

    def asked(self, line: Document, body: Document, buyer: str, terms: Document, at: int) -> str:
        need(line["listing"] in self.listings, "unknown-listing")
        listing = self.listings[line["listing"]]
        need(not listing["ended"], "listing-ended")
        seen = listing["body"]
        same = tagged("listing", canonical(seen)) == line["snapshot"]
        need(same and seen["merchant"] == line["merchant"], "snapshot-differs")
        need(seen["price"]["currency"] == body["currency"], "currency-mixed")
        need(seen["price"]["amount"] == line["price"], "price-differs")
        until = self.merchants[line["merchant"]]["until"]
        need(until.get(seen["class"], 0) > at, "supplier-not-qualified")
        known = [each["class"] for each in terms["classes"]]
        need(seen["class"] in known, "class-without-terms")
        need(buyer != line["merchant"], "same-party")
        item = self.item(line)
        goods = item.get("goods")
        need(goods is not None, "item-not-for-sale")
        need(goods["order"] is None, "item-reserved")
        need(goods["agent"] is not None, "item-not-for-sale")
        need(not item["frozen"], "item-frozen")
        need(not goods.get("flagged"), "item-flagged")
        need(item["owner"] == line["merchant"], "not-owner")
        of = (goods["class"], goods["product"])
        need(of == (seen["class"], seen["product"]), "goods-differ")
        return str(seen["class"])

    def order(self, body: Document) -> Document:
        need(body["order"] in self.orders, "unknown-order")
        return self.orders[body["order"]]

    def timer(self, command: Document, body: Document, rule: str) -> None:
        stream = "order/" + body["order"]
        need(command["id"] == tagged("timer", canonical([stream, rule, body["due"]])), "malformed")

    def expire_order(self, command: Document, body: Document, at: int) -> list[Fact]:
        order, stream = self.order(body), "order/" + body["order"]
        due = order["state"] == "unpaid" and body["due"] == text(order["pay_by"])
        need(due and at >= order["pay_by"], "timer-not-due")
        self.timer(command, body, "order-unpaid")
        freed: list[Fact] = [
            ("item/" + line["item"], "item-freed/1", {}) for line in order["lines"]
        ]
        return [(stream, "order-expired/1", {}), *freed]

    def pay_order(self, command: Document, body: Document, at: int) -> list[Fact]:
        order, money = self.order(body), body["amount"]
        need(command["signers"][0]["party"] == order["buyer"], "not-buyer")
        need(money["amount"] != "0", "malformed")
        need(order["state"] == "unpaid" and at <= order["pay_by"], "order-not-open")
        need(money["currency"] == order["currency"], "currency-mixed")
        need(int(money["amount"]) == self.total(order), "amount-differs")
        return self.paid(body, order, "balance/" + order["buyer"], "funded", at)

    @staticmethod
    def total(order: Document) -> int:
        return sum(line["price"] for line in order["lines"])

    def confirm_payment(self, command: Document, body: Document, at: int) -> list[Fact]:
        order, money = self.order(body), body["amount"]
        need(command["signers"][0]["party"] != order["buyer"], "wrong-signers")
        need(money["amount"] != "0", "malformed")
        self.price({"price": money})
        enough = int(money["amount"]) >= self.total(order)
        if order["state"] == "paid":
            outcome = "surplus"
        elif order["state"] == "expired" or at > order["pay_by"]:
            outcome = "late"
        elif enough and money["currency"] == order["currency"]:
            outcome = "funded"
        else:
            outcome = "short"
        return self.paid(body, order, "external/" + body["provider"], outcome, at)

    def paid(
        self, body: Document, order: Document, source: str, outcome: str, at: int
    ) -> list[Fact]:
        left, currency = int(body["amount"]["amount"]), body["amount"]["currency"]
        moved = {source: -left}
        deliver_by = None
        if outcome == "funded":
            deliver_by = []
            for number, line in enumerate(order["lines"], 1):
                moved[f"escrow/{body['order']}/{number}"] = line["price"]
                left -= line["price"]
                deliver_by.append(text(at + line["periods"]["deliver_s"] * 1_000_000))
        if left:
            moved["balance/" + order["buyer"]] = left
        postings = [
            {"account": account, "amount": str(moved[account]), "currency": currency}
            for account in sorted(moved)
        ]
        data = {"deliver_by": deliver_by, "outcome": outcome, "postings": postings}
        own = ("order/" + body["order"], "payment-confirmed/1", data)
        return [own, *self.balances(postings)]

    def balances(self, postings: list[Document]) -> list[Fact]:
        """What every balance that postings name holds afterwards."""
        facts: list[Fact] = []
        for name in sorted({one["account"] for one in postings}):
            if not name.startswith("balance/"):
                continue
            held = {code: sum_ for (own, code), sum_ in self.accounts.items() if own == name}
            for one in postings:
                if one["account"] == name:
                    held[one["currency"]] = held.get(one["currency"], 0) + int(one["amount"])
                    need(held[one["currency"]] >= 0, "balance-too-low")
                    need(held[one["currency"]] < 10**38, "too-large")
            after = [
                {"amount": str(held[code]), "currency": code} for code in sorted(held) if held[code]
            ]
            facts.append((name, "balance-changed/1", {"after": after}))
        return facts

    def fold_order(self, name: str, type_: str, data: Document, command: Document) -> None:
        """Change what an entry about an order changes."""
        body = command["body"]
        if type_ == "order-placed/1":
            periods = {each["class"]: each for each in self.policies[body["terms"]]["classes"]}
            lines = [
                {"item": line["item"], "price": int(line["price"]), "periods": periods[of]}
                for line, of in zip(body["lines"], data["classes"], strict=True)
            ]
            self.orders[name] = {
                "buyer": command["signers"][0]["party"],
                "currency": body["currency"],
                "lines": lines,
                "pay_by": us(data["pay_by"]),
                "state": "unpaid",
            }
        elif type_ == "order-expired/1":
            self.orders[name]["state"] = "expired"
        elif type_ == "payment-confirmed/1":
            self.fold_postings(data["postings"])
            if data["deliver_by"] is not None:
                self.orders[name]["state"] = "paid"
