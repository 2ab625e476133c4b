"""What a ledger must answer about labels; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.activations import Activations
from tests.simulation.oracle import Document, Fact, need


class Labels(Activations):
    """The rule of which labels a merchant has."""

    def update_labels(self, command: Document, body: Document, at: int) -> list[Fact]:
        merchant = self.merchant(body)
        need(body["labels"] != merchant["labels"], "labels-unchanged")
        need(body["labels"] == self.labels_at(body["merchant"], at), "labels-differ")
        return [("merchant/" + body["merchant"], "labels-changed/1", {})]

    def labels_at(self, name: str, at: int) -> list[str]:
        """Return what a merchant is to be called."""
        merchant, terms = self.merchants[name], self.terms_at(at)
        origins = [merchant["origin"][each] for each, end in merchant["until"].items() if at < end]
        found = []
        for each in terms["merchant"]["labels"] if terms else []:
            held = self.available(name)
            lacks = [
                one for one in each["deposit_min"] if held[one["currency"]] < int(one["amount"])
            ]
            if origins and not lacks and each["origin"] in [None, *origins]:
                found.append(each["label"])
        return sorted(found)
