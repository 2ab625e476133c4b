"""What the ledger promises about money and goods, held against its stored entries, one by one.

Written apart from rules, model and verifier: it reads the JSON of each entry in order and keeps
accounts, lines and owners in dictionaries. What follows from a command is whole when the next one
begins, so lines are looked at then.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

Document = dict[str, Any]
Line = tuple[str, int]

GUESSES, QUESTIONS, HOUR = 5, 20, timedelta(hours=1)
NEVER_BELOW_ZERO = ("balance/", "escrow/", "deposit/")
UNITS = ("CREDIT", "POINTS")


class Promises:
    """All promises, over a log that is read from its first entry on."""

    def __init__(self) -> None:
        self.accounts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.orders: dict[str, Document] = {}
        self.lines: dict[Line, Document] = {}
        self.claims: dict[str, Line] = {}
        self.owners: dict[str, str] = {}
        self.once: set[tuple[str, str]] = set()
        self.flagged: set[str] = set()
        self.backs: defaultdict[tuple[str, str], list[tuple[int, int, bool]]] = defaultdict(list)
        self.wrong: defaultdict[str, list[datetime]] = defaultdict(list)
        self.asked: defaultdict[str, list[datetime]] = defaultdict(list)
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
                assert held[one["currency"]] >= 0, f"{one['account']} falls below zero"
            taken = entry["type"] == "chargeback-recorded/1"
            if one["account"].startswith("escrow/") and amount < 0 and not taken:
                self.check_frozen(one["account"], entry)
            if one["account"].startswith("receivable/"):
                assert held[one["currency"]] <= 0, f"more is taken than {one['account']} lacks"
            if one["account"].startswith("deposit/") and amount < 0:
                self.check_leaving(one["account"].partition("/")[2], entry)
        assert not any(sums.values()), f"postings of {entry['type']} make or lose money"

    def check_frozen(self, account: str, entry: Document) -> None:
        _, order, number = account.split("/")
        open_ = self.lines[order, int(number)]["claims"]
        closing = {self.command["body"]["claim"]} if entry["type"] == "claim-closed/1" else set()
        assert open_ == closing, f"money leaves {account}, which is claimed"

    def check_leaving(self, merchant: str, entry: Document) -> None:
        """A deposit leaves its own stream, for what is owed or as `check_unclaimed` says."""
        elsewhere = entry["stream"] != f"deposit/{merchant}"
        assert not elsewhere, f"deposit/{merchant} leaves by an entry of {entry['stream']}"
        if entry["type"] != "recourse-taken/1":
            self.check_unclaimed(merchant)

    def check_unclaimed(self, merchant: str) -> None:
        """A deposit is paid back while nobody claims or disputes what its merchant sold.

        Nor does it owe anything then.
        """
        sold = [line for line in self.lines.values() if line["merchant"] == merchant]
        claimed = any(line["claims"] for line in sold)
        assert not claimed, f"deposit/{merchant} leaves while a claim is open"
        disputed = any(line["cases"] for line in sold)
        assert not disputed, f"deposit/{merchant} leaves while a provider disputes a sale"
        lacks = self.accounts[f"receivable/{merchant}"]
        owes = any(amount < 0 and name not in UNITS for name, amount in lacks.items())
        assert not owes, f"deposit/{merchant} leaves while its merchant owes"

    # A line's money is in one place, and all of it; nobody is left with nothing

    def held(self, line: Line) -> int:
        return self.accounts[f"escrow/{line[0]}/{line[1]}"].total()

    def check_lines(self) -> None:
        for place, line in self.lines.items():
            held = self.held(place)
            if not line["paid"]:
                assert held == 0, f"{place} holds money of nobody"
                continue
            told = held + line["released"] + line["refunded"] + line["back"]
            assert line["price"] == told, f"{place}: money is missing or too much"
            safe = held or line["refunded"] or line["back"] or line["delivered"]
            assert safe, f"{place}: who paid has neither money nor goods"
            kept = held or line["back"]
            assert not line["claims"] or kept, f"{place}: nothing is held for its claim"

    def order_placed(self, entry: Document) -> None:
        body, order = self.command["body"], entry["stream"][6:]
        self.orders[order] = {"buyer": self.command["signers"][0]["party"]}
        for number, line in enumerate(body["lines"], 1):
            self.lines[order, number] = {
                "item": line["item"],
                "merchant": line["merchant"],
                "price": int(line["price"]),
                "paid": False,
                "released": 0,
                "refunded": 0,
                "back": 0,
                "delivered": False,
                "claims": set(),
                "cases": set(),
            }

    def of(self, order: str) -> list[tuple[Line, Document]]:
        return [(place, line) for place, line in self.lines.items() if place[0] == order]

    def payment_confirmed(self, entry: Document) -> None:
        if entry["data"]["outcome"] == "funded":
            for _, line in self.of(entry["stream"][6:]):
                assert not line["paid"], "an order is paid twice"
                line["paid"] = True

    def lines_delivered(self, entry: Document) -> None:
        for parcel in self.command["body"]["parcels"]:
            line = self.lines[entry["stream"][6:], parcel["line"]]
            assert line["paid"], "an unpaid line is delivered"
            assert not line["delivered"], "a line is delivered twice"
            # A line whose money is all back gets nothing beside it.
            back = line["refunded"] + line["back"]
            assert back < line["price"], "a refunded line is delivered"
            line["delivered"] = True

    def escrow_released(self, entry: Document) -> None:
        for number in entry["data"]["lines"]:
            place = entry["stream"][6:], number
            line = self.lines[place]
            assert line["delivered"], "money is released before goods"
            assert not line["cases"], "money is released that a provider disputes"
            line["released"] += line["price"] - line["released"] - line["refunded"] - line["back"]

    def escrow_refunded(self, entry: Document) -> None:
        for one in entry["data"]["lines"]:
            place = entry["stream"][6:], one["line"]
            line = self.lines[place]
            assert not line["cases"], "money is refunded that a provider disputes"
            line["refunded"] += int(one["amount"])
            if line["released"]:
                line["released"] -= int(one["amount"])

    def chargeback_recorded(self, entry: Document) -> None:
        body, order = self.command["body"], entry["stream"][6:]
        self.first("charged back", f"{order}/{body['case']}")
        held = {one["account"] for one in entry["data"]["postings"]}
        for one in body["lines"]:
            line, amount = self.lines[order, one["line"]], int(one["amount"])
            in_escrow = f"escrow/{order}/{one['line']}" in held
            self.backs[order, body["case"]].append((one["line"], amount, in_escrow))
            line["cases"].add(body["case"])
            line["back"] += amount
            line["released"] -= 0 if in_escrow else amount

    def chargeback_ended(self, entry: Document) -> None:
        body, order = self.command["body"], entry["stream"][6:]
        self.first("ended", f"{order}/{body['case']}")
        for number, amount, in_escrow in self.backs[order, body["case"]]:
            line = self.lines[order, number]
            line["cases"].remove(body["case"])
            if body["stage"] == "won":
                line["back"] -= amount
                line["released"] += 0 if in_escrow else amount

    def escrow_frozen(self, entry: Document) -> None:
        claim, place = entry["data"]["claim"], (entry["stream"][6:], entry["data"]["line"])
        assert claim not in self.claims, "a claim freezes twice"
        self.claims[claim] = place
        self.lines[place]["claims"].add(claim)

    def escrow_settled(self, entry: Document) -> None:
        data = entry["data"]
        line = self.lines[entry["stream"][6:], data["line"]]
        assert data["claim"] in line["claims"], "what was not frozen is settled"
        line["claims"].remove(data["claim"])
        line["released"] += int(data["released"])
        line["refunded"] += int(data["refunded"])

    # One owner each; what happens once happens once

    def move_item(self, entry: Document) -> None:
        stream, data = entry["stream"], entry["data"]
        if not stream.startswith("item/") or not ("to" in data or "owner" in data):
            return
        if "from" in data:
            assert self.owners[stream] == data["from"], f"{stream} is given by another"
        else:
            again = stream in self.owners and entry["type"] != "sale-imported/1"
            assert not again, f"{stream} gets a second owner"
        self.owners[stream] = data.get("to") or data["owner"]

    def item_sold(self, entry: Document) -> None:
        order, item = entry["data"]["order"], entry["stream"][5:]
        self.first(f"sold by {order}", item)
        (line,) = (line for _, line in self.of(order) if line["item"] == item)
        assert line["delivered"], f"{item} is sold and not delivered"
        assert entry["data"]["to"] == self.orders[order]["buyer"], f"{item} goes to a stranger"
        assert entry["stream"] not in self.flagged, f"{item} is sold and was found twice"

    def item_reserved(self, entry: Document) -> None:
        item = entry["stream"][5:]
        assert entry["stream"] not in self.flagged, f"{item} is ordered and was found twice"

    def item_flagged(self, entry: Document) -> None:
        self.flagged.add(entry["stream"])

    def card_revealed(self, entry: Document) -> None:
        self.first("revealed", entry["stream"])
        signer = self.command["signers"][0]["party"]
        assert signer == self.owners[entry["stream"]], f"{entry['stream']} is shown to a stranger"

    # A code is new once, good until it is revoked, and guessed at five times an hour

    def code_revoked(self, entry: Document) -> None:
        self.first("revoked", entry["stream"])

    def code_verified(self, entry: Document) -> None:
        stream = entry["stream"]
        assert ("revoked", stream) not in self.once, f"{stream} is verified and was revoked"
        self.first("verified", stream)

    def code_asked(self, entry: Document) -> None:
        stream, now = entry["stream"], datetime.fromisoformat(entry["at"])
        last = self.wrong[stream][-GUESSES:]
        together = len(last) == GUESSES and last[-1] < last[0] + HOUR
        assert not (together and now < last[-1] + HOUR), f"{stream} asks and is locked"
        self.asked[stream].append(now)
        recent = self.asked[stream][-QUESTIONS - 1 :]
        often = len(recent) > QUESTIONS and now < recent[0] + HOUR
        assert not often, f"{stream} asks too often"

    def check_answered(self, entry: Document) -> None:
        stream, data, now = entry["stream"], entry["data"], datetime.fromisoformat(entry["at"])
        self.first("answered", f"{stream} {data['check']}")
        item = f"item/{self.command['body']['item']}"
        if data["result"] == "valid":
            assert ("verified", item) in self.once, f"{item} is valid and nobody wrote it down"
            assert ("revoked", item) not in self.once, f"{item} is valid and was revoked"
        elif data["result"] in {"invalid", "wrong_item"}:
            self.wrong[stream].append(now)
        else:
            owner = self.owners[item]
            assert stream == f"checks/{owner}", f"{stream} learns what became of {item}"

    def first(self, what: str, of: str) -> None:
        assert (what, of) not in self.once, f"{of} is {what} twice"
        self.once.add((what, of))
