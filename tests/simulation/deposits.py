"""What a ledger must answer about deposits; see `tests.simulation.oracle`.

What is available is nowhere written down: it is what lies on the account and was not asked for.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.simulation.oracle import Document, Fact, canonical, need, tagged, text, us
from tests.simulation.orders import Orders


class Deposits(Orders):
    """The rules of what merchants deposit."""

    def deposit(self, name: str) -> Document:
        nothing: Document = {"agreed": None, "asked": None, "since": None}
        return self.deposits.get(name, nothing | {"dues": {}, "forfeited": []})

    def owed(self, name: str, ended: tuple[str, str] | None = None) -> Counter[str]:
        """Say what a merchant owes for good, by currency: all that is lacking but by open cases.

        `ended` names a case, by order and number, that counts as lost.
        """
        owed: Counter[str] = Counter()
        for (account, currency), amount in self.accounts.items():
            if account == "receivable/" + name and currency not in {"CREDIT", "POINTS"}:
                owed[currency] -= amount
        for number, cases in self.cases.items():
            order, waiting = self.orders[number], Counter[int]()
            for case, each in cases.items():
                if each["open"] and (number, case) != ended:
                    waiting.update({one: much for one, much, held in each["parts"] if not held})
            for one, much in waiting.items():
                line = order["lines"][one - 1]
                if line["merchant"] == name:
                    may_return = net(line, line["released"] + much) - net(line, line["released"])
                    owed[order["currency"]] -= may_return
        return owed

    def available(self, name: str) -> Counter[str]:
        """Say what of a deposit was not asked for, by currency."""
        held: Counter[str] = Counter()
        for (account, currency), amount in self.accounts.items():
            held[currency] += amount if account == "deposit/" + name else 0
        asked = self.deposit(name)["asked"]
        if asked:
            held[asked["currency"]] -= int(asked["amount"])
        return held

    def open_claims(self, name: str) -> int:
        found = 0
        for claim in self.claims.values():
            line = self.orders[claim["order"]]["lines"][claim["line"] - 1]
            found += claim["open"] and line["merchant"] == name
        for order, cases in self.cases.items():
            lines = self.orders[order]["lines"]
            for case in cases.values():
                sellers = {lines[number - 1]["merchant"] for number, _, _ in case["parts"]}
                found += case["open"] and name in sellers
        return found

    def deposited(
        self,
        name: str,
        available: Counter[str],
        claims: int = 0,
        owed: Counter[str] | None = None,
        **changes: Any,
    ) -> Document:
        """Write a deposit whole, after changes."""
        now = self.deposit(name) | changes
        owed = self.owed(name) if owed is None else owed
        written = [
            {"amount": str(amount), "currency": currency}
            for currency, amount in sorted(available.items())
            if amount
        ]
        after = {
            "agreed": now["agreed"],
            "available": written,
            "claims": self.open_claims(name) + claims,
            "forfeited": now["forfeited"],
            "owed": [
                {"amount": str(amount), "currency": currency, "due": now["dues"][currency]}
                for currency, amount in sorted(owed.items())
                if amount
            ],
            "requested_at": None if now["since"] is None else text(now["since"]),
            "reserved": [now["asked"]] if now["asked"] else [],
        }
        return {"after": after}

    def claim_counted(
        self, name: str, change: int, lost: tuple[Document, int] | None = None
    ) -> Fact:
        """Say that something opened or closed; `lost`: the body of a lost case, and when it was."""
        owed, dues = self.owed(name), dict(self.deposit(name)["dues"])
        if lost:
            body, at = lost
            order = self.orders[body["order"]]
            owed = self.owed(name, (body["order"], body["case"]))
            period = self.policies[order["terms"]]["merchant"]["recourse_s"]
            dues.setdefault(order["currency"], text(at + period * 1_000_000))
        said = self.deposited(name, self.available(name), change, owed, dues=dues)
        return ("deposit/" + name, "deposit-claimed/1", said)

    def depositor(self, command: Document, body: Document, *, agreed: bool = True) -> str:
        self.merchant(body)
        name: str = body["merchant"]
        need(command["signers"][0]["party"] == name, "wrong-signers")
        need(not agreed or self.deposit(name)["agreed"], "deposit-not-agreed")
        return name

    def agree_deposit(self, command: Document, body: Document, at: int) -> list[Fact]:
        name = self.depositor(command, body, agreed=False)
        running = [digest for digest, since, _ in self.terms if since <= at]
        need(running[-1:] == [body["terms"]], "policy-not-in-force")
        before = self.deposit(name)["agreed"]
        need(before is None or before["terms"] != body["terms"], "deposit-agreed")
        asks = self.policies[body["terms"]]["merchant"]["deposit"]
        agreed = {
            "cool_down_s": asks["cool_down_s"] * ("cool-down" in asks["blocked_if"]),
            "minimum": [one for one in asks["minimum"] if one["amount"] != "0"],
            "terms": body["terms"],
        }
        said = self.deposited(name, self.available(name), agreed=agreed)
        return [("deposit/" + name, "deposit-agreed/1", said)]

    def fund_deposit(self, command: Document, body: Document, at: int) -> list[Fact]:
        name = self.depositor(command, body)
        need(body["amount"]["amount"] != "0", "malformed")
        return self.deposit_moved(name, body["amount"]["currency"], int(body["amount"]["amount"]))

    def deposit_moved(self, name: str, currency: str, change: int) -> list[Fact]:
        """Move money to a deposit, or from what was asked for back to the balance."""
        available = self.available(name)
        out: Document = {}
        if change > 0:
            available[currency] += change
        else:
            out = {"asked": None, "since": None}
        need(available[currency] < 10**38, "too-large")
        postings = [
            {"account": "balance/" + name, "amount": str(-change), "currency": currency},
            {"account": "deposit/" + name, "amount": str(change), "currency": currency},
        ]
        said = self.deposited(name, available, **out) | {"postings": postings}
        return [("deposit/" + name, "deposit-changed/1", said), *self.balances(postings)]

    def request_deposit(self, command: Document, body: Document, at: int) -> list[Fact]:
        name = self.depositor(command, body)
        available, asked = self.available(name), self.deposit(name)["asked"]
        if body["amount"] is None:
            need(asked, "withdrawal-not-requested")
            available[asked["currency"]] += int(asked["amount"])
            said = self.deposited(name, available, asked=None, since=None)
        else:
            currency, amount = body["amount"]["currency"], int(body["amount"]["amount"])
            need(amount, "malformed")
            need(not asked, "withdrawal-requested")
            need(available[currency] >= amount, "deposit-too-low")
            available[currency] -= amount
            said = self.deposited(name, available, asked=body["amount"], since=at)
        return [("deposit/" + name, "deposit-reserved/1", said)]

    def withdraw_deposit(self, command: Document, body: Document, at: int) -> list[Fact]:
        name = self.depositor(command, body)
        deposit, available = self.deposit(name), self.available(name)
        need(deposit["asked"], "withdrawal-not-requested")
        waits = deposit["since"] + deposit["agreed"]["cool_down_s"] * 1_000_000
        need(at >= waits, "withdrawal-blocked")
        need(not self.open_claims(name), "withdrawal-blocked")
        if any(until > at for until in self.merchants[name]["until"].values()):
            for least in deposit["agreed"]["minimum"]:
                enough = available[least["currency"]] >= int(least["amount"])
                need(enough, "withdrawal-blocked")
        need(not +self.owed(name), "withdrawal-blocked")
        asked = deposit["asked"]
        return self.deposit_moved(name, asked["currency"], -int(asked["amount"]))

    def recover_chargeback(self, command: Document, body: Document, at: int) -> list[Fact]:
        name, currency, stream = body["merchant"], body["currency"], "deposit/" + body["merchant"]
        owed, dues = self.owed(name), dict(self.deposit(name)["dues"])
        right = owed[currency] and dues[currency] == body["due"]
        need(right and at >= us(body["due"]), "timer-not-due")
        rule = "chargeback-owed/" + currency
        named = tagged("timer", canonical([stream, rule, body["due"]]))
        need(command["id"] == named, "malformed")
        left = owed[currency]
        first = min(left, self.accounts.get(("balance/" + name, currency), 0))
        second = min(left - first, self.accounts.get((stream, currency), 0))
        need(first + second, "nothing-to-recover")
        available, asked = self.available(name), self.deposit(name)["asked"]
        changes: Document = {}
        available[currency] -= second
        if available[currency] < 0:
            rest = int(asked["amount"]) + available[currency]
            available[currency] = 0
            changes = {"asked": {**asked, "amount": str(rest)}}
            if not rest:
                changes = {"asked": None, "since": None}
        owed[currency] -= first + second
        dues[currency] = text(at + 86_400_000_000)
        kept = Counter({each["currency"]: int(each["amount"]) for each in self.forfeited(name)})
        kept[currency] += second
        forfeited = [
            {"amount": str(kept[one]), "currency": one} for one in sorted(kept) if kept[one]
        ]
        said = self.deposited(name, available, 0, owed, dues=dues, forfeited=forfeited, **changes)
        moved = {"balance/": -first, "deposit/": -second, "receivable/": first + second}
        postings = [
            {"account": room + name, "amount": str(amount), "currency": currency}
            for room, amount in moved.items()
            if amount
        ]
        own = (stream, "recourse-taken/1", said | {"postings": postings})
        return [own, *self.balances(postings)]

    def forfeited(self, name: str) -> list[Document]:
        return list(self.deposit(name)["forfeited"])

    def fold_deposit(self, name: str, data: Document) -> None:
        """Change what an entry about a deposit changes."""
        after = data["after"]
        self.deposits[name] = {
            "agreed": after["agreed"],
            "asked": after["reserved"][0] if after["reserved"] else None,
            "since": us(after["requested_at"]) if after["requested_at"] else None,
            "dues": {each["currency"]: each["due"] for each in after["owed"]},
            "forfeited": after["forfeited"],
        }


def net(line: Document, released: int) -> int:
    """Say what of a price belongs to the merchant once so much of it was released."""
    return int(released - line["fee"] * released // line["price"])
