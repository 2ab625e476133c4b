"""What a ledger must answer about verification codes; see `tests.simulation.oracle`."""

from __future__ import annotations

import re

from tests.simulation.chargebacks import Chargebacks
from tests.simulation.oracle import Document, Fact, canonical, need, tagged, text

HOUR = 3_600_000_000
UNSAID = {"lock_after": 10, "lock_s": 86_400, "per_hour": 100}
UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Codes(Chargebacks):
    """The rules of who revokes a code, who asks about one, and what is answered."""

    def coded(self, body: Document) -> Document:
        goods: Document = self.item(body).get("goods") or {}
        need(goods.get("code"), "goods-differ")
        return goods

    def questions(self, party: str) -> Document:
        return self.checks.setdefault(party, {"pending": [], "asked": [], "wrong": []})

    def revoke_code(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(self.item(body)["owner"] == command["signers"][0]["party"], "not-owner")
        goods = self.coded(body)
        need(not goods.get("code_revoked"), "code-revoked")
        need(goods.get("order") is None, "item-reserved")
        return [("item/" + body["item"], "code-revoked/1", {})]

    def check_code(self, command: Document, body: Document, at: int) -> list[Fact]:
        party = command["signers"][0]["party"]
        need(not party.startswith("imported/"), "wrong-signers")
        need(UUID7.fullmatch(command["id"]), "malformed")
        asked = self.questions(party)
        need(len(asked["pending"]) < 64, "checks-pending")
        self.limits(asked, (self.terms_at(at) or {}).get("checks", UNSAID), at)
        return [("checks/" + party, "code-asked/1", {})]

    def limits(self, asked: Document, limits: Document, at: int) -> None:
        """Count afresh, over all that a party was ever answered and asked."""
        lock, wrong = limits["lock_s"] * 1_000_000, asked["wrong"]
        if wrong and at < wrong[-1] + lock:
            close = sum(1 for each in wrong if each > wrong[-1] - lock)
            need(close < limits["lock_after"], "checks-locked")
        recent = sum(1 for each in asked["asked"] if each > at - HOUR)
        need(recent < limits["per_hour"], "checks-capped")

    def answer_check(self, command: Document, body: Document, at: int) -> list[Fact]:
        stream, check, party = "checks/" + body["party"], body["check"], body["party"]
        need((body["item"] is None) == (body["found"] == "none"), "malformed")
        named = tagged("timer", canonical([stream, "code-check", check]))
        need(command["id"] == named, "malformed")
        need(check in self.questions(party)["pending"], "check-unknown")
        result, first = self.result(body)
        told = {"check": check, "first_at": first and text(first), "result": result}
        facts: list[Fact] = [(stream, "check-answered/1", told)]
        if result == "valid" and not self.items[body["item"]]["goods"].get("verified_at"):
            facts.insert(0, ("item/" + body["item"], "code-verified/1", {}))
        return facts

    def result(self, body: Document) -> tuple[str, int | None]:
        """Say what is answered, and when the code was verified first, where that is told."""
        if body["found"] == "none":
            return "invalid", None
        item = self.item(body)
        goods, mine = self.coded(body), item["owner"] == body["party"]
        if body["found"] == "other":
            return "wrong_item" if mine else "invalid", None
        if goods.get("code_revoked"):
            return "revoked" if mine else "invalid", None
        if goods.get("verified_at") and mine:
            return "already_verified", goods["verified_at"]
        return "valid", None

    def fold_ordered(self, item: Document, type_: str, data: Document) -> None:
        """Change what an entry changes of an item, what became of its code among it."""
        if type_ == "code-revoked/1":
            item["goods"] = item["goods"] | {"code_revoked": True}
        elif type_ == "code-verified/1":
            item["goods"] = item["goods"] | {"verified_at": self.at}
        else:
            super().fold_ordered(item, type_, data)

    def fold_checks(self, party: str, data: Document, command: Document) -> None:
        """Change what an entry changes of what a party asked."""
        asked = self.questions(party)
        if command["kind"] == "check-code/1":
            asked["pending"].append(command["id"])
            asked["asked"].append(self.at)
            return
        asked["pending"].remove(data["check"])
        if data["result"] in {"invalid", "wrong_item"}:
            asked["wrong"].append(self.at)
