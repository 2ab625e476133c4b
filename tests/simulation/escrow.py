"""What a ledger must answer about delivery, escrow and claims; see `tests.simulation.oracle`.

What a line holds is nowhere written down: it is what lies on its account.
"""

from __future__ import annotations

from collections import Counter

from tests.simulation.deposits import Deposits
from tests.simulation.oracle import Document, Fact, need, text, us

DAY_US = 86_400_000_000
ALLOWED = {
    "arbitrator": {"none", "refund", "split"},
    "buyer": {"none", "release"},
    "merchant": {"refund"},
}


class Escrow(Deposits):
    """The rules of paid lines."""

    def held(self, order: str, number: int) -> int:
        account = f"escrow/{order}/{number}"
        return sum(sum_ for (name, _), sum_ in self.accounts.items() if name == account)

    @staticmethod
    def line(order: Document, number: int) -> Document:
        need(number <= len(order["lines"]), "unknown-line")
        line: Document = order["lines"][number - 1]
        return line

    @staticmethod
    def ascend(numbers: list[int]) -> None:
        need(numbers == sorted(set(numbers)), "malformed")

    def deliver_lines(self, command: Document, body: Document, at: int) -> list[Fact]:
        order, signer = self.order(body), command["signers"][0]
        numbers = [one["line"] for one in body["parcels"]]
        self.ascend(numbers)
        lines = [self.line(order, number) for number in numbers]
        inspect_by, sold = [], []
        for line, parcel in zip(lines, body["parcels"], strict=True):
            need(self.held(body["order"], parcel["line"]), "line-not-held")
            need(line["inspect_by"] is None, "line-delivered")
            need(at <= line["deliver_by"], "delivery-late")
            item = self.items[line["item"]]
            may = line["merchant"] if signer["role"] == "merchant" else item["goods"]["agent"]
            need(signer["party"] == may, "not-agent")
            need(not item["frozen"], "item-frozen")
            need(not item["goods"].get("flagged"), "item-flagged")
            card = line["periods"]["sells"] == "card" and order["key"] is not None
            need((parcel["parcel"] is not None) == card, "parcel-differs")
            inspect_by.append(text(at + line["periods"]["inspect_s"] * 1_000_000))
            data = {"from": item["owner"], "order": body["order"], "to": order["buyer"]}
            sold.append(("item/" + line["item"], "item-sold/1", data))
        own = ("order/" + body["order"], "lines-delivered/1", {"inspect_by": inspect_by})
        return [own, *sold]

    def accept_lines(self, command: Document, body: Document, at: int) -> list[Fact]:
        order = self.order(body)
        need(command["signers"][0]["party"] == order["buyer"], "not-buyer")
        self.ascend(body["lines"])
        lines = [self.line(order, number) for number in body["lines"]]
        for number, line in zip(body["lines"], lines, strict=True):
            need(self.held(body["order"], number), "line-not-held")
            need(line["inspect_by"] is not None, "line-not-delivered")
            need(not line["claims"], "claim-open")
        return self.let_go(body["order"], order, body["lines"])

    def let_go(self, name: str, order: Document, numbers: list[int]) -> list[Fact]:
        moved: Counter[str] = Counter()
        for number in numbers:
            self.part(moved, name, number, released=self.held(name, number))
        postings = self.written(order, moved)
        data = {"lines": numbers, "postings": postings}
        return [("order/" + name, "escrow-released/1", data), *self.balances(postings)]

    def part(
        self,
        moved: Counter[str],
        name: str,
        number: int,
        *,
        released: int = 0,
        refunded: int = 0,
    ) -> None:
        """Take a part from a line's account: to its merchant less the fee, and to the buyer."""
        order = self.orders[name]
        line = order["lines"][number - 1]
        before, after = (
            line["fee"] * amount // line["price"]
            for amount in (line["released"], line["released"] + released)
        )
        moved[f"escrow/{name}/{number}"] -= released + refunded
        moved["balance/" + line["merchant"]] += released - (after - before)
        moved["fees"] += after - before
        moved["balance/" + order["buyer"]] += refunded

    @staticmethod
    def written(order: Document, moved: Counter[str]) -> list[Document]:
        return [
            {"account": name, "amount": str(moved[name]), "currency": order["currency"]}
            for name in sorted(moved)
            if moved[name]
        ]

    def due(self, command: Document, body: Document, at: int, rule: str) -> list[int]:
        """Return the lines that a timer is for; each holds something and nobody claims it."""
        order, found = self.order(body), []
        for number, line in enumerate(order["lines"], 1):
            delivered = line["inspect_by"] is not None
            when = line["inspect_by"] if delivered else line["deliver_by"]
            ours = delivered == (rule == "order-inspected")
            waits = self.held(body["order"], number) and not line["claims"]
            if ours and waits and text(when) == body["due"] and at >= when:
                found.append(number)
        need(found, "timer-not-due")
        self.timer(command, body, rule)
        return found

    def release_lines(self, command: Document, body: Document, at: int) -> list[Fact]:
        numbers = self.due(command, body, at, "order-inspected")
        return self.let_go(body["order"], self.orders[body["order"]], numbers)

    def refund_lines(self, command: Document, body: Document, at: int) -> list[Fact]:
        numbers = self.due(command, body, at, "order-undelivered")
        name, order = body["order"], self.orders[body["order"]]
        moved: Counter[str] = Counter()
        lines = [{"amount": str(self.held(name, one)), "line": one} for one in numbers]
        for number in numbers:
            self.part(moved, name, number, refunded=self.held(name, number))
        postings = self.written(order, moved)
        own = ("order/" + name, "escrow-refunded/1", {"lines": lines, "postings": postings})
        freed = [self.freed(order, number) for number in numbers]
        return [own, *freed, *self.balances(postings)]

    @staticmethod
    def freed(order: Document, number: int) -> Fact:
        return ("item/" + order["lines"][number - 1]["item"], "item-freed/1", {})

    def give_refund(self, command: Document, body: Document, at: int) -> list[Fact]:
        order, name, number = self.order(body), body["order"], body["line"]
        line, amount = self.line(order, number), int(body["amount"]["amount"])
        need(command["signers"][0]["party"] == line["merchant"], "wrong-signers")
        need(amount, "malformed")
        need(body["amount"]["currency"] == order["currency"], "currency-mixed")
        need(order["state"] == "paid", "line-not-held")
        need(not line["claims"], "claim-open")
        held = self.held(name, number)
        need(amount <= (held or line["released"]), "refund-too-large")
        moved: Counter[str] = Counter()
        if held:
            self.part(moved, name, number, refunded=amount)
        else:
            kept, had = (
                line["fee"] * sum_ // line["price"]
                for sum_ in (line["released"] - amount, line["released"])
            )
            moved["balance/" + order["buyer"]] += amount
            moved["balance/" + line["merchant"]] -= amount - (had - kept)
            moved["fees"] -= had - kept
        postings = self.written(order, moved)
        data = {"lines": [{"amount": str(amount), "line": number}], "postings": postings}
        ended = held == amount and line["inspect_by"] is None
        freed = [self.freed(order, number)] if ended else []
        return [("order/" + name, "escrow-refunded/1", data), *freed, *self.balances(postings)]

    def open_claim(self, command: Document, body: Document, at: int) -> list[Fact]:
        order = self.order(body)
        need(command["signers"][0]["party"] == order["buyer"], "not-buyer")
        line = self.line(order, body["line"])
        need(body["claim"] not in [*self.claims, *line["claims"]], "claim-exists")
        need(self.held(body["order"], body["line"]), "line-not-held")
        need(body["kind"] in self.policies[order["terms"]]["claims"]["kinds"], "claim-not-accepted")
        need(line["claimed"] < 8, "too-large")
        data = {"claim": body["claim"], "line": body["line"]}
        return [
            ("claim/" + body["claim"], "claim-opened/1", {}),
            ("order/" + body["order"], "escrow-frozen/1", data),
            self.claim_counted(line["merchant"], 1),
        ]

    def close_claim(self, command: Document, body: Document, at: int) -> list[Fact]:
        need(body["claim"] in self.claims, "unknown-claim")
        claim, signer = self.claims[body["claim"]], command["signers"][0]
        need(claim["open"], "claim-closed")
        order, number = self.orders[claim["order"]], claim["line"]
        line, held = order["lines"][number - 1], self.held(claim["order"], number)
        sides = {"buyer": order["buyer"], "merchant": line["merchant"]}
        if signer["role"] == "arbitrator":
            need(signer["party"] not in sides.values(), "wrong-signers")
        else:
            wrong = "not-buyer" if signer["role"] == "buyer" else "wrong-signers"
            need(signer["party"] == sides[signer["role"]], wrong)
        outcome = body["outcome"]
        need(outcome in ALLOWED[signer["role"]], "outcome-not-allowed")
        need((body["to_buyer"] is not None) == (outcome == "split"), "malformed")
        need(outcome == "none" or line["claims"] == [body["claim"]], "claim-open")
        delivered = line["inspect_by"] is not None
        need(delivered or outcome in {"none", "refund"}, "line-not-delivered")
        back = int(body["to_buyer"] or 0)
        need(outcome != "split" or 0 < back < held, "refund-too-large")
        refunded = {"refund": held, "split": back}.get(outcome, 0)
        released = 0 if outcome in {"none", "refund"} else held - refunded
        until = None
        if outcome == "none" and delivered:
            days = self.policies[order["terms"]]["appeal"]["window_days"]
            wait = days * DAY_US if signer["role"] == "arbitrator" else 0
            until = text(max(line["inspect_by"], at + wait))
        waits = None
        if outcome == "none" and not delivered:
            waits = text(max(line["deliver_by"], at))
        moved: Counter[str] = Counter()
        self.part(moved, claim["order"], number, released=released, refunded=refunded)
        postings = self.written(order, moved)
        settled = {
            "claim": body["claim"],
            "deliver_by": waits,
            "inspect_by": until,
            "line": number,
            "outcome": outcome,
            "refunded": str(refunded),
            "released": str(released),
        }
        ended = outcome == "refund" and held and not delivered
        return [
            ("claim/" + body["claim"], "claim-closed/1", {"postings": postings}),
            ("order/" + claim["order"], "escrow-settled/1", settled),
            *([self.freed(order, number)] if ended else []),
            *self.balances(postings),
            self.claim_counted(line["merchant"], -1),
        ]

    def fold_order(self, name: str, type_: str, data: Document, command: Document) -> None:
        """Change what an entry about an order changes, its paid lines among it."""
        body = command["body"]
        if type_ == "lines-delivered/1":
            for parcel, until in zip(body["parcels"], data["inspect_by"], strict=True):
                self.orders[name]["lines"][parcel["line"] - 1]["inspect_by"] = us(until)
        elif type_ == "escrow-released/1":
            for number in data["lines"]:
                line = self.orders[name]["lines"][number - 1]
                line["released"] += self.held(name, number)
            self.fold_postings(data["postings"])
        elif type_ == "escrow-refunded/1":
            for one in data["lines"]:
                line = self.orders[name]["lines"][one["line"] - 1]
                line["refunded"] += int(one["amount"])
                if not self.held(name, one["line"]):
                    line["released"] -= int(one["amount"])
            self.fold_postings(data["postings"])
        elif type_ in {"escrow-frozen/1", "escrow-settled/1"}:
            self.fold_claimed(self.orders[name]["lines"][data["line"] - 1], type_, data)
        else:
            super().fold_order(name, type_, data, command)
            self.fold_lines(name, type_, data, body)

    def fold_lines(self, name: str, type_: str, data: Document, body: Document) -> None:
        lines = self.orders[name]["lines"]
        if type_ == "order-placed/1":
            self.orders[name] |= {"key": body["key"], "terms": body["terms"]}
            for line, signed, fee in zip(lines, body["lines"], data["fees"], strict=True):
                line |= {"merchant": signed["merchant"], "fee": int(fee), "claims": []}
                line |= {"claimed": 0, "released": 0, "refunded": 0}
                line |= {"deliver_by": None, "inspect_by": None}
        elif type_ == "payment-confirmed/1" and data["deliver_by"] is not None:
            for line, due in zip(lines, data["deliver_by"], strict=True):
                line["deliver_by"] = us(due)

    @staticmethod
    def fold_claimed(line: Document, type_: str, data: Document) -> None:
        if type_ == "escrow-frozen/1":
            line["claims"].append(data["claim"])
            line["claimed"] += 1
            return
        line["claims"].remove(data["claim"])
        line["released"] += int(data["released"])
        line["refunded"] += int(data["refunded"])
        for name in ("deliver_by", "inspect_by"):
            if data[name] is not None:
                line[name] = us(data[name])

    def fold_claim(self, name: str, type_: str, data: Document, body: Document) -> None:
        """Change what an entry about a claim changes."""
        if type_ == "claim-opened/1":
            self.claims[name] = {"order": body["order"], "line": body["line"], "open": True}
        else:
            self.claims[name]["open"] = False
            self.fold_postings(data["postings"])

    def fold_ordered(self, item: Document, type_: str, data: Document) -> None:
        """Reserve an item for an order, free it, or give it to its buyer: with no agent then."""
        item["offer"] = None
        if type_ == "card-revealed/1":
            item["goods"] = item["goods"] | {"revealed": data["order"]}
            return
        order = data["order"] if type_ == "item-reserved/1" else None
        item["goods"] = item["goods"] | {"order": order}
        if type_ == "item-sold/1":
            item.update(owner=data["to"], imports_only=False)
            sale = {"sold": data["order"], "sold_at": self.at, "failed": 0}
            item["goods"] |= {"agent": None, "terms": None, **sale}
