"""What a ledger must answer about revealing cards; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.escrow import Escrow
from tests.simulation.oracle import Document, Fact, need


class Reveals(Escrow):
    """The rule of who asks to see a card."""

    def reveal_card(self, command: Document, body: Document, at: int) -> list[Fact]:
        self.may_move(body, command["signers"][0]["party"])
        goods = self.items[body["item"]].get("goods") or {"card": None}
        sold = goods["card"] and goods.get("sold")
        need(sold and sold == body["order"], "card-not-sold")
        need(goods.get("revealed") is None, "card-revealed")
        line = self.line(self.order(body), body["line"])
        need(line["item"] == body["item"], "malformed")
        account = f"escrow/{sold}/{body['line']}"
        # All of the price is back with the buyer where nothing is held and nothing was released.
        held = sum(sum_ for (name, _), sum_ in self.accounts.items() if name == account)
        need(held or line["released"], "line-not-held")
        return [("item/" + body["item"], "card-revealed/1", {"order": sold})]
