"""Random histories of balances: topped up, paid out, too little, too much."""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.trade_state import Account
from tests.simulation.histories import Histories, pick
from tests.simulation.market import PEOPLE
from tests.simulation.running import run_histories

PROVIDERS = ("alipay", "internal", "wechat")


class TillHistories(Histories):
    """Commands that move money."""

    actions: ClassVar[tuple[str, ...]] = (
        *("top_up", "top_up", "pay_out", "pay_out", "pay_out"),
        *("cancel", "regret", "replay", "conflict"),
    )

    def body(self, dice: Random, party: str, amounts: tuple[int, ...]) -> dict[str, Any]:
        currency = pick(dice, ["CNY", "ETH"], ("USD",))
        return {
            "amount": {"amount": str(dice.choice(amounts)), "currency": currency},
            "party": party,
            "provider": dice.choice(PROVIDERS),
        }

    def top_up(self, dice: Random) -> None:
        body = self.body(dice, dice.choice(PEOPLE), (0, 1, 250, 10**37, 10**38 - 1))
        place = (self.who(dice, "guard"), "cashier")
        self.act(dice, "top-up/1", [place], body, seal="transaction")

    def pay_out(self, dice: Random) -> None:
        """Take out all of a balance, a little, nothing, or one unit too much."""
        full = [account for (account, _), amount in self.model.accounts.items() if amount > 0]
        known = [name.removeprefix("balance/") for name in full if name.startswith("balance/")]
        party = pick(dice, known, PEOPLE)
        body = self.body(dice, party, (0, 1, 250))
        held = self.model.accounts.get(("balance/" + party, body["amount"]["currency"]), 0)
        amount = dice.choice((body["amount"]["amount"], str(held), str(held), str(held + 1)))
        body["amount"]["amount"] = amount if len(amount) < 39 else "1"
        places = [(self.who(dice, party), "owner"), (self.who(dice, "guard"), "cashier")]
        self.act(dice, "pay-out/1", places, body, seal="account")

    @invariant()
    def money_is_where_the_model_says(self) -> None:
        """Every balance is what its postings sum to, and all accounts together hold nothing."""
        sums: Counter[str] = Counter()
        held: dict[str, dict[str, int]] = {}
        for (account, currency), amount in self.model.accounts.items():
            sums[currency] += amount
            held.setdefault(account, {})[currency] = amount
        assert not any(sums.values())
        for account, amounts in held.items():
            if account.startswith("balance/"):
                found = self.world.ledger.stream(account)
                assert found is not None
                assert isinstance(found.state, Account)
                right = {name: amount for name, amount in amounts.items() if amount}
                assert dict(found.state.holdings) == right
                assert min(amounts.values()) >= 0


def test_random_histories_of_money_never_make_or_lose_any(template: Any) -> None:
    run_histories(partial(TillHistories, template.copy), share=20)


def test_histories_of_money_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(TillHistories, fresh_market), share=1)
