"""Random histories of credit and points: given, redeemed, taken back, owed; and what they give."""

from __future__ import annotations

from collections import Counter
from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.record.stored import read_stored
from ledger.rules.earning import KIND, earning_id
from ledger.rules.state import Party
from ledger.rules.trade_state import Credit
from tests.credit import credit_body
from tests.simulation.credit import UNITS
from tests.simulation.histories import pick
from tests.simulation.market import PEOPLE
from tests.simulation.running import run_histories
from tests.simulation.test_escrow import OTHER, EscrowHistories
from tests.simulation.test_orders import OrderHistories
from tests.simulation.test_stock import DAY_US
from tests.terms import terms

TIERS = terms()["tiers"]
DOCUMENTS = (
    terms(),
    terms(id="b", tiers=[each | {"credit_min": each["credit_min"] * 2} for each in TIERS]),
    terms(id="c", tiers=[each for each in TIERS if each["tier"] != "vip"]),
)
LEVELS = ("diamond", "ordinary", "vip", "gold")
AMOUNTS = (0, 1, 250, 10_000, 20_000, 90_000, 10**37, 10**38 - 1)


class CreditHistories(OrderHistories):
    """Commands about credit, points and levels, and orders that keep a level."""

    actions: ClassVar[tuple[str, ...]] = (
        *("grant", "grant", "claw_back", "claw_back", "redeem", "redeem", "policy", "top_up"),
        *("level", "level", "level", "level", "order", "cancel", "regret", "replay", "conflict"),
    )

    def unit(self, dice: Random) -> str:
        return dice.choice(("CREDIT", "CREDIT", "POINTS"))

    def grant(self, dice: Random) -> None:
        place, source = (
            (self.who(dice, "guard"), "cashier"),
            dice.choice(("campaign", "correction")),
        )
        body = credit_body(dice.choice(PEOPLE), dice.choice(AMOUNTS), self.unit(dice))
        self.act(dice, "grant-credit/1", [place], body | {"source": source}, seal="reason")

    def claw_back(self, dice: Random) -> None:
        """Take all back that a member has, a little, or more than that."""
        body = self.some(dice)
        place, ground = (self.who(dice, "guard"), "cashier"), dice.choice(("fraud", "reversal"))
        self.act(dice, "claw-back-credit/1", [place], body | {"ground": ground}, seal="reason")

    def redeem(self, dice: Random) -> None:
        body = self.some(dice) | {"service": "coupon"}
        self.act(dice, "redeem-credit/1", [(self.who(dice, body["party"]), "member")], body)

    def some(self, dice: Random) -> dict[str, Any]:
        """Name a member that has something, and about as much as that."""
        party, unit = pick(dice, {name for name, _ in self.model.credit}, PEOPLE), self.unit(dice)
        has = max(self.model.credit.get((party, unit), 0), 0)
        amount = dice.choice((0, 1, has // 2, has, has, has + 1))
        return credit_body(party, min(amount, 10**38 - 1), unit)

    def policy(self, dice: Random) -> None:
        """Publish a trade policy whose levels ask for other credit, or are others."""
        self.announce(dice, dice.choice(DOCUMENTS))
        self.world.clock.advance(dice.choice((0, 8 * DAY_US)))

    def level(self, dice: Random) -> None:
        party = pick(dice, {name for name, _ in self.model.credit}, PEOPLE)
        policy = self.model.terms_at(max(self.world.clock.now(), self.model.at))
        right = self.model.level_at(party, policy) if policy else "ordinary"
        body = {"level": right if dice.random() < 0.8 else dice.choice(LEVELS), "party": party}
        self.act(dice, "update-level/1", [(self.who(dice, "system"), "system")], body)

    @invariant()
    def units_are_conserved_and_never_mixed(self) -> None:
        """All accounts of a unit hold nothing together, and what a member has is its own sum."""
        sums: Counter[str] = Counter()
        for (account, unit), amount in self.model.accounts.items():
            sums[unit] += amount
            room = account.partition("/")[0]
            assert (unit in UNITS) == (room in {"credit", "issued", "receivable"}) or not amount
        assert not any(sums.values())

    @invariant()
    def every_member_has_what_the_model_says(self) -> None:
        parties = {party for party, _ in self.model.credit}
        for party in parties:
            has = {unit: self.model.credit.get((party, unit), 0) for unit in UNITS}
            found = self.world.ledger.stream(f"credit/{party}")
            state = None if found is None else found.state
            assert isinstance(state, Credit)
            assert dict(state.held) == {unit: each for unit, each in has.items() if each > 0}
            assert dict(state.owed) == {unit: -each for unit, each in has.items() if each < 0}
        for party, level in self.model.levels.items():
            found = self.world.ledger.stream(f"party/{party}")
            state = None if found is None else found.state
            assert isinstance(state, Party)
            assert state.level == level


class EarningHistories(CreditHistories, EscrowHistories):
    """Lines that end in every way, and what they earn a buyer that has and owes other credit."""

    actions: ClassVar[tuple[str, ...]] = (
        *("buy", "buy", "buy", "deliver", "deliver", "accept", "accept", "claim", "close", "give"),
        *("earn", "earn", "earn", "earn", "earn", "line_timer", "claw_back", "redeem", "level"),
        *("policy", "order", "cancel", "replay", "conflict"),
    )

    def earn(self, dice: Random) -> None:
        """Say what a line earned: mostly one that was released, and what is right."""
        released = [
            (name, number)
            for name, order in self.model.orders.items()
            for number, line in enumerate(order["lines"], start=1)
            if line.get("released")
        ]
        name, number = pick(dice, released, self.lines() or [(OTHER, 1)])
        unit = self.unit(dice)
        known = name in self.model.orders
        party = self.buyer(name) if dice.random() < 0.9 else dice.choice(PEOPLE)
        amount = self.model.earned(name, number, unit) if known else 1
        body = {
            **credit_body(party, amount + dice.choice((0, 0, 0, 0, 1)), unit),
            "line": number,
            "order": name,
        }
        named = earning_id(name, number, pick(dice, [unit], sorted(UNITS)))
        self.act(dice, KIND, [(self.who(dice, "system"), "system")], body, command_id=named)

    @invariant()
    def no_line_earned_a_unit_twice(self) -> None:
        """However often it is tried: the id of the command follows from line and unit."""
        rows = self.world.recorder.entries_of_type("credit-earned/1", 0, limit=10_000)
        bodies = [read_stored(row).command for row in rows]
        places = [(c.body["order"], c.body["line"], c.body["unit"]) for c in bodies if c]
        assert len(places) == len(set(places))


def test_random_histories_of_credit_conserve_each_unit_and_mix_none(template: Any) -> None:
    run_histories(partial(CreditHistories, template.copy), share=20)


def test_random_histories_of_earning_give_each_line_its_share_once(template: Any) -> None:
    run_histories(partial(EarningHistories, template.copy), share=10)


def test_histories_of_credit_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(CreditHistories, fresh_market), share=1)
    run_histories(partial(EarningHistories, fresh_market), share=1)
