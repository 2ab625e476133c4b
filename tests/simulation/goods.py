"""What a ledger must answer about items and imported sales; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.oracle import Document, Fact, Parties, canonical, need, tagged, us


class Goods(Parties):
    """The rules of items and imports."""

    def owns_namespace(self, body: Document, party: str) -> None:
        name = body["item"].split("/")[0]
        need(name in self.namespaces, "unknown-namespace")
        need(self.namespaces[name] == party, "not-namespace-owner")

    def register_item(self, command: Document, body: Document, at: int) -> list[Fact]:
        owner = command["signers"][0]["party"]
        self.owns_namespace(body, owner)
        need(body["item"] not in self.items, "item-exists")
        return [("item/" + body["item"], "item-registered/1", {"owner": owner})]

    def item(self, body: Document) -> Document:
        need(body["item"] in self.items, "unknown-item")
        return self.items[body["item"]]

    def may_move(self, body: Document, party: str) -> None:
        item = self.item(body)
        need(item["owner"] == party, "not-owner")
        need(not item["frozen"], "item-frozen")

    def price(self, body: Document) -> None:
        known = [one["currency"] for one in self.policy["currencies"]]
        need(body["price"] is None or body["price"]["currency"] in known, "unknown-currency")

    def transfer_item(self, command: Document, body: Document, at: int) -> list[Fact]:
        owner, to = (signer["party"] for signer in command["signers"])
        self.may_move(body, owner)
        need(owner != to, "same-party")
        self.price(body)
        return [("item/" + body["item"], "item-transferred/1", {"from": owner, "to": to})]

    def offer_transfer(self, command: Document, body: Document, at: int) -> list[Fact]:
        owner = command["signers"][0]["party"]
        self.may_move(body, owner)
        need(body["to"] != owner, "same-party")
        self.exists(body["to"])
        self.price(body)
        need(us(body["until"]) > at, "offer-ended")
        offer = self.item(body)["offer"]
        need(offer is None or offer["until"] <= at, "offer-pending")
        return [("item/" + body["item"], "transfer-offered/1", {"from": owner})]

    def standing(self, body: Document) -> tuple[Document, Document]:
        item = self.item(body)
        need(item["offer"] and item["offer"]["digest"] == body["offer"], "no-such-offer")
        return item, item["offer"]

    def accept_transfer(self, command: Document, body: Document, at: int) -> list[Fact]:
        (item, offer), to = self.standing(body), command["signers"][0]["party"]
        need(offer["to"] == to, "not-recipient")
        need(not item["frozen"], "item-frozen")
        need(at <= offer["until"], "offer-ended")
        data = {"from": item["owner"], "to": to}
        return [("item/" + body["item"], "item-transferred/1", data)]

    def withdraw_offer(self, command: Document, body: Document, at: int) -> list[Fact]:
        item, _ = self.standing(body)
        need(item["owner"] == command["signers"][0]["party"], "not-owner")
        return [("item/" + body["item"], "offer-ended/1", {})]

    def refuse_offer(self, command: Document, body: Document, at: int) -> list[Fact]:
        _, offer = self.standing(body)
        need(offer["to"] == command["signers"][0]["party"], "not-recipient")
        return [("item/" + body["item"], "offer-ended/1", {})]

    def freeze_item(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(not self.item(body)["frozen"], "item-frozen")
        return [("item/" + body["item"], "item-frozen/1", {})]

    def unfreeze_item(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(self.item(body)["frozen"], "item-not-frozen")
        return [("item/" + body["item"], "item-unfrozen/1", {})]

    # Imports

    def identity(self, body: Document) -> str:
        namespace, item = body["item"].split("/")
        names = ("from", "to", "price", "time", "ordinal")
        row = [namespace, body["tx"], item, *(body[name] for name in names)]
        return tagged("sale", canonical(row))

    def check_row(self, body: Document, importer: str) -> None:
        self.owns_namespace(body, importer)
        item = self.items.get(body["item"])
        if item is None:
            return
        need(self.identity(body) not in item["sales"], "sale-present")
        signed = not item["imports_only"] or item["owner"] in self.parties
        need(not signed, "item-under-signature")
        need(us(body["time"]) >= item["last"], "out-of-order")
        need(not item["frozen"], "item-frozen")

    def import_sale(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.price(body)
        stream, room = "item/" + body["item"], "imported/" + body["item"].split("/")[0] + "/"
        seller, buyer = (room + body[end] if body[end] else "unknown" for end in ("from", "to"))
        facts: list[Fact] = [(stream, "sale-presented/1", {"identity": self.identity(body)})]
        owner = self.items.get(body["item"], {"owner": None})["owner"]
        if owner is None:
            facts.append((stream, "item-first-seen/1", {"owner": seller}))
        elif owner != seller:
            reason = "buyer-not-recorded" if owner == "unknown" else "moved-elsewhere"
            gap = {"from": owner, "reason": reason, "to": seller}
            facts.append((stream, "provenance-gap-recorded/1", gap))
        return [*facts, (stream, "sale-imported/1", {"from": seller, "to": buyer})]

    def claim_imported_party(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(body["party"].startswith("imported/"), "malformed")
        need(body["party"] not in self.parties, "imported-party-claimed")
        self.officers(command, body)
        self.fresh(body, command["signers"][0])
        ready = self.after(at, "claim_cool_down_s")
        return [(body["party"], "imported-party-claimed/1", {"ready": ready})]
