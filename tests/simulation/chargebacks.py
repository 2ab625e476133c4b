"""What a ledger must answer about chargebacks; see `tests.simulation.oracle`."""

from __future__ import annotations

from collections import Counter

from tests.simulation.credit import Credit
from tests.simulation.oracle import Document, Fact, need


class Chargebacks(Credit):
    """The rule of what a provider takes back, and gives again."""

    def record_chargeback(self, command: Document, body: Document, at: int) -> list[Fact]:
        order, cases = self.order(body), self.cases.setdefault(body["order"], {})
        sides = {order["buyer"], *(line["merchant"] for line in order["lines"])}
        need(command["signers"][0]["party"] not in sides, "wrong-signers")
        need((body["stage"] == "received") == bool(body["lines"]), "malformed")
        if body["stage"] == "received":
            return self.charge(body, order, cases)
        need(body["case"] in cases, "unknown-chargeback")
        case = cases[body["case"]]
        need(case["open"], "chargeback-ended")
        need(case["provider"] == body["provider"], "malformed")
        moved: Counter[str] = Counter()
        freed = []
        for number, amount, in_escrow in case["parts"]:
            line = order["lines"][number - 1]
            if body["stage"] == "won":
                self.taken(moved, body, (number, -amount, in_escrow))
            elif not (self.held(body["order"], number) or line["inspect_by"] or line["released"]):
                # Nothing is left of what was never delivered, and no other case is open on it.
                waits = [one for one in cases if one in line["claims"] and one != body["case"]]
                freed += [] if waits else [self.freed(order, number)]
        data = {"postings": self.written(order, moved)}
        own = ("order/" + body["order"], "chargeback-ended/1", data)
        numbers, lost = [one[0] for one in case["parts"]], body["stage"] == "lost"
        return [own, *freed, *self.case_counted(order, numbers, -1, (body, at) if lost else None)]

    def charge(self, body: Document, order: Document, cases: Document) -> list[Fact]:
        claims = [one for line in order["lines"] for one in line.get("claims", [])]
        need(body["case"] not in [*cases, *claims], "chargeback-exists")
        need(len(cases) < 8, "too-large")
        self.ascend([one["line"] for one in body["lines"]])
        lines = [self.line(order, one["line"]) for one in body["lines"]]
        moved: Counter[str] = Counter()
        for one, line in zip(body["lines"], lines, strict=True):
            need(one["amount"] != "0", "malformed")
            need(order["state"] == "paid", "line-not-held")
            held = self.held(body["order"], one["line"])
            need(int(one["amount"]) <= (held or line["released"]), "chargeback-too-large")
            self.taken(moved, body, (one["line"], int(one["amount"]), bool(held)))
        data = {"postings": self.written(order, moved)}
        own = ("order/" + body["order"], "chargeback-recorded/1", data)
        return [own, *self.case_counted(order, [one["line"] for one in body["lines"]], 1)]

    def case_counted(
        self,
        order: Document,
        numbers: list[int],
        change: int,
        lost: tuple[Document, int] | None = None,
    ) -> list[Fact]:
        """Say that the deposits of who sold these lines count one case more or less."""
        sellers = {order["lines"][number - 1]["merchant"] for number in numbers}
        return [self.claim_counted(seller, change, lost) for seller in sorted(sellers)]

    def taken(self, moved: Counter[str], body: Document, part: tuple[int, int, bool]) -> None:
        """Take a part of a line back: out of escrow, or of what its merchant then owes."""
        number, amount, in_escrow = part
        moved["external/" + body["provider"]] += amount
        if in_escrow:
            moved[f"escrow/{body['order']}/{number}"] -= amount
            return
        line = self.orders[body["order"]]["lines"][number - 1]
        had = line["fee"] * line["released"] // line["price"]
        fee = had - line["fee"] * (line["released"] - amount) // line["price"]
        moved["receivable/" + line["merchant"]] -= amount - fee
        moved["fees"] -= fee

    def fold_order(self, name: str, type_: str, data: Document, command: Document) -> None:
        """Change what an entry about an order changes, a chargeback among it."""
        body = command["body"]
        if type_ not in {"chargeback-recorded/1", "chargeback-ended/1"}:
            super().fold_order(name, type_, data, command)
            return
        order, cases = self.orders[name], self.cases.setdefault(name, {})
        if type_ == "chargeback-recorded/1":
            parts = [
                (one["line"], int(one["amount"]), bool(self.held(name, one["line"])))
                for one in body["lines"]
            ]
            case = {"open": True, "parts": parts, "provider": body["provider"]}
            cases[body["case"]] = case
            for number, amount, in_escrow in parts:
                line = order["lines"][number - 1]
                line["claims"].append(body["case"])
                line["released"] -= 0 if in_escrow else amount
        else:
            case = cases[body["case"]]
            case["open"] = False
        self.fold_postings(data["postings"])
        if not case["open"]:
            self.end_case(name, body, case)

    def end_case(self, name: str, body: Document, case: Document) -> None:
        """Let the lines of a case go on; what fell due meanwhile is due now."""
        for number, amount, in_escrow in case["parts"]:
            line = self.orders[name]["lines"][number - 1]
            line["claims"].remove(body["case"])
            if body["stage"] == "won" and not in_escrow:
                line["released"] += amount
            if self.held(name, number):
                waits = "inspect_by" if line["inspect_by"] is not None else "deliver_by"
                line[waits] = max(line[waits], self.at)
