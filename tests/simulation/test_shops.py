"""Random histories of merchants and listings: qualified, listed, edited, ended, revoked."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from tests.simulation.histories import Histories, pick
from tests.simulation.market import PEOPLE
from tests.simulation.oracle import text
from tests.simulation.running import run_histories

SECOND_US = 1_000_000
LIVES_S = (86_400, 86_400, 7200, 60, 1, 0)
CLASSES, NAMESPACES = ("game-card", "licence", "sword"), ("cards", "old", "no")
LISTINGS = ("cards/a", "cards/b", "old/a", "no/a")


class ShopHistories(Histories):
    """Commands about merchants and listings."""

    actions: ClassVar[tuple[str, ...]] = (
        *("qualify", "qualify", "revoke", "publish", "publish", "publish", "edit", "edit", "end"),
        *("open_namespace", "cancel", "regret", "replay", "conflict"),
    )

    def open_namespace(self, dice: Random) -> None:
        """Give a second party a namespace, so that it could be a merchant too."""
        namespace, owner = dice.choice(("no", "toys")), dice.choice(("ann", "shop"))
        places = [("operator", "root"), (owner, "owner")]
        body = {"namespace": namespace}
        self.act(dice, "open-namespace/1", places, body, expects=f"namespace/{namespace}")

    def qualify(self, dice: Random) -> None:
        merchant = pick(dice, ["shop"], PEOPLE)
        known = self.model.merchants.get(merchant, {"namespace": dice.choice(NAMESPACES)})
        namespace = pick(dice, [known["namespace"]], NAMESPACES)
        until = self.world.clock.now() + dice.choice(LIVES_S) * SECOND_US
        body = {
            "class": dice.choice(CLASSES),
            "merchant": merchant,
            "namespace": namespace,
            "origin": dice.choice((None, "platform-direct")),
            "until": text(until),
        }
        places = [(self.who(dice, merchant), "merchant"), (self.who(dice, "guard"), "reviewer")]
        expects = (f"merchant/{merchant}", f"namespace/{namespace}")
        seal = ("documents", "issuer")
        self.act(dice, "qualify-merchant/1", places, body, expects=expects, seal=seal)

    def revoke(self, dice: Random) -> None:
        merchant = pick(dice, self.model.merchants, PEOPLE)
        classes = self.model.merchants.get(merchant, {"until": {}})["until"]
        body = {
            "class": pick(dice, classes, CLASSES),
            "ground": "rules-broken",
            "merchant": merchant,
        }
        place = (self.who(dice, "guard"), "reviewer")
        self.act(dice, "revoke-qualification/1", [place], body, seal="reason")

    def publish(self, dice: Random) -> None:
        merchant = pick(dice, self.model.merchants, PEOPLE)
        known = self.model.merchants.get(merchant, {"namespace": "cards", "until": {}})
        own = [name for name in LISTINGS if name.startswith(known["namespace"] + "/")]
        body = {
            "class": pick(dice, known["until"], CLASSES),
            "listing": pick(dice, own, LISTINGS),
            "merchant": merchant,
            "price": {
                "amount": dice.choice(("0", "1", "999", "9" * 38)),
                "currency": pick(dice, ["CNY", "ETH"], ("USD",)),
            },
            "product": dice.choice(("cards", "gift-cards")),
            "promises": "a" * 64,
            "region": dice.choice(("cn", "global")),
            "text": dice.choice(("b" * 64, "c" * 64)),
            "validity_days": dice.choice((None, 1, 36_600)),
        }
        self.list(dice, body)

    def edit(self, dice: Random) -> None:
        """Publish a listing again with one field changed, or none."""
        if self.model.listings:
            name = dice.choice(sorted(self.model.listings))
            changes = ({"text": "d" * 64}, {"validity_days": 7}, {"region": "global"}, {})
            self.list(dice, self.model.listings[name]["body"] | dice.choice(changes))

    def list(self, dice: Random, body: dict[str, Any]) -> None:
        place = (self.who(dice, body["merchant"]), "merchant")
        expects = (f"listing/{body['listing']}", f"merchant/{body['merchant']}")
        self.act(dice, "publish-listing/1", [place], body, expects=expects)

    def end(self, dice: Random) -> None:
        going = [name for name, one in self.model.listings.items() if not one["ended"]]
        name = pick(dice, going, LISTINGS)
        known = self.model.listings.get(name, {"body": {"merchant": "shop"}})
        place = (self.who(dice, known["body"]["merchant"]), "merchant")
        self.act(dice, "end-listing/1", [place], {"listing": name}, expects=f"listing/{name}")


def test_random_histories_of_shops_list_only_what_was_reviewed(template: Any) -> None:
    run_histories(partial(ShopHistories, template.copy), share=20)


def test_histories_of_shops_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(ShopHistories, fresh_market), share=1)
