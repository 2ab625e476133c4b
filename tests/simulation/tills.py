"""What a ledger must answer about money; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.oracle import Document, Fact, need
from tests.simulation.shops import Shops


class Tills(Shops):
    """The rules of money that comes in and goes out, in one table of accounts."""

    def top_up(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.exists(body["party"])
        need(command["signers"][0]["party"] != body["party"], "wrong-signers")
        need(body["amount"]["amount"] != "0", "malformed")
        self.price({"price": body["amount"]})
        return self.move(body, "balance-topped-up/1", int(body["amount"]["amount"]))

    def pay_out(self, command: Document, body: Document, at: int) -> list[Fact]:
        owner, cashier = (signer["party"] for signer in command["signers"])
        need(owner == body["party"] != cashier, "wrong-signers")
        need(body["amount"]["amount"] != "0", "malformed")
        place = "balance/" + owner, body["amount"]["currency"]
        asked = int(body["amount"]["amount"])
        need(self.accounts.get(place, 0) >= asked, "balance-too-low")
        return self.move(body, "balance-paid-out/1", -asked)

    def move(self, body: Document, type_: str, change: int) -> list[Fact]:
        own, currency = "balance/" + body["party"], body["amount"]["currency"]
        held = {name: sum_ for (account, name), sum_ in self.accounts.items() if account == own}
        held[currency] = held.get(currency, 0) + change
        need(held[currency] < 10**38, "too-large")
        after = [
            {"amount": str(held[name]), "currency": name} for name in sorted(held) if held[name]
        ]
        sides = (own, change), ("external/" + body["provider"], -change)
        postings = [
            {"account": account, "amount": str(amount), "currency": currency}
            for account, amount in sides
        ]
        return [(own, type_, {"after": after, "postings": postings})]

    def fold_postings(self, postings: list[dict[str, str]]) -> None:
        """Add up what an entry moved; the sum of all accounts stays nothing."""
        for one in postings:
            place = one["account"], one["currency"]
            self.accounts[place] = self.accounts.get(place, 0) + int(one["amount"])
        assert sum(self.accounts.values()) == 0
