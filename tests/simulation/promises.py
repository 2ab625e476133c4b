"""What the ledger promises about money and goods, held against its stored entries, one by one.

Written apart from rules, model and verifier: it reads the JSON of each entry in order and keeps
accounts, lines and owners in dictionaries. What follows from a command is whole when the next one
begins, so lines are looked at then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

Document = dict[str, Any]
Line = tuple[str, int]

NEVER_BELOW_ZERO = ("balance/", "escrow/", "deposit/")


class Promises:
    """All promises, over a log that is read from its first entry on."""

    def __init__(self) -> None:
        self.accounts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.orders: dict[str, Document] = {}
        self.lines: dict[Line, Document] = {}
        self.claims: dict[str, Line] = {}
        self.owners: dict[str, str] = {}
        self.once: set[tuple[str, str]] = set()
        self.command: Document = {}

    def read(self, entry: Document) -> None:
        """Read the next entry."""
        if "command" in entry:
            self.check_lines()
            self.command = entry["command"]
        self.move_money(entry)
        getattr(self, entry["type"].partition("/")[0].replace("-", "_"), self.other)(entry)
        self.move_item(entry)

    def other(self, entry: Document) -> None:
        """Most entries promise nothing here."""

    # Money is neither made nor lost, and what is frozen stays

    def move_money(self, entry: Document) -> None:
        postings = entry["data"].get("postings", [])
        sums: Counter[str] = Counter()
        for one in postings:
            amount, held = int(one["amount"]), self.accounts[one["account"]]
            sums[one["currency"]] += amount
            held[one["currency"]] += amount
            if one["account"].startswith(NEVER_BELOW_ZERO):
                assert held[one["currency"]] >= 0, entry
            if one["account"].startswith("escrow/") and amount < 0:
                self.check_frozen(one["account"], entry)
        assert not any(sums.values()), entry

    def check_frozen(self, account: str, entry: Document) -> None:
        _, order, number = account.split("/")
        open_ = self.lines[order, int(number)]["claims"]
        closing = {self.command["body"]["claim"]} if entry["type"] == "claim-closed/1" else set()
        assert open_ == closing, entry

    # A line's money is in one place, and all of it; nobody is left with nothing

    def held(self, line: Line) -> int:
        return self.accounts[f"escrow/{line[0]}/{line[1]}"].total()

    def check_lines(self) -> None:
        for place, line in self.lines.items():
            held = self.held(place)
            if not line["paid"]:
                assert held == 0
                continue
            assert line["price"] == held + line["released"] + line["refunded"] + line["back"]
            safe = held or line["refunded"] or line["back"] or line["delivered"]
            assert safe, (place, line)
            assert not line["claims"] or held, (place, line)

    def order_placed(self, entry: Document) -> None:
        body, order = self.command["body"], entry["stream"][6:]
        self.orders[order] = {"buyer": self.command["signers"][0]["party"]}
        for number, line in enumerate(body["lines"], 1):
            self.lines[order, number] = {
                "item": line["item"],
                "price": int(line["price"]),
                "paid": False,
                "released": 0,
                "refunded": 0,
                "back": 0,
                "delivered": False,
                "claims": set(),
            }

    def of(self, order: str) -> list[tuple[Line, Document]]:
        return [(place, line) for place, line in self.lines.items() if place[0] == order]

    def payment_confirmed(self, entry: Document) -> None:
        if entry["data"]["outcome"] == "funded":
            for _, line in self.of(entry["stream"][6:]):
                assert not line["paid"]
                line["paid"] = True

    def lines_delivered(self, entry: Document) -> None:
        for parcel in self.command["body"]["parcels"]:
            line = self.lines[entry["stream"][6:], parcel["line"]]
            assert line["paid"]
            assert not line["delivered"]
            # A line whose money is all back gets nothing beside it.
            assert line["refunded"] < line["price"]
            line["delivered"] = True

    def escrow_released(self, entry: Document) -> None:
        for number in entry["data"]["lines"]:
            place = entry["stream"][6:], number
            line = self.lines[place]
            assert line["delivered"]
            line["released"] += line["price"] - line["released"] - line["refunded"] - line["back"]

    def escrow_refunded(self, entry: Document) -> None:
        for one in entry["data"]["lines"]:
            place = entry["stream"][6:], one["line"]
            line = self.lines[place]
            line["refunded"] += int(one["amount"])
            if line["released"]:
                line["released"] -= int(one["amount"])

    def escrow_frozen(self, entry: Document) -> None:
        claim, place = entry["data"]["claim"], (entry["stream"][6:], entry["data"]["line"])
        assert claim not in self.claims
        self.claims[claim] = place
        self.lines[place]["claims"].add(claim)

    def escrow_settled(self, entry: Document) -> None:
        data = entry["data"]
        line = self.lines[entry["stream"][6:], data["line"]]
        line["claims"].remove(data["claim"])
        line["released"] += int(data["released"])
        line["refunded"] += int(data["refunded"])

    # One owner each; what happens once happens once

    def move_item(self, entry: Document) -> None:
        stream, data = entry["stream"], entry["data"]
        if not stream.startswith("item/") or not ("to" in data or "owner" in data):
            return
        if "from" in data:
            assert self.owners[stream] == data["from"], entry
        else:
            assert stream not in self.owners or entry["type"] == "sale-imported/1", entry
        self.owners[stream] = data.get("to") or data["owner"]

    def item_sold(self, entry: Document) -> None:
        order, item = entry["data"]["order"], entry["stream"][5:]
        self.first(f"sold by {order}", item)
        (line,) = (line for _, line in self.of(order) if line["item"] == item)
        assert line["delivered"]
        assert entry["data"]["to"] == self.orders[order]["buyer"]

    def card_revealed(self, entry: Document) -> None:
        self.first("revealed", entry["stream"])
        assert self.command["signers"][0]["party"] == self.owners[entry["stream"]]

    def first(self, what: str, of: str) -> None:
        assert (what, of) not in self.once
        self.once.add((what, of))
