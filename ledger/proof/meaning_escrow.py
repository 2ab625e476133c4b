"""What becomes of the lines of a paid order: another reading than that of the rules.

  delivery    a line is delivered once, in time and while its price is held, by its merchant or the
              agent that holds the item; each delivered item is sold to the buyer at once, and an
              item is sold no other way
  release     what a line holds leaves whole: to its merchant less the fee, once it was delivered
              and the buyer accepts it or its time to inspect is over; or back to the buyer, where
              nothing was delivered in time, and the item is free again
  refund      a merchant refunds no more than it has of a line, out of escrow or what it got,
              whose fee it gets back

With a partial log, effects that its streams do not show are not judged. Specification:
docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ledger.proof.errors import Tampered
from ledger.proof.meaning_orders import OrdersMeaning

_FREED, _SOLD = "item-freed/1", "item-sold/1"
Agent = Callable[[str], str | None]


@dataclass(slots=True)
class Line:
    """What one line holds, and when it must be delivered and inspected."""

    item: str
    merchant: str
    price: int
    fee: int
    periods: Mapping[str, Any]
    held: int = 0
    released: int = 0
    refunded: int = 0
    deliver_by: datetime | None = None
    inspect_by: datetime | None = None
    claims: set[str] = field(default_factory=set)

    def fee_on(self, amount: int) -> int:
        """Say what fee belongs to so much of the price, released in all."""
        return self.fee * amount // self.price


@dataclass(slots=True)
class EscrowMeaning:
    """The lines of every order so far, by the name of its stream and in their order."""

    orders: OrdersMeaning
    lines: dict[str, list[Line]] = field(default_factory=dict)
    keys: dict[str, str | None] = field(default_factory=dict)
    terms: dict[str, str] = field(default_factory=dict)

    def place(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Remember the lines of an order that was placed."""
        name, body = document["stream"], command["body"]
        placed = self.orders.orders[name].lines
        self.keys[name], self.terms[name] = body["key"], body["terms"]
        self.lines[name] = [
            Line(each.item, signed["merchant"], each.price, int(fee), each.periods)
            for each, signed, fee in zip(
                placed, body["lines"], document["data"]["fees"], strict=True
            )
        ]

    def pay(self, document: dict[str, Any]) -> None:
        """Remember what a payment put into escrow, and until when it must be delivered."""
        due = document["data"]["deliver_by"]
        for line, until in zip(self.lines[document["stream"]], due or (), strict=False):
            line.held, line.deliver_by = line.price, _moment(until)

    def deliver(self, document: dict[str, Any], command: dict[str, Any], agent: Agent) -> None:
        """Check the entry of a `deliver-lines/1`; `agent` says with whom an unfrozen item is.

        Raises:
            Tampered: An invariant breaks.

        """
        name, at, signer = document["stream"], _moment(document["at"]), command["signers"][0]
        parcels = command["body"]["parcels"]
        lines = [self.line(name, parcel["line"]) for parcel in parcels]
        for line, parcel in zip(lines, parcels, strict=True):
            self._check_deliverable(line, at)
            may = line.merchant if signer["role"] == "merchant" else agent(line.item)
            if signer["party"] != may:
                raise _broken("another party delivered", may, signer["party"])
            wanted = self.keys[name] is not None and line.periods["sells"] == "card"
            if (parcel["parcel"] is not None) != wanted:
                raise _broken("a delivery with another parcel", wanted, parcel["parcel"])
            line.inspect_by = at + timedelta(seconds=line.periods["inspect_s"])
        said = [_moment(each) for each in document["data"]["inspect_by"]]
        right = [line.inspect_by for line in lines]
        if said != right:
            raise _broken("a delivery with another time to inspect", right, said)
        self.orders.expect(name, _SOLD, (line.item for line in lines))

    @staticmethod
    def _check_deliverable(line: Line, at: datetime) -> None:
        if line.inspect_by is not None:
            raise _broken("a line was delivered twice", None, line.item)
        if not line.held or line.deliver_by is None:
            raise _broken("a delivery of what is not paid", None, line.item)
        if at > line.deliver_by:
            raise _broken("a delivery after its time", line.deliver_by, at)

    def sell(self, document: dict[str, Any]) -> None:
        """Check an `item-sold/1`: the effect of its delivery, to the buyer of its order.

        Raises:
            Tampered: It is not.

        """
        name, data = self.orders.take_out(document["stream"], _SOLD), document["data"]
        buyer = self.orders.orders[name].buyer
        if (f"order/{data['order']}", data["to"]) != (name, buyer):
            raise _broken("an item was sold to another", (name, buyer), (data["order"], data["to"]))

    def check_activation(
        self, document: dict[str, Any], command: dict[str, Any], sold_at: str
    ) -> Line:
        """Check who records an activation, and whether it is late; return the line of the item.

        Raises:
            Tampered: An invariant breaks.

        """
        name, signer = f"order/{command['body']['order']}", command["signers"][0]
        buyer = self.orders.orders[name].buyer
        if signer["role"] == "buyer" and signer["party"] != buyer:
            raise _broken("another party activated", buyer, signer["party"], "activation")
        line = next(each for each in self.lines[name] if each.item == document["stream"])
        until = _moment(sold_at) + timedelta(seconds=line.periods["activation_s"])
        late = _moment(document["at"]) > until
        if document["data"]["late"] != late:
            said = document["data"]["late"]
            raise _broken("an activation is not called what it is", late, said, "activation")
        return line

    def check_revealed(self, item: str, body: dict[str, Any]) -> None:
        """Check the line that a `reveal-card/1` names: of this item, and not refunded.

        Raises:
            Tampered: It is another's, or all of its price went back.

        """
        line = self.line(f"order/{body['order']}", body["line"])
        if line.item != item:
            raise _broken("a card was revealed by another line", line.item, item, "cards")
        if not line.held and not line.released:
            raise _broken("a card was revealed whose price went back", None, item, "cards")

    def release(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check an `escrow-released/1`: delivered, and accepted or inspected for long enough.

        Raises:
            Tampered: An invariant breaks.

        """
        name, at = document["stream"], _moment(document["at"])
        accepted = command["kind"] == "accept-lines/1"
        self._check_accepted(name, command, needed=accepted)
        right: Counter[str] = Counter()
        for number in document["data"]["lines"]:
            line = self.held_line(name, number)
            if line.inspect_by is None:
                raise _broken("a release of what was not delivered", None, line.item, "release")
            if not accepted and at < line.inspect_by:
                raise _broken("a release before its time", line.inspect_by, at, "release")
            self.let_go(right, name, number, line.held)
        self.check_postings(name, right, document["data"]["postings"])

    def _check_accepted(self, name: str, command: dict[str, Any], *, needed: bool) -> None:
        buyer, signer = self.orders.orders[name].buyer, command["signers"][0]["party"]
        if needed and signer != buyer:
            raise _broken("another party accepted", buyer, signer, "release")

    def let_go(self, right: Counter[str], name: str, number: int, amount: int) -> None:
        """Take from a line what goes to its merchant, less the fee."""
        line = self.lines[name][number - 1]
        fee = line.fee_on(line.released + amount) - line.fee_on(line.released)
        right[f"balance/{line.merchant}"] += amount - fee
        right["fees"] += fee
        right[_account(name, number)] -= amount
        line.released, line.held = line.released + amount, line.held - amount

    def give_back(self, right: Counter[str], name: str, number: int, amount: int) -> None:
        """Take from a line what goes back to the buyer."""
        line = self.lines[name][number - 1]
        right[f"balance/{self.orders.orders[name].buyer}"] += amount
        right[_account(name, number)] -= amount
        line.refunded, line.held = line.refunded + amount, line.held - amount

    def refund(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check an `escrow-refunded/1`: given by the merchant, or nothing came in time.

        Raises:
            Tampered: An invariant breaks.

        """
        name, data, right = document["stream"], document["data"], Counter[str]()
        parts = [(each["line"], int(each["amount"])) for each in data["lines"]]
        for number, amount in parts:
            if command["kind"] == "give-refund/1":
                self._give(right, name, number, amount, command["signers"][0]["party"])
            else:
                self._check_undelivered(name, number, amount, _moment(document["at"]))
                self.give_back(right, name, number, amount)
        self.check_postings(name, right, data["postings"], "refund")
        self.expect_freed(name, [number for number, _ in parts])

    def _check_undelivered(self, name: str, number: int, amount: int, at: datetime) -> None:
        line = self.held_line(name, number)
        if line.inspect_by is not None:
            raise _broken("a refund of what was delivered", None, line.item, "refund")
        if line.deliver_by is None or at < line.deliver_by:
            raise _broken("a refund before its time", line.deliver_by, at, "refund")
        if amount != line.held:
            raise _broken("a refund of another amount", line.held, amount, "refund")

    def _give(self, right: Counter[str], name: str, number: int, amount: int, signer: str) -> None:
        line = self.line(name, number)
        if signer != line.merchant:
            raise _broken("another party refunded", line.merchant, signer, "refund")
        if line.claims:
            raise _broken("frozen funds left", None, min(line.claims), "claims")
        if not 0 < amount <= (line.held or line.released):
            left = line.held or line.released
            raise _broken("a refund of more than is left", left, amount, "refund")
        if line.held:
            self.give_back(right, name, number, amount)
            return
        fee = line.fee_on(line.released) - line.fee_on(line.released - amount)
        right[f"balance/{self.orders.orders[name].buyer}"] += amount
        right[f"balance/{line.merchant}"] -= amount - fee
        right["fees"] -= fee
        line.released, line.refunded = line.released - amount, line.refunded + amount

    def expect_freed(self, name: str, numbers: Iterable[int]) -> None:
        """Wait for the items of lines that hold nothing and were never delivered to be free."""
        lines = [self.lines[name][number - 1] for number in numbers]
        ended = [line.item for line in lines if line.inspect_by is None and not line.held]
        self.orders.expect(name, _FREED, ended)

    def held_line(self, name: str, number: int) -> Line:
        """Return a line that holds something, which nothing freezes. Raises `Tampered`."""
        line = self.line(name, number)
        if line.claims:
            raise _broken("frozen funds left", None, min(line.claims), "claims")
        if not line.held:
            raise _broken("what is not held left", None, line.item, "release")
        return line

    def line(self, name: str, number: int) -> Line:
        """Return a line by its number, from 1. Raises `Tampered` where it was never ordered."""
        lines = self.lines.get(name, [])
        if number > len(lines):
            raise _broken("a line that was never ordered", len(lines), number)
        return lines[number - 1]

    def check_postings(
        self,
        name: str,
        right: Counter[str],
        postings: Iterable[dict[str, str]],
        what: str = "release",
    ) -> None:
        """Check that postings move exactly this, in the order's currency. Raises `Tampered`."""
        currency = self.orders.orders[name].currency
        moved = {(each["account"], each["currency"]): int(each["amount"]) for each in postings}
        wanted = {(each, currency): right[each] for each in sorted(right) if right[each]}
        if moved != wanted:
            raise _broken("escrow went elsewhere", wanted, moved, what)


def _account(name: str, number: int) -> str:
    return f"escrow/{name.removeprefix('order/')}/{number}"


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object, what: str = "delivery") -> Tampered:
    return Tampered(
        "meaning",
        message,
        field=what,
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )
