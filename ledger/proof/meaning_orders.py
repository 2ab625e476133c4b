"""What orders and their payments must mean together: another reading than that of the rules.

  order       an order is placed once, at listings as they stand, under the trade policy in force
              and with its fees and periods; each item is its merchant's, of the listing's class and
              product, and reserved for one order at a time, until that has expired unpaid;
              meanwhile it is neither moved nor taken back
  payment     a payment funds every line with its price, once and in time, or lies whole on the
              buyer's balance; nothing of it goes elsewhere
  held        an account `escrow/` is a line's of an order, in its currency, moved by its stream

With a partial log, effects that its streams do not show are not judged. Specification:
docs/spec.md section 11.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from ledger.proof.errors import Tampered
from ledger.proof.meaning_shops import ShopsMeaning
from ledger.proof.meaning_terms import TermsMeaning
from ledger.rules.digests import listing_digest

_RESERVED, _FREED = "item-reserved/1", "item-freed/1"
_BP: Final = 10_000
Owner = Callable[[str], str | None]


class _Line(NamedTuple):
    """One line as it was signed; `periods` are what the trade policy says of its class."""

    item: str
    price: int
    periods: Mapping[str, Any]


@dataclass(slots=True)
class _Order:
    buyer: str
    currency: str
    lines: list[_Line]
    pay_by: datetime
    state: str = "unpaid"

    @property
    def total(self) -> int:
        return sum(line.price for line in self.lines)


@dataclass(slots=True)
class OrdersMeaning:
    """The orders so far, for which of them an item is reserved, and effects still to come."""

    complete: bool
    shops: ShopsMeaning
    terms: TermsMeaning
    orders: dict[str, _Order] = field(default_factory=dict)
    reserved: dict[str, str] = field(default_factory=dict)
    due: dict[str, tuple[str, str]] = field(default_factory=dict)

    def place(self, document: dict[str, Any], command: dict[str, Any], owner: Owner) -> None:
        """Check the entry of a `place-order/1`; `owner` says whose an unfrozen item is.

        Raises:
            Tampered: An invariant breaks.

        """
        body, name, at = command["body"], document["stream"], _moment(document["at"])
        if name in self.orders or name != f"order/{body['order']}":
            raise _broken("an order was placed twice", body["order"], name)
        policy = self._pinned(body, at)
        buyer = command["signers"][0]["party"]
        for line in body["lines"]:
            self._check_listed(line, body["currency"], at)
            self._check_item(line, buyer, owner)
        lines = [self._line(line, policy) for line in body["lines"]]
        pay_by = at + timedelta(seconds=min(line.periods["unpaid_s"] for line in lines))
        self._check_data(document["data"], lines, policy["merchant"]["fee_bp"], pay_by)
        self._check_labels(document["data"], body)
        self.orders[name] = _Order(buyer, body["currency"], lines, pay_by)
        self._expect(name, _RESERVED)

    def _line(self, line: dict[str, Any], policy: dict[str, Any]) -> _Line:
        listing = self.shops.listings[line["listing"]] or {}
        periods = {each["class"]: each for each in policy["classes"]}
        if listing["class"] not in periods:
            raise _broken("an order of a class without terms", None, listing["class"])
        return _Line("item/" + line["item"], int(line["price"]), periods[listing["class"]])

    def _pinned(self, body: dict[str, Any], at: datetime) -> dict[str, Any]:
        digest, policy = self.terms.in_force(at)
        if digest is None or body["terms"] != digest:
            raise _broken("an order pins another trade policy", digest, body["terms"])
        if body["agreement"] != policy["agreement"]:
            raise _broken("an order without its agreement", policy["agreement"], body["agreement"])
        return policy

    def _check_listed(self, line: dict[str, Any], currency: str, at: datetime) -> None:
        listing = self.shops.listings.get(line["listing"])
        if listing is None:
            raise _broken("an order of what is not listed", None, line["listing"])
        seen = (listing["merchant"], listing["price"]["amount"], listing["price"]["currency"])
        signed = (line["merchant"], line["price"], currency)
        if seen != signed:
            raise _broken("an order at another price", seen, signed)
        snapshot = listing_digest(listing)
        if line["snapshot"] != snapshot:
            raise _broken("an order at another snapshot", snapshot, line["snapshot"])
        until = self.shops.until.get((line["merchant"], listing["class"]))
        if until is None or until <= at:
            raise _broken("an order from who is not qualified", line["merchant"], until)

    def _check_item(self, line: dict[str, Any], buyer: str, owner: Owner) -> None:
        item = "item/" + line["item"]
        if owner(item) != line["merchant"] or buyer == line["merchant"]:
            raise _broken("an order of what is not the merchant's", line["merchant"], owner(item))
        if item in self.reserved:
            raise _broken("an item was ordered twice", self.reserved[item], item)

    @staticmethod
    def _check_data(
        data: dict[str, Any], lines: list[_Line], fee_bp: int, pay_by: datetime
    ) -> None:
        classes = [line.periods["class"] for line in lines]
        if data["classes"] != classes:
            raise _broken("an order of other classes", classes, data["classes"])
        fees = [str(line.price * fee_bp // _BP) for line in lines]
        if data["fees"] != fees:
            raise _broken("an order with other fees", fees, data["fees"])
        if _moment(data["pay_by"]) != pay_by:
            raise _broken("an order with another time to pay", pay_by, data["pay_by"])

    def _check_labels(self, data: dict[str, Any], body: dict[str, Any]) -> None:
        labels = [self.shops.labels.get(line["merchant"], []) for line in body["lines"]]
        if data["labels"] != labels:
            raise _broken("an order with other labels", labels, data["labels"])

    def expect(self, name: str, type_: str, items: Iterable[str]) -> None:
        """Wait for an effect of this type on the stream of each of an order's items."""
        self.due = dict.fromkeys(items, (type_, name))

    def _expect(self, name: str, type_: str) -> None:
        self.expect(name, type_, (line.item for line in self.orders[name].lines))

    def reserve(self, document: dict[str, Any]) -> None:
        """Check an `item-reserved/1`: the effect of its order, and the item is free.

        Raises:
            Tampered: It is not.

        """
        item = document["stream"]
        name = self._caused(item, _RESERVED)
        if name != "order/" + document["data"]["order"]:
            raise _broken("an item was reserved for another order", name, document["data"]["order"])
        if item in self.reserved:
            raise _broken("an item was ordered twice", self.reserved[item], item)
        self.reserved[item] = name

    def free(self, document: dict[str, Any]) -> None:
        """Check an `item-freed/1`: the effect of the order that it was reserved for.

        Raises:
            Tampered: It is not.

        """
        self.take_out(document["stream"], _FREED)

    def take_out(self, item: str, type_: str) -> str:
        """End an item's reservation by an effect of this type, and name the order it was for.

        Raises:
            Tampered: The last command was another order's, or has no such effect.

        """
        name = self._caused(item, type_)
        if self.reserved.pop(item, name) != name:
            raise _broken("an item was freed by another order", name, item)
        return name

    def _caused(self, item: str, type_: str) -> str:
        expected, name = self.due.pop(item, (None, None))
        if expected != type_ or name is None:
            raise _broken("an item follows no order", expected, type_)
        return name

    def end(self) -> None:
        """Check that the last command reserved or freed all items of its order.

        Raises:
            Tampered: One was not.

        """
        if self.due and self.complete:
            item = min(self.due)
            raise _broken("an item did not follow its order", self.due[item][0], item)
        self.due = {}

    def check_free(self, item: str) -> None:
        """Check that an item that moves or is offered is no order's. Raises `Tampered`."""
        if item in self.reserved:
            raise _broken("a reserved item moved", self.reserved[item], item)

    def expire(self, document: dict[str, Any]) -> None:
        """Check an `order-expired/1`: unpaid, and its time is over.

        Raises:
            Tampered: It is not.

        """
        name, at = document["stream"], _moment(document["at"])
        order = self._order(name)
        if order.state != "unpaid" or at < order.pay_by:
            raise _broken("an order expired that could be paid", order.pay_by, order.state)
        order.state = "expired"
        self._expect(name, _FREED)

    def _order(self, name: str) -> _Order:
        order = self.orders.get(name)
        if order is None:
            raise _broken("what was never ordered", None, name)
        return order

    def pay(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check a `payment-confirmed/1`: it funds the order whole, or lies on a balance.

        Raises:
            Tampered: It does neither, or both.

        """
        name, body, data = document["stream"], command["body"], document["data"]
        order, at = self._order(name), _moment(document["at"])
        money, signer = body["amount"], command["signers"][0]["party"]
        own = command["kind"] == "pay-order/1"
        if own and signer != order.buyer:
            raise _broken("another party's balance paid", order.buyer, signer, what="payment")
        if not own and signer == order.buyer:
            raise _broken("a cashier served itself", None, signer, what="payment")
        outcome = _outcome(order, at, money)
        if data["outcome"] != outcome:
            raise _broken("another outcome of a payment", outcome, data["outcome"], what="payment")
        source = f"balance/{signer}" if own else f"external/{body['provider']}"
        right = Counter({source: -int(money["amount"])})
        if outcome == "funded":
            for number, line in enumerate(order.lines, 1):
                right[f"escrow/{body['order']}/{number}"] += line.price
        right[f"balance/{order.buyer}"] -= right.total()
        moved = Counter({each["account"]: int(each["amount"]) for each in data["postings"]})
        strange = {each["currency"] for each in data["postings"]} - {money["currency"]}
        if moved != right or strange:
            raise _broken("a payment went elsewhere", _said(right), _said(moved), what="payment")
        self._check_deadlines(order, at, outcome, data["deliver_by"])
        order.state = "paid" if outcome == "funded" else order.state

    @staticmethod
    def _check_deadlines(order: _Order, at: datetime, outcome: str, said: list[str] | None) -> None:
        right = [at + timedelta(seconds=line.periods["deliver_s"]) for line in order.lines]
        expected = right if outcome == "funded" else None
        found = None if said is None else [_moment(each) for each in said]
        if found != expected:
            raise _broken("a payment with other deadlines", expected, said, what="payment")

    def check_accounts(self, document: dict[str, Any]) -> None:
        """Check whose lines the accounts `escrow/` are that an entry's postings name.

        Raises:
            Tampered: No line of the entry's own order.

        """
        for each in document["data"]["postings"]:
            room, _, rest = each["account"].partition("/")
            if room != "escrow":
                continue
            name, _, number = f"order/{rest}".rpartition("/")
            order = self.orders.get(name)
            own = document["stream"] == name or document["stream"].startswith("claim/")
            if order is None or int(number) > len(order.lines) or not own:
                account, stream = each["account"], document["stream"]
                raise _broken("escrow of no line of the order", stream, account, what="held")
            if each["currency"] != order.currency:
                found = each["currency"]
                raise _broken("escrow in another currency", order.currency, found, what="held")


def _outcome(order: _Order, at: datetime, money: Mapping[str, str]) -> str:
    if order.state == "paid":
        return "surplus"
    if order.state == "expired" or at > order.pay_by:
        return "late"
    whole = money["currency"] == order.currency and int(money["amount"]) >= order.total
    return "funded" if whole else "short"


def _said(changes: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted((account, amount) for account, amount in changes.items() if amount)


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object, what: str = "order") -> Tampered:
    return Tampered(
        "meaning",
        message,
        field=what,
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )
