"""What a ledger must answer about activations; see `tests.simulation.oracle`."""

from __future__ import annotations

from tests.simulation.oracle import Document, Fact, need, us
from tests.simulation.reveals import Reveals


class Activations(Reveals):
    """The rule of who says what came of using an item, and what that changes."""

    def record_activation(self, command: Document, body: Document, at: int) -> list[Fact]:
        goods = self.item(body).get("goods") or {}
        need(goods.get("sold") == body["order"], "item-not-sold")
        order, signer = self.order(body), command["signers"][0]
        need(signer["role"] == "system" or signer["party"] == order["buyer"], "not-buyer")
        need(us(body["time"]) <= us(command["at"]), "malformed")
        if body["outcome"] == "success":
            need(goods.get("activated") is None, "activated-already")
        else:
            need(goods["failed"] < 32, "too-large")
        classes = self.policies[order["terms"]]["classes"]
        (seconds,) = [one["activation_s"] for one in classes if one["class"] == goods["class"]]
        late = at - goods["sold_at"] > seconds * 1_000_000
        return [("item/" + body["item"], "activation-recorded/1", {"late": late})]

    def fold_goods(self, item: Document, type_: str, body: Document) -> None:
        """Change what an entry about goods changes, an activation among them."""
        if type_ != "activation-recorded/1":
            super().fold_goods(item, type_, body)
            return
        goods = item["goods"]
        won = {"activated": body["order"]}
        more = won if body["outcome"] == "success" else {"failed": goods["failed"] + 1}
        item.update(offer=None, goods=goods | more)
