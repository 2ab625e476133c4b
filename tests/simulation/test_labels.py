"""Random histories of labels: given, kept, lost by time, by revocation and by another policy."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.trade_state import Merchant
from tests.simulation.histories import pick
from tests.simulation.market import PEOPLE
from tests.simulation.running import run_histories
from tests.simulation.test_orders import OrderHistories
from tests.simulation.test_shops import ShopHistories
from tests.simulation.test_stock import DAY_US
from tests.terms import terms

SHOP = terms()["merchant"]
REVIEWED = {"deposit_min": [], "label": "reviewed", "origin": None}
DOCUMENTS = (
    terms(),
    terms(id="b", merchant={**SHOP, "labels": [*SHOP["labels"], REVIEWED]}),
    terms(id="c", merchant={**SHOP, "labels": []}),
)
LABELS = ([], ["gold"], ["gold", "platform-direct"], ["platform-direct"], ["reviewed"])


class LabelHistories(OrderHistories, ShopHistories):
    """Commands about labels, and all that decides about them."""

    actions: ClassVar[tuple[str, ...]] = (
        *("qualify", "qualify", "revoke", "policy", "label", "label", "label", "label"),
        *("order", "order", "cancel", "regret", "replay", "conflict"),
    )

    def policy(self, dice: Random) -> None:
        """Publish a trade policy that gives other labels."""
        self.announce(dice, dice.choice(DOCUMENTS))
        self.world.clock.advance(dice.choice((0, 8 * DAY_US)))

    def label(self, dice: Random) -> None:
        merchant = pick(dice, self.model.merchants, PEOPLE)
        now = max(self.world.clock.now(), self.model.at)
        right = self.model.labels_at(merchant, now) if merchant in self.model.merchants else []
        labels = right if dice.random() < 0.7 else dice.choice(LABELS)
        body = {"labels": labels, "merchant": merchant}
        self.act(dice, "update-labels/1", [(self.who(dice, "system"), "system")], body)

    @invariant()
    def every_merchant_has_the_labels_that_were_recorded_last(self) -> None:
        for name, known in self.model.merchants.items():
            stream = self.world.ledger.stream(f"merchant/{name}")
            found = None if stream is None else stream.state
            assert isinstance(found, Merchant)
            assert [each.name for each in found.labels] == known["labels"]


def test_random_histories_of_labels_give_what_the_policy_says(template: Any) -> None:
    run_histories(partial(LabelHistories, template.copy), share=20)


def test_histories_of_labels_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(LabelHistories, fresh_market), share=1)
