"""What a ledger must answer about merchants and listings; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.goods import Goods
from tests.simulation.oracle import Document, Fact, canonical, need, tagged, us

MATERIAL = ("class", "price", "product", "promises", "region", "validity_days")


class Shops(Goods):
    """The rules of merchants and listings."""

    def qualify_merchant(self, command: Document, body: Document, at: int) -> list[Fact]:
        name = body["merchant"]
        merchant, reviewer = (signer["party"] for signer in command["signers"])
        need(merchant == name != reviewer, "wrong-signers")
        need(not self.exists(name)["founder"], "wrong-signers")
        need(body["namespace"] in self.namespaces, "unknown-namespace")
        need(self.namespaces[body["namespace"]] == name, "not-namespace-owner")
        need(us(body["until"]) > at, "qualification-ended")
        known = self.merchants.get(name)
        need(known is None or known["namespace"] == body["namespace"], "namespace-differs")
        return [("merchant/" + name, "merchant-qualified/1", {})]

    def merchant(self, body: Document) -> Document:
        need(body["merchant"] in self.merchants, "unknown-merchant")
        return self.merchants[body["merchant"]]

    def revoke_qualification(self, command: Document, body: Document, at: int) -> list[Fact]:
        merchant = self.merchant(body)
        need(command["signers"][0]["party"] != body["merchant"], "wrong-signers")
        need(body["class"] in merchant["until"], "supplier-not-qualified")
        return [("merchant/" + body["merchant"], "qualification-revoked/1", {})]

    def publish_listing(self, command: Document, body: Document, at: int) -> list[Fact]:
        merchant = self.merchant(body)
        need(command["signers"][0]["party"] == body["merchant"], "wrong-signers")
        need(body["listing"].split("/")[0] == merchant["namespace"], "namespace-differs")
        need(merchant["until"].get(body["class"], 0) > at, "supplier-not-qualified")
        need(body["price"]["amount"] != "0", "malformed")
        self.price(body)
        snapshot = tagged("listing", canonical(body))
        known = self.listings.get(body["listing"], {"body": None, "ended": False})
        need(not known["ended"], "listing-ended")
        need(known["body"] != body, "listing-unchanged")
        before = known["body"] or body
        material = [name for name in MATERIAL if before[name] != body[name]]
        data = {"material": material, "snapshot": snapshot}
        return [("listing/" + body["listing"], "listing-published/1", data)]

    def end_listing(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(body["listing"] in self.listings, "unknown-listing")
        listing = self.listings[body["listing"]]
        need(command["signers"][0]["party"] == listing["body"]["merchant"], "wrong-signers")
        need(not listing["ended"], "listing-ended")
        return [("listing/" + body["listing"], "listing-ended/1", {})]

    def fold_shop(self, type_: str, body: Document) -> None:
        """Change what an entry about a merchant or a listing changes."""
        if type_ == "merchant-qualified/1":
            fresh = {"namespace": body["namespace"], "until": {}, "origin": {}, "labels": []}
            merchant = self.merchants.setdefault(body["merchant"], fresh)
            merchant["until"][body["class"]] = us(body["until"])
            merchant["origin"][body["class"]] = body["origin"]
        elif type_ == "qualification-revoked/1":
            del self.merchants[body["merchant"]]["until"][body["class"]]
        elif type_ == "labels-changed/1":
            self.merchants[body["merchant"]]["labels"] = body["labels"]
        elif type_ == "listing-published/1":
            self.listings[body["listing"]] = {"body": body, "ended": False}
        else:
            self.listings[body["listing"]]["ended"] = True
