"""Random histories of verification codes: asked about by anybody, answered, revoked, guessed."""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, ClassVar

from hypothesis.stateful import invariant

from ledger.rules.codes import HOUR_US, NONE, OTHER, THIS, answer_id
from ledger.rules.compose import uuid7
from ledger.rules.terms_document import LOCK_AFTER_MAX
from ledger.rules.trade_state import Checks
from tests.simulation.histories import EVERYBODY, pick
from tests.simulation.running import run_histories
from tests.simulation.test_escrow import EscrowHistories
from tests.simulation.test_orders import BUYERS, FOR_SALE
from tests.terms import terms

ASKERS = (*BUYERS, "shop")
SEALED = ("code", "item")
CHECKS = terms()["checks"]


class CodeHistories(EscrowHistories):
    """Questions about codes, in a shop whose goods change hands meanwhile."""

    actions: ClassVar[tuple[str, ...]] = (
        *("wonder", "wonder", "wonder", "wonder", "tell", "tell", "tell", "tell", "tell", "tell"),
        *("void", "void", "guess", "guess"),
        *("buy", "buy", "order", "pay", "deliver", "deliver", "transfer", "freeze", "expire"),
        *("reveal", "lodge", "withdraw", "cancel", "regret", "replay", "conflict"),
    )

    def wonder(self, dice: Random) -> None:
        """Ask about a code; what is asked is sealed, so any will do."""
        place = (pick(dice, ASKERS, EVERYBODY), "party")
        self.act(dice, "check-code/1", [place], {}, seal=SEALED)

    def tell(self, dice: Random) -> None:
        """Answer a question that waits, or one that does not."""
        waiting = [
            f"{party} {check}"
            for party, asked in self.model.checks.items()
            for check in asked["pending"]
        ]
        never = f"{dice.choice(BUYERS)} {uuid7(0, bytes(10))}"
        party, check = pick(dice, waiting, [never, *waiting]).split()
        found = dice.choice((NONE, OTHER, THIS, THIS, THIS, THIS))
        item = None if found == NONE else self.some_card(dice)
        if dice.random() < 0.03:
            item = None if item else self.some_card(dice)
        body = {"check": check, "found": found, "item": item, "party": party}
        asker = party if dice.random() < 0.97 else dice.choice(BUYERS)
        place = (self.who(dice, "system"), "system")
        self.act(dice, "answer-check/1", [place], body, command_id=answer_id(asker, check))

    def some_card(self, dice: Random) -> str:
        """Pick one of a few cards, so that each is asked about more than once; now and then any."""
        goods = {name: one.get("goods") or {} for name, one in self.model.items.items()}
        sold = [name for name, one in goods.items() if one.get("code") and one.get("sold")]
        cards = [name for name, one in goods.items() if one.get("code")]
        return pick(dice, sorted(sold)[:3] or cards, [*cards, *FOR_SALE, "cards/never"])

    def void(self, dice: Random) -> None:
        """Let an owner revoke a code, or try to."""
        item = self.some_card(dice)
        owner = self.model.items.get(item, {"owner": "shop"})["owner"]
        place = (self.who(dice, owner), "owner")
        self.act(dice, "revoke-code/1", [place], {"item": item}, expects=f"item/{item}")

    def guess(self, dice: Random) -> None:
        """Let somebody be wrong a few times in a row, until nobody listens any more."""
        party = dice.choice(BUYERS[:2])
        for _ in range(dice.choice((1, 4, 7))):
            self.act(dice, "check-code/1", [(party, "party")], {}, seal=SEALED)
            self.send_held()
            for check in self.model.checks.get(party, {"pending": []})["pending"][-1:]:
                body = {"check": check, "found": NONE, "item": None, "party": party}
                place = ("system", "system")
                named = answer_id(party, check)
                self.act(dice, "answer-check/1", [place], body, command_id=named)

    @invariant()
    def questions_and_codes_are_as_the_model_says(self) -> None:
        """Each party's questions, and what became of each code."""
        for party, asked in self.model.checks.items():
            found = self.world.ledger.stream(f"checks/{party}")
            state = Checks() if found is None else found.state
            recent = [each for each in asked["asked"] if each > asked["asked"][-1] - HOUR_US]
            wrong = tuple(asked["wrong"][-LOCK_AFTER_MAX:])
            assert state == Checks(tuple(asked["pending"]), tuple(recent), wrong)
        for name, item in self.model.items.items():
            goods, expected = self.world.item(name).goods, item.get("goods") or {}
            told = (False, None) if goods is None else (goods.code_revoked, goods.verified_at)
            assert told == (expected.get("code_revoked", False), expected.get("verified_at"))

    @invariant()
    def every_promise_is_kept(self) -> None:
        """Among them: one first verification an item, and no question while a party is locked."""
        self.market.check_promises()


def test_random_histories_of_codes_verify_each_once_and_let_nobody_guess_on(template: Any) -> None:
    run_histories(partial(CodeHistories, template.copy), share=20)


def test_histories_of_codes_hold_on_each_database(fresh_market: Any) -> None:
    run_histories(partial(CodeHistories, fresh_market), share=1)


def test_so_many_questions_are_asked_within_an_hour(template: Any) -> None:
    history = CodeHistories(template.copy)
    place = [("eve", "party")]
    dice = Random(3)  # noqa: S311 - the same story every time
    with history.stack:
        for _ in range(CHECKS["per_hour"] + 1):
            history.surely(dice, "check-code/1", place, {}, seal=SEALED)
        assert history.market.answers["check-code/1 checks-capped"] == 1

        first = history.model.checks["eve"]["asked"][0]
        history.world.clock.advance(first + HOUR_US - history.world.clock.now())
        history.surely(dice, "check-code/1", place, {}, seal=SEALED)
        assert len(history.model.checks["eve"]["pending"]) == CHECKS["per_hour"] + 1


def test_guesses_end_after_five_and_begin_again_an_hour_after_the_last(template: Any) -> None:
    history = CodeHistories(template.copy)
    dice = Random(2)  # noqa: S311
    with history.stack:
        for _ in range(CHECKS["lock_after"] + 1):
            history.surely(dice, "check-code/1", [("eve", "party")], {}, seal=SEALED)
            pending = history.model.checks["eve"]["pending"]
            for check in list(pending):
                body = {"check": check, "found": NONE, "item": None, "party": "eve"}
                place = ("system", "system")
                named = answer_id("eve", check)
                history.surely(dice, "answer-check/1", [place], body, command_id=named)
        assert history.market.answers["check-code/1 checks-locked"] == 1

        last = history.model.checks["eve"]["wrong"][-1]
        until = last + CHECKS["lock_s"] * 1_000_000
        history.world.clock.advance(until - history.world.clock.now() - 1_000_000)
        history.surely(dice, "check-code/1", [("eve", "party")], {}, seal=SEALED)
        assert history.model.checks["eve"]["pending"]
