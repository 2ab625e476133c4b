"""What reports of card keys found twice must mean: another reading than that of the rules.

  duplicates  two cards of one product are reported as one key once, with the orders that sold them;
              both items and those orders say so at once, and neither item is ordered or delivered
              from then on

With a partial log, effects that its streams do not show are not judged. Specification:
docs/spec.md section 11.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ledger.proof.errors import Tampered
from ledger.proof.meaning_escrow import EscrowMeaning


class Card(NamedTuple):
    """A card as its item's stream shows it: its product, and the order that sold it last."""

    product: str
    sold_by: str | None


FindCard = Callable[[str], Card | None]


@dataclass(slots=True)
class DuplicatesMeaning:
    """The reports so far, and what must follow the last one at once."""

    complete: bool
    escrow: EscrowMeaning
    alerts: set[str] = field(default_factory=set)
    pairs: set[tuple[str, ...]] = field(default_factory=set)
    flagged: set[str] = field(default_factory=set)
    due: dict[str, tuple[str, dict[str, Any]]] = field(default_factory=dict)

    def report(self, document: dict[str, Any], command: dict[str, Any], find: FindCard) -> None:
        """Check the entry of a `report-duplicate/1`; `find` says what card an item is.

        Raises:
            Tampered: An invariant breaks.

        """
        body, name = command["body"], document["stream"]
        if name in self.alerts or name != f"alert/{body['alert']}":
            raise _broken("an alert was raised twice", body["alert"], name)
        pair = tuple(sorted(f"item/{each['item']}" for each in body["cards"]))
        if pair in self.pairs or len(set(pair)) < len(pair):
            raise _broken("a pair of cards was reported twice", None, " ".join(pair))
        self._check_cards(body["cards"], find)
        self.alerts.add(name)
        self.pairs.add(pair)
        self._expect(body)

    @staticmethod
    def _check_cards(cards: list[dict[str, str | None]], find: FindCard) -> None:
        products = set()
        for each in cards:
            card = find(f"item/{each['item']}")
            if card is None:
                raise _broken("a report of what is no card", None, each["item"])
            if each["order"] != card.sold_by:
                raise _broken("a report that names another order", card.sold_by, each["order"])
            products.add(card.product)
        if len(products) > 1:
            raise _broken("a report of cards of two products", None, sorted(products))

    def _expect(self, body: dict[str, Any]) -> None:
        """Wait for each item and each order that sold one to say so."""
        alert, items = body["alert"], [f"item/{each['item']}" for each in body["cards"]]
        self.due = {item: ("item-flagged/1", {"alert": alert}) for item in items}
        # A line of the other card that its order never delivered is not flagged.
        sold = {(each["order"], f"item/{each['item']}") for each in body["cards"]}
        for order in {each["order"] for each in body["cards"]} - {None}:
            lines = enumerate(self.escrow.lines[f"order/{order}"], start=1)
            numbers = [number for number, line in lines if (order, line.item) in sold]
            self.due[f"order/{order}"] = ("order-flagged/1", {"alert": alert, "lines": numbers})

    def follow(self, document: dict[str, Any]) -> None:
        """Check a flag: the effect of the last report, and as that says.

        Raises:
            Tampered: It is not.

        """
        stream, found = document["stream"], (document["type"], document["data"])
        expected = self.due.pop(stream, None)
        if found != expected:
            raise _broken("a flag that no report raised", expected, found)
        self.flagged.add(stream)

    def check_sellable(self, item: str) -> None:
        """Check that an item that is ordered or delivered is not flagged. Raises `Tampered`."""
        if item in self.flagged:
            raise _broken("a card was sold whose key another item holds too", None, item)

    def end(self) -> None:
        """Check that all flags of the last report came. Raises `Tampered`."""
        if self.due and self.complete:
            stream = min(self.due)
            raise _broken("a report did not raise its flag", self.due[stream], stream)
        self.due = {}


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="duplicates",
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )
