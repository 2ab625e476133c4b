"""Random histories of chargebacks: received, won and lost, beside claims, refunds and timers."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from ledger.rules.compose import uuid7
from tests.simulation.histories import pick
from tests.simulation.running import run_histories
from tests.simulation.test_escrow import EscrowHistories

NEVER = "01930000-0000-7000-8000-0000000000fc"
PROVIDERS = ("alipay", "alipay", "wechat")


class ChargebackHistories(EscrowHistories):
    """Commands about paid lines, of which providers take some back."""

    actions: ClassVar[tuple[str, ...]] = (
        *("buy", "buy", "order", "pay", "confirm", "deliver", "deliver", "accept", "accept"),
        *("charge", "charge", "charge", "charge", "decide", "decide", "decide", "decide"),
        *("line_timer", "line_timer", "give", "give", "claim", "claim", "close", "close"),
        *("reveal", "order", "cancel", "regret", "replay", "conflict"),
    )

    def charge(self, dice: Random) -> None:
        """Take back all of some lines of an order, a part, or a unit too much."""
        paid = [name for name, order in self.model.orders.items() if order["state"] == "paid"]
        name = pick(dice, paid, [*self.model.orders, NEVER])
        order = self.model.orders.get(name, {"lines": [{}]})
        numbers = range(1, len(order["lines"]) + 1 + (dice.random() < 0.05))
        named = sorted(dice.sample(numbers, dice.randint(1, len(numbers))))
        lines = [{"amount": str(self.part(dice, name, one)), "line": one} for one in named]
        if dice.random() < 0.05:
            lines.reverse()
        known = list(self.model.cases.get(name, {}))
        fresh = uuid7(self.world.clock.now(), dice.randbytes(10))
        self.case(dice, name, pick(dice, [fresh], [*known, fresh]), "received", lines)

    def part(self, dice: Random, name: str, number: int) -> int:
        order = self.model.orders.get(name)
        if order is None or number > len(order["lines"]):
            return 1
        left = self.model.held(name, number) or order["lines"][number - 1].get("released", 0)
        return dice.choice((left, left, left, left // 2, left + 1, 0, 1))

    def decide(self, dice: Random) -> None:
        """Let a case be won or lost."""
        known = [
            f"{order} {number}"
            for order, cases in self.model.cases.items()
            for number, case in cases.items()
            if case["open"]
        ]
        ended = [f"{order} {one}" for order, cases in self.model.cases.items() for one in cases]
        order, number = pick(dice, known, [*ended, f"{NEVER} {NEVER}"]).split()
        lines = [{"amount": "1", "line": 1}] if dice.random() < 0.05 else []
        self.case(dice, order, number, dice.choice(("won", "lost", "lost")), lines)

    def case(
        self, dice: Random, order: str, number: str, stage: str, lines: list[dict[str, Any]]
    ) -> None:
        known = self.model.cases.get(order, {}).get(number)
        provider = known["provider"] if known else dice.choice(PROVIDERS)
        if dice.random() < 0.05:
            provider = "wechat"
        body = {"case": number, "lines": lines, "order": order, "provider": provider}
        place = (self.who(dice, "guard"), "cashier")
        self.act(dice, "record-chargeback/1", [place], {**body, "stage": stage}, seal="transaction")


def test_random_histories_of_chargebacks_never_pay_twice(template: Any) -> None:
    run_histories(partial(ChargebackHistories, template.copy), share=20)


def test_histories_of_chargebacks_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(ChargebackHistories, fresh_market), share=1)
