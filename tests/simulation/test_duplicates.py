"""Random histories of card keys found twice, among orders that sold them or still would."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.compose import uuid7
from ledger.rules.duplicates import report_id
from ledger.rules.order_state import Order
from ledger.rules.trade_state import Alert
from tests.simulation.histories import pick
from tests.simulation.running import run_histories
from tests.simulation.test_escrow import OTHER, EscrowHistories
from tests.simulation.test_orders import FOR_SALE


class DuplicateHistories(EscrowHistories):
    """Reports of cards, in a shop that goes on selling what is not flagged."""

    actions: ClassVar[tuple[str, ...]] = (
        *("buy", "buy", "buy", "order", "order", "pay", "deliver", "deliver", "deliver", "lodge"),
        *("report", "report", "report", "reveal", "activate", "claim", "close", "line_timer"),
        *("expire", "freeze", "transfer", "cancel", "regret", "replay", "conflict"),
    )

    def report(self, dice: Random) -> None:
        """Report two items as one key: mostly cards, with the orders that sold them."""
        goods = {name: one.get("goods") or {} for name, one in self.model.items.items()}
        cards = [name for name, one in goods.items() if one.get("card")]
        names = [pick(dice, cards, FOR_SALE) for _ in range(2)]
        if dice.random() < 0.95:
            names.sort()
        fresh = uuid7(self.world.clock.now(), dice.randbytes(10))
        sold = {name: goods.get(name, {}).get("sold") for name in names}
        body = {
            "alert": pick(dice, [fresh], [fresh, *self.alerts()]),
            "cards": [
                {"item": name, "order": sold[name] if dice.random() < 0.97 else OTHER}
                for name in names
            ],
        }
        pair = names if dice.random() < 0.95 else names[::-1]
        place = (self.who(dice, "system"), "system")
        named = report_id(*pair)
        self.act(dice, "report-duplicate/1", [place], body, command_id=named)

    def alerts(self) -> list[str]:
        return [name[6:] for name in self.model.heads if name.startswith("alert/")]

    @invariant()
    def flags_are_as_the_model_says(self) -> None:
        """Each item and line says which alert named it last, and each alert names two cards."""
        for name, item in self.model.items.items():
            goods = self.world.item(name).goods
            told = None if goods is None else goods.flagged
            assert told == (item.get("goods") or {}).get("flagged")
        for name, order in self.model.orders.items():
            found = self.world.ledger.stream(f"order/{name}")
            assert found is not None
            assert isinstance(found.state, Order)
            lines = [line.flagged for line in found.state.lines]
            assert lines == [line.get("flagged") for line in order["lines"]]
        for alert in self.alerts():
            raised = self.world.ledger.stream(f"alert/{alert}")
            assert raised is not None
            assert isinstance(raised.state, Alert)
            assert len({item for item, _ in raised.state.cards}) == len(raised.state.cards)

    @invariant()
    def no_pair_is_reported_twice(self) -> None:
        """However often it is tried: the id of the command follows from the pair."""
        raised = [self.world.ledger.stream(f"alert/{alert}") for alert in self.alerts()]
        pairs = [tuple(item for item, _ in each.state.cards) for each in raised]  # type: ignore[union-attr]
        assert len(set(pairs)) == len(pairs)


def test_random_histories_of_duplicates_flag_what_was_sold_and_sell_none_of_it(
    template: Any,
) -> None:
    run_histories(partial(DuplicateHistories, template.copy), share=20)


def test_histories_of_duplicates_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(DuplicateHistories, fresh_market), share=1)
