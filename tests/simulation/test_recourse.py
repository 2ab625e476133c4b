"""Random histories of recourse: merchants that lose, owe, spend, and from whom it is taken."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.compose import uuid7
from ledger.rules.digests import timer_id
from ledger.rules.text import format_time, time_us
from ledger.rules.trade_state import Deposit
from tests.simulation.histories import Open, pick
from tests.simulation.running import run_histories
from tests.simulation.test_chargebacks import ChargebackHistories
from tests.simulation.test_escrow import BUYERS

SHOP = "shop"


class RecourseHistories(ChargebackHistories):
    """Commands about lines that were released, and of which providers keep some."""

    actions: ClassVar[tuple[str, ...]] = (
        *("earn", "fail", "fail", "charge", "charge", "lose", "lose", "lose", "decide"),
        *("recover", "recover", "recover", "spend", "spend", "spend", "ask", "ask"),
        *("buy", "give", "claim", "close", "regret", "replay", "conflict"),
    )

    def __init__(self, open_market: Open) -> None:
        """Let the shop agree to a deposit and sell once."""
        super().__init__(open_market)
        dice = Random(3)  # noqa: S311
        now = max(self.world.clock.now(), self.model.at)
        running = [digest for digest, since, _ in self.model.terms if since <= now][-1]
        body = {"merchant": SHOP, "terms": running}
        self.surely(dice, "agree-deposit/1", [(SHOP, "merchant")], body)
        self.earn(dice)

    def earn(self, dice: Random) -> None:
        """Let somebody buy, and accept all of it."""
        buyer = dice.choice(BUYERS)
        self.sell(dice, buyer)
        name, order = list(self.model.orders.items())[-1]
        lines = len(order["lines"])
        if not self.delivered(name, 1):
            self.hand_over(dice, name, order["key"], lines)
        body = {"lines": list(range(1, lines + 1)), "order": name}
        self.surely(dice, "accept-lines/1", [(buyer, "buyer")], body, expects=f"order/{name}")

    def lose(self, dice: Random) -> None:
        """Let a provider keep what it took."""
        open_ = [
            f"{order} {number}"
            for order, cases in self.model.cases.items()
            for number, case in cases.items()
            if case["open"]
        ]
        if open_:
            order, number = dice.choice(open_).split()
            self.case(dice, order, number, "lost", [])

    def fail(self, dice: Random) -> None:
        """Let a provider take some of what was released, and keep it."""
        ended = {
            f"{name} {number}": int(self.model.orders[name]["lines"][number - 1]["released"])
            for name, number in self.lines(held=False)
        }
        if not any(ended.values()):
            self.earn(dice)
            return
        (name, number), left = dice.choice(
            [(one.split(), has) for one, has in ended.items() if has]
        )
        case = uuid7(self.world.clock.now(), dice.randbytes(10))
        lines = [{"amount": str(dice.choice((left, left // 3 + 1))), "line": int(number)}]
        self.case(dice, name, case, "received", lines)
        self.case(dice, name, case, "lost", [])

    def owes(self) -> list[tuple[str, str]]:
        """Say in which currencies the shop owes, and when each is due."""
        return sorted(self.model.deposit(SHOP)["dues"].items())

    def recover(self, dice: Random) -> None:
        """Take what the shop owes: when it is due, or before, or what nobody owes."""
        if not self.owes() and dice.random() < 0.9:
            self.fail(dice)
        debts = [f"{SHOP} {currency} {due}" for currency, due in self.owes()]
        now = format_time(self.model.at)
        name, currency, due = pick(dice, debts, [f"eve CNY {now}", f"{SHOP} ETH {now}"]).split()
        if dice.random() < 0.8:
            waits = time_us(due, field="due") - self.world.clock.now()
            self.world.clock.advance(max(0, waits))
        rule = pick(dice, [f"chargeback-owed/{currency}"], ["chargeback-owed/ETH"])
        body = {"currency": currency, "due": due, "merchant": name}
        known = timer_id(f"deposit/{name}", rule, due)
        place = (self.who(dice, "system"), "system")
        self.act(dice, "recover-chargeback/1", [place], body, command_id=known)

    def money(self, dice: Random, held: int) -> dict[str, str]:
        amount = max(0, held - dice.choice((0, 0, 1, 5_000)))
        return {"amount": str(amount), "currency": "CNY"}

    def spend(self, dice: Random) -> None:
        """Leave the shop too little to pay what it owes: most is paid out, or deposited."""
        held = self.model.accounts.get((f"balance/{SHOP}", "CNY"), 0)
        if dice.random() < 0.4:
            places = [(SHOP, "owner"), (self.who(dice, "guard"), "cashier")]
            body = {"amount": self.money(dice, held), "party": SHOP, "provider": "internal"}
            self.act(dice, "pay-out/1", places, body, seal="account")
        else:
            body = {"amount": self.money(dice, held // 2), "merchant": SHOP}
            self.act(dice, "fund-deposit/1", [(SHOP, "merchant")], body)

    def ask(self, dice: Random) -> None:
        """Let the shop ask for some of its deposit, take that back, or be paid."""
        kind = dice.choice(("request", "request", "withdraw"))
        body: dict[str, Any] = {"merchant": SHOP}
        if kind == "request":
            held = self.model.available(SHOP)["CNY"]
            body["amount"] = dice.choice((self.money(dice, held), None))
        else:
            self.world.clock.advance(dice.choice((0, 3_600_000_000)))
        self.act(dice, f"{kind}-deposit/1", [(SHOP, "merchant")], body)

    @invariant()
    def the_shop_owes_what_it_lacks_for_good(self) -> None:
        """What is lacking is owed, but for what open cases may bring back; none of it twice."""
        stream = self.world.ledger.stream(f"deposit/{SHOP}")
        found = None if stream is None else stream.state
        assert isinstance(found, Deposit)
        owed = {each.currency: each.amount for each in found.owed}
        assert owed == +self.model.owed(SHOP)
        assert sum(owed.values()) <= -self.model.accounts.get((f"receivable/{SHOP}", "CNY"), 0)


def test_random_histories_of_recourse_take_what_is_owed_and_no_more(template: Any) -> None:
    run_histories(partial(RecourseHistories, template.copy), share=20)


def test_histories_of_recourse_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(RecourseHistories, fresh_market), share=1)
