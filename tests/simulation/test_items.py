"""Random histories of items: registered, moved, offered, frozen, imported, claimed."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from tests.simulation.histories import Histories, Place, pick
from tests.simulation.market import EVERYBODY, IMPORTED, ITEMS
from tests.simulation.oracle import text
from tests.simulation.running import run_histories

SECOND_US = 1_000_000
LIVES_S = (7200, 3600, 60, 1, 0)
OLD = ("old/new", "old/relic", "old/ring")
PRICES = (*[None] * 6, *({"amount": "9" * 30, "currency": one} for one in ("CNY", "ETH", "USD")))
FILE = "f" * 64


class ItemHistories(Histories):
    """Commands about items."""

    actions: ClassVar[tuple[str, ...]] = (
        *("register", "freeze", "unfreeze", "transfer", "transfer", "offer", "offer", "offer"),
        *("accept", "accept", "accept", "refuse", "withdraw"),
        *("import_sale", "import_sale", "import_again", "claim", "cancel", "regret", "replay"),
        "conflict",
    )

    def items_where(self, name: str, *, value: bool = True) -> list[str]:
        """Name the items whose `frozen` or `offer` is set, or is not."""
        return [item for item, state in self.model.items.items() if bool(state[name]) == value]

    def owner(self, item: str) -> str:
        return str(self.model.items.get(item, {"owner": "shop"})["owner"])

    def offer_of(self, item: str) -> dict[str, Any]:
        found = self.model.items.get(item, {"offer": None})["offer"]
        return found or {"digest": "1" * 64, "to": "eve"}

    def register(self, dice: Random) -> None:
        item = dice.choice(ITEMS)
        body = {"class": "point-card", "item": item}
        self.act(dice, "register-item/1", [(self.who(dice, "shop"), "owner")], body, seal="name")

    def transfer(self, dice: Random) -> None:
        item = pick(dice, self.items_where("frozen", value=False), ITEMS)
        to = pick(dice, self.model.parties, EVERYBODY)
        places = [(self.who(dice, self.owner(item)), "owner"), (to, "recipient")]
        body = {"item": item, "price": dice.choice(PRICES)}
        self.act(dice, "transfer-item/1", places, body, expects=f"item/{item}")

    def offer(self, dice: Random) -> None:
        item = pick(dice, self.items_where("frozen", value=False), ITEMS)
        until = text(self.world.clock.now() + dice.choice(LIVES_S) * SECOND_US)
        to = pick(dice, self.model.parties, EVERYBODY)
        body = {"item": item, "price": dice.choice(PRICES), "to": to, "until": until}
        places = [(self.who(dice, self.owner(item)), "owner")]
        self.act(dice, "offer-transfer/1", places, body, expects=f"item/{item}")

    def accept(self, dice: Random) -> None:
        item = pick(dice, self.items_where("offer"), ITEMS)
        place = (self.who(dice, self.offer_of(item)["to"]), "recipient")
        self.answer(dice, "accept-transfer/1", item, place)

    def refuse(self, dice: Random) -> None:
        item = pick(dice, self.items_where("offer"), ITEMS)
        place = (self.who(dice, self.offer_of(item)["to"]), "recipient")
        self.answer(dice, "refuse-offer/1", item, place)

    def withdraw(self, dice: Random) -> None:
        item = pick(dice, self.items_where("offer"), ITEMS)
        self.answer(dice, "withdraw-offer/1", item, (self.who(dice, self.owner(item)), "owner"))

    def answer(self, dice: Random, kind: str, item: str, place: Place) -> None:
        body = {"item": item, "offer": self.offer_of(item)["digest"]}
        self.act(dice, kind, [place], body, expects=f"item/{item}")

    def freeze(self, dice: Random) -> None:
        # What is on offer first: a freeze ends the offer.
        offered = self.items_where("offer")
        item = pick(dice, offered or self.items_where("frozen", value=False), ITEMS)
        body = {"ground": "in-dispute", "item": item}
        place = (self.who(dice, "guard"), "freezer")
        self.act(dice, "freeze-item/1", [place], body, seal="reason")

    def unfreeze(self, dice: Random) -> None:
        item = pick(dice, self.items_where("frozen"), ITEMS)
        body = {"ground": "dispute-ended", "item": item}
        place = (self.who(dice, "guard"), "freezer")
        self.act(dice, "unfreeze-item/1", [place], body, seal="reason")

    def import_sale(self, dice: Random) -> None:
        item, names = pick(dice, OLD, ITEMS), (None, "a", "b", "c")
        body = {
            "from": dice.choice(names),
            "item": item,
            "ordinal": dice.randint(0, 1),
            "price": dice.choice(PRICES),
            "source": {"file": FILE, "row": dice.randint(1, 9)},
            "time": f"2021-01-0{dice.randint(1, 5)}T00:00:00.000000Z",
            "to": dice.choice(names),
            "tx": dice.choice((None, "0xé")),
        }
        place = (self.who(dice, "shop"), "importer")
        self.act(dice, "import-sale/1", [place], body, expects=f"item/{item}")

    def import_again(self, dice: Random) -> None:
        """Import a row that was imported before, in a command of its own."""
        rows = [one.body for one in self.made if one.kind == "import-sale/1"]
        if rows:
            body = dice.choice(rows)
            place = (self.who(dice, "shop"), "importer")
            self.act(dice, "import-sale/1", [place], body, expects="item/" + body["item"])

    def claim(self, dice: Random) -> None:
        """Bind an imported party to a key by two officers."""
        party = dice.choice(IMPORTED)
        key = self.new_key(party)
        body = {"key": self.body_key(key), "party": party}
        officers = [(self.who(dice, name), "officer") for name in ("otto", "olga")]
        self.act(dice, "claim-imported-party/1", [(party, "claimant", key), *officers], body)


def test_random_histories_of_items_keep_one_owner_each(template: Any) -> None:
    run_histories(partial(ItemHistories, template.copy), share=50)


def test_histories_of_items_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(ItemHistories, fresh_market), share=3)
