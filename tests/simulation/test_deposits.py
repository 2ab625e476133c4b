"""Random histories of deposits: agreed, funded, asked back, paid back or not, with claims open."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.trade_state import Account, Deposit
from tests.simulation.histories import Open, pick
from tests.simulation.market import PEOPLE
from tests.simulation.oracle import Document
from tests.simulation.running import run_histories
from tests.simulation.test_escrow import EscrowHistories
from tests.simulation.test_labels import SHOP, LabelHistories
from tests.simulation.test_stock import DAY_US
from tests.terms import terms

HOUR_US = 3_600_000_000
LEAST = [{"amount": "500", "currency": "CNY"}, {"amount": "0", "currency": "ETH"}]
GOLD = {"deposit_min": [{"amount": "700", "currency": "CNY"}], "label": "gold", "origin": None}


def policy(number: int, cool_down: int, *, waits: bool = True) -> Document:
    blocked = ["below-minimum", *(["cool-down"] if waits else []), "open-claims"]
    deposit = {"blocked_if": blocked, "cool_down_s": cool_down, "minimum": LEAST}
    return terms(id=f"d{number}", merchant={**SHOP, "deposit": deposit, "labels": [GOLD]})


POLICIES = (policy(1, 3600), policy(2, 7200), policy(3, 7200, waits=False))


class DepositHistories(EscrowHistories, LabelHistories):
    """Commands about deposits, and all that stands against paying one back."""

    actions: ClassVar[tuple[str, ...]] = (
        *("agree", "fund", "fund", "fund", "ask", "ask", "ask", "draw", "draw", "draw", "draw"),
        *("policy", "label", "label", "revoke", "qualify", "top_up", "buy", "claim", "close"),
        *("cancel", "regret", "replay", "conflict"),
    )

    def __init__(self, open_market: Open) -> None:
        """Give the shop money, and a trade policy that asks for a deposit."""
        super().__init__(open_market)
        dice = Random(2)  # noqa: S311
        money = {"amount": "5000", "currency": "CNY"}
        body = {"amount": money, "party": "shop", "provider": "internal"}
        self.surely(dice, "top-up/1", [("guard", "cashier")], body, seal="transaction")
        self.announce(dice, POLICIES[0])
        self.world.clock.advance(8 * DAY_US)
        self.agree_to(dice, "shop")
        body = {"amount": {"amount": "1000", "currency": "CNY"}, "merchant": "shop"}
        self.surely(dice, "fund-deposit/1", [("shop", "merchant")], body)

    def running(self) -> str:
        now = max(self.world.clock.now(), self.model.at)
        return [digest for digest, since, _ in self.model.terms if since <= now][-1]

    def policy(self, dice: Random) -> None:
        """Publish a trade policy that asks for another deposit."""
        self.announce(dice, dice.choice(POLICIES))
        self.world.clock.advance(8 * DAY_US)

    def merchant_of(self, dice: Random) -> str:
        return pick(dice, self.model.merchants, PEOPLE)

    def agree(self, dice: Random) -> None:
        merchant = self.merchant_of(dice)
        terms_ = self.running() if dice.random() < 0.9 else "0" * 64
        body = {"merchant": merchant, "terms": terms_}
        self.act(dice, "agree-deposit/1", [(self.who(dice, merchant), "merchant")], body)

    def agree_to(self, dice: Random, merchant: str) -> None:
        body = {"merchant": merchant, "terms": self.running()}
        self.surely(dice, "agree-deposit/1", [(merchant, "merchant")], body)

    def money(self, dice: Random) -> dict[str, str]:
        currency = pick(dice, ["CNY"], ("ETH",))
        return {"amount": str(dice.choice((0, 1, 250, 300, 10_000))), "currency": currency}

    def fund(self, dice: Random) -> None:
        body = {"amount": self.money(dice), "merchant": self.merchant_of(dice)}
        self.by_merchant(dice, "fund-deposit/1", body)

    def ask(self, dice: Random) -> None:
        """Ask for a part, all of it, one unit too much, or take the request back."""
        merchant = self.merchant_of(dice)
        money: dict[str, str] | None = self.money(dice)
        held = self.model.available(merchant)["CNY"]
        whole = [{"amount": str(held + more), "currency": "CNY"} for more in (0, 1)]
        body = {"amount": dice.choice((money, *whole, None)), "merchant": merchant}
        self.by_merchant(dice, "request-deposit/1", body)

    def draw(self, dice: Random) -> None:
        self.world.clock.advance(dice.choice((0, HOUR_US, 2 * HOUR_US)))
        self.by_merchant(dice, "withdraw-deposit/1", {"merchant": self.merchant_of(dice)})

    def by_merchant(self, dice: Random, kind: str, body: Document) -> None:
        self.act(dice, kind, [(self.who(dice, body["merchant"]), "merchant")], body)

    @invariant()
    def every_deposit_is_what_its_account_holds(self) -> None:
        """Available and asked for are what lies on the account; the claims are those open."""
        for name in self.model.deposits:
            stream = self.world.ledger.stream(f"deposit/{name}")
            found = None if stream is None else stream.state
            assert isinstance(found, Deposit)
            currencies = {currency for _, currency in self.model.accounts}
            for currency in currencies:
                lies = self.model.accounts.get((f"deposit/{name}", currency), 0)
                said = Account(found.available).held(currency)
                assert said + Account(found.reserved).held(currency) == lies >= 0
            assert found.claims == self.model.open_claims(name)
            assert (found.requested_at is None) == (not found.reserved)


def test_random_histories_of_deposits_never_pay_back_what_may_be_claimed(template: Any) -> None:
    run_histories(partial(DepositHistories, template.copy), share=20)


def test_histories_of_deposits_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(DepositHistories, fresh_market), share=1)
