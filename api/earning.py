"""Earnings: what orders give their buyers in credit and points, recorded in every round.

A line earns once it has ended, and once alone: the id of the command follows from line and unit, so
that a second process is told of a conflict. Specification: docs/spec.md section 9.20.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from api.desk import Hand, Order, write
from api.following import BACKLOG, CHUNK, Follower, hand_in
from api.house import House
from api.timers import SYSTEM
from ledger.rules.earning import KIND, earned, earning_id
from ledger.rules.errors import CommandConflict
from ledger.rules.model import TERMS_STREAM
from ledger.rules.order_state import Order as Ordered
from ledger.rules.schema import UNITS
from ledger.rules.state import Terms
from ledger.rules.trade_errors import CreditNotEarned
from ledger.submission import Submission

# What may end a line whose merchant keeps something.
_ENDING: Final = ("escrow-released/1", "escrow-settled/1", "chargeback-ended/1")
_ORDER: Final = "order/"
# Another process was first, or the line was frozen in between: its end is another entry.
_PASSED: Final = (CommandConflict, CreditNotEarned)


class Earner:
    """Records what every line earned that has ended."""

    def __init__(self, house: House) -> None:
        """Take a house that is open for writing."""
        self._house = house
        self._follower = Follower(house, _ENDING)
        self._waiting: dict[str, None] = {}

    def keep_up(self) -> int:
        """Record what was earned since the last call, or a part of it, and count it.

        Raises:
            RuleError: The ledger refuses it for another reason than that somebody was first.
            DatabaseUnavailable: The rest waits for the next call.

        """
        self._waiting.update(dict.fromkeys(self._follower.changed(BACKLOG)))
        accepted, waiting = 0, list(self._waiting)
        for start in range(0, len(waiting), CHUNK):
            orders = waiting[start : start + CHUNK]
            wanted = [each for order in orders for each in self._wanted(order)]
            for first in range(0, len(wanted), CHUNK):
                accepted += hand_in(self._house, wanted[first : first + CHUNK], _PASSED)
            for order in orders:
                del self._waiting[order]
        return accepted

    def _wanted(self, stream: str) -> Iterator[Submission]:
        """Write what lines of an order earned and nobody recorded."""
        house, name = self._house, stream.removeprefix(_ORDER)
        found, terms = house.ledger.stream(stream), house.ledger.stream(TERMS_STREAM)
        order = None if found is None else found.state
        if not isinstance(order, Ordered) or terms is None or not isinstance(terms.state, Terms):
            return
        pinned = terms.state.of(order.terms)
        policy = None if pinned is None else pinned.document
        for number, line in enumerate(order.lines, start=1):
            for unit in sorted(UNITS):
                amount, known = earned(line, policy, unit), earning_id(name, number, unit)
                if amount and house.recorder.find_command(SYSTEM, known) is None:
                    body = {
                        "amount": str(amount),
                        "line": number,
                        "order": name,
                        "party": order.buyer,
                        "unit": unit,
                    }
                    yield self._write(body, known)

    def _write(self, body: dict[str, object], known: str) -> Submission:
        hands = [Hand(SYSTEM, SYSTEM, self._house.signer(SYSTEM))]
        order = Order(KIND, hands, body, command_id=known)
        return write(self._house.context(), order, random=self._house.random)[1]
