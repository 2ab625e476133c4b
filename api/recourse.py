"""Recourse: what merchants lost by chargebacks is taken from them in every round, once it is due.

Who owes stands on the deposits' own streams. Where a merchant has nothing, nothing is recorded, and
after a while it is looked at again. Specification: docs/spec.md section 9.24.
"""

from __future__ import annotations

from typing import Final

from api.desk import Hand, Order, write
from api.following import BACKLOG, CHUNK, Follower, hand_in
from api.house import House
from api.timers import SYSTEM
from ledger.rules.chargeback_errors import NothingToRecover
from ledger.rules.deposits import deposit_stream
from ledger.rules.digests import timer_id
from ledger.rules.errors import CommandConflict
from ledger.rules.money import balance_stream
from ledger.rules.recourse import KIND, recourse_rule
from ledger.rules.text import format_time
from ledger.rules.trade_errors import TimerNotDue
from ledger.rules.trade_state import Account, Deposit, Owed
from ledger.submission import Submission

# What makes somebody owe, or owe less.
_DECIDING: Final = ("deposit-claimed/1", "recourse-taken/1")
_DEPOSIT: Final = "deposit/"
LOOK_AGAIN_US: Final = 60 * 1_000_000
"""So long a debtor that has nothing is left alone: there may be many, and for years."""
# Another process was first, or what there was has gone in between.
_PASSED: Final = (CommandConflict, NothingToRecover, TimerNotDue)


class Recoverer:
    """Takes what every merchant owes that lost chargebacks."""

    def __init__(self, house: House) -> None:
        """Take a house that is open for writing."""
        self._house = house
        self._follower = Follower(house, _DECIDING)
        # Who owes, and before when nothing is to be looked for there.
        self._debtors: dict[str, int] = {}

    def keep_up(self) -> int:
        """Take what is due, longest due first, and count how often something was taken.

        Raises:
            RuleError: The ledger refuses it for another reason than that nothing was there.
            DatabaseUnavailable: The rest waits for the next call.

        """
        self._learn()
        now, due = self._house.clock.now(), list[tuple[Owed, str]]()
        for merchant in [name for name, then in self._debtors.items() if then <= now]:
            due += [(each, merchant) for each in self._due(merchant, now)]
        due.sort(key=lambda each: each[0].due)
        pieces = [due[start : start + CHUNK] for start in range(0, len(due), CHUNK)]
        return sum(
            hand_in(self._house, [self._write(*each) for each in piece], _PASSED)
            for piece in pieces
        )

    def _learn(self) -> None:
        """Read who came to owe since the last call, or a part of it, by whichever process."""
        for stream in self._follower.changed(BACKLOG):
            merchant = stream.removeprefix(_DEPOSIT)
            owed = self._deposit(merchant).owed
            self._debtors.pop(merchant, None)
            if owed:
                self._debtors[merchant] = min(each.due for each in owed)

    def _due(self, merchant: str, now: int) -> list[Owed]:
        """Say what is due and can be taken, and look again later for what cannot."""
        deposit = self._deposit(merchant)
        due = [each for each in deposit.owed if each.due <= now]
        found = self._house.ledger.stream(balance_stream(merchant))
        balance = found.state if found is not None else None
        lies = [Account(deposit.available), Account(deposit.reserved)]
        lies += [balance] if isinstance(balance, Account) else []
        there = [each for each in due if any(one.held(each.currency) for one in lies)]
        self._debtors[merchant] = now + LOOK_AGAIN_US
        return there

    def _deposit(self, merchant: str) -> Deposit:
        found = self._house.ledger.stream(deposit_stream(merchant))
        assert found is not None  # noqa: S101 - an entry of it was read
        assert isinstance(found.state, Deposit)  # noqa: S101 - by the stream's name
        return found.state

    def _write(self, owed: Owed, merchant: str) -> Submission:
        due = format_time(owed.due)
        body = {"currency": owed.currency, "due": due, "merchant": merchant}
        known = timer_id(deposit_stream(merchant), recourse_rule(owed.currency), due)
        hands = [Hand(SYSTEM, SYSTEM, self._house.signer(SYSTEM))]
        order = Order(KIND, hands, body, command_id=known)
        return write(self._house.context(), order, random=self._house.random)[1]
