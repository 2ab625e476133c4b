"""What a ledger must answer about credit, points and levels; see `tests.simulation.oracle`.

What a member has and owes is nowhere written down: it is one sum, of all that was ever given and
taken away.
"""

from __future__ import annotations

from tests.simulation.duplicates import Duplicates
from tests.simulation.oracle import Document, Fact, canonical, need, tagged

UNITS = ("CREDIT", "POINTS")


class Credit(Duplicates):
    """The rules of credit and points, and of the levels that credit gives."""

    def grant_credit(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.cashier(command, body)
        return self.credited(body, "credit-granted/1", int(body["amount"]))

    def claw_back_credit(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.cashier(command, body)
        return self.credited(body, "credit-clawed-back/1", -int(body["amount"]))

    def redeem_credit(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(command["signers"][0]["party"] == body["party"], "wrong-signers")
        need(body["amount"] != "0", "malformed")
        has = self.credit.get((body["party"], body["unit"]), 0)
        need(has >= int(body["amount"]), "credit-too-low")
        return self.credited(body, "credit-redeemed/1", -int(body["amount"]))

    def earn_credit(self, command: Document, body: Document, at: int) -> list[Fact]:
        order = self.order(body)
        self.line(order, body["line"])
        need(body["party"] == order["buyer"], "not-buyer")
        named = ["order/" + body["order"], "credit-earned", f"{body['line']}/{body['unit']}"]
        need(command["id"] == tagged("timer", canonical(named)), "malformed")
        earned = self.earned(body["order"], body["line"], body["unit"])
        need(earned and body["amount"] == str(earned), "credit-not-earned")
        return self.credited(body, "credit-earned/1", earned)

    def earned(self, order: str, number: int, unit: str) -> int:
        """Return what a line has earned its buyer: nothing until it has ended."""
        line = self.orders[order]["lines"][number - 1]
        shares = self.policies[self.orders[order]["terms"]]["credit"]
        if self.held(order, number) or line.get("claims"):
            return 0
        share = shares["purchase_bp" if unit == "CREDIT" else "points_bp"]
        return int(line.get("released", 0) * share // 10_000)

    def cashier(self, command: Document, body: Document) -> None:
        self.exists(body["party"])
        need(command["signers"][0]["party"] != body["party"], "wrong-signers")
        need(body["amount"] != "0", "malformed")

    def credited(self, body: Document, type_: str, change: int) -> list[Fact]:
        party, unit = body["party"], body["unit"]
        sums = {each: self.credit.get((party, each), 0) for each in UNITS}
        before, sums[unit] = sums[unit], sums[unit] + change
        after = sums[unit]
        need(abs(after) < 10**38, "too-large")
        sides = [
            ("credit/" + party, max(after, 0) - max(before, 0)),
            ("issued", -change),
            ("receivable/" + party, min(after, 0) - min(before, 0)),
        ]
        postings = [
            {"account": name, "amount": str(sum_), "currency": unit} for name, sum_ in sides if sum_
        ]
        said = {
            "held": [{"amount": str(n), "currency": each} for each, n in sums.items() if n > 0],
            "owed": [{"amount": str(-n), "currency": each} for each, n in sums.items() if n < 0],
        }
        return [("credit/" + party, type_, {"after": said, "postings": postings})]

    def fold_credit(self, name: str, data: Document) -> None:
        """Change what an entry about a member's credit or points changes."""
        for one in data["postings"]:
            if one["account"] == "issued":
                place = name, one["currency"]
                self.credit[place] = self.credit.get(place, 0) - int(one["amount"])

    def update_level(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.exists(body["party"])
        terms = self.terms_at(at)
        need(terms, "level-differs")
        assert terms is not None
        need(body["level"] != self.tier(body["party"], terms), "level-unchanged")
        need(body["level"] == self.level_at(body["party"], terms), "level-differs")
        return [("party/" + body["party"], "level-changed/1", {})]

    def level_at(self, name: str, terms: Document) -> str:
        """Return the level that a member is to have."""
        has = self.credit.get((name, "CREDIT"), 0)
        found = ""
        for each in sorted(terms["tiers"], key=lambda tier: int(tier["credit_min"])):
            found = each["tier"] if each["credit_min"] <= max(has, 0) else found
        return found
