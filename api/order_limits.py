"""How many unpaid orders one buyer may have: whoever never pays does not lock a shop's stock.

A matter of admission and no rule: it is asked where commands come in over HTTP, of the views and of
what this process let in that they do not show yet; each of several processes lets in as many. An
order that its own request pays does not count among them; since that payment may yet be refused,
there are no more of both than twice as many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Final

from api.errors import Coded
from api.house import House
from api.policies.publishing import terms_recorded
from ledger.errors import TooManyUnpaid
from ledger.record.stored import read_stored
from ledger.rules.commands import Command, read_command
from ledger.rules.errors import Malformed, RuleError
from ledger.rules.evolve import evolve
from ledger.rules.order_state import UNPAID, Order
from ledger.rules.orders import order_stream
from ledger.rules.state import Stream
from ledger.submission import Submission
from projections.orders import Orders

_PLACE, _PAY = "place-order/1", "pay-order/1"
# What became of an order is known sooner; what nobody told of counts no longer than this.
_RECENT_US: Final = 60_000_000
_MARK: Final = b'"kind":"place-order/1"'

Admitted = Submission | Coded


def orders_in(read: Sequence[Submission | Malformed]) -> bool:
    """Say whether an order may be among these: then the database has to be asked."""
    return any(isinstance(one, Submission) and _MARK in one.command for one in read)


class OrderLimits:
    """The unpaid orders of every buyer, with those that the views do not show yet."""

    def __init__(self, house: House) -> None:
        """Take a house that is open for writing."""
        self._house = house
        self._lock = Lock()
        # By buyer, and by the digest of the command: the order's number, and since when.
        self._recent: dict[str, dict[str, tuple[str, int]]] = {}

    def admit(self, read: Sequence[Submission | Malformed]) -> list[Admitted]:
        """Refuse orders of buyers that have as many unpaid ones as the policy allows; blocks.

        What is admitted counts from now on, whoever else asks before it is recorded; `settle` is
        told what became of it. What the buyer did not sign is left for the ledger to refuse.

        Args:
            read: What a request holds, in order.

        Returns:
            The same, with `TooManyUnpaid` in the place of each order that is one too many.

        Raises:
            DatabaseUnavailable: Nobody can tell.

        """
        terms = terms_recorded(self._house.reader)
        if terms is None:
            return list(read)
        now = self._house.clock.now()
        most = terms.at(now).document["limits"]["unpaid_orders"]
        commands = [_command(one) for one in read]
        paid = {_number(one) for one in commands if one is not None and one.kind == _PAY}
        found, unpaid, paying = list[Admitted](read), Counter[str](), Counter[str]()
        with self._lock:
            for place, command in enumerate(commands):
                number = None if command is None else self._signed(command, read[place])
                if command is None or number is None:
                    continue
                by, pays = command.by, number in paid
                if by not in unpaid:
                    unpaid[by] = self._unpaid(by, now, 2 * most)
                full = unpaid[by] + paying[by] >= 2 * most if pays else unpaid[by] >= most
                if full and not self._recorded(number):
                    message = "the buyer has as many unpaid orders as one may"
                    found[place] = TooManyUnpaid(message, party=by, most=most)
                else:
                    (paying if pays else unpaid)[by] += 1
                    self._recent.setdefault(by, {})[command.digest] = number, now
        return found

    def settle(self, admitted: Sequence[Admitted], accepted: Sequence[bool]) -> None:
        """Say what became of a request: what was refused counts no longer.

        Args:
            admitted: As `admit` returned it.
            accepted: For each of it whether it is recorded; empty where nothing is.

        """
        with self._lock:
            for place, one in enumerate(admitted):
                command = None if place < len(accepted) and accepted[place] else _command(one)
                if command is not None:
                    self._forget(command.by, command.digest)

    def _signed(self, command: Command, one: Submission | Malformed) -> str | None:
        """Return the number of an order that its buyer signed: nobody else is counted for it."""
        number = _number(command)
        if command.kind != _PLACE or number is None or not isinstance(one, Submission):
            return None
        return number if self._house.ledger.prepare(one, command=command).verified else None

    def _unpaid(self, by: str, now: int, most: int) -> int:
        orders = Orders(self._house.reader)
        for digest, (number, since) in list(self._recent.get(by, {}).items()):
            if now - since > _RECENT_US or orders.get(number).found or self._ended(number, now):
                self._forget(by, digest)
        # Asked last: what the views show only now is counted, and once.
        shown = orders.unpaid(by, now, most)
        hidden = [each for each, _ in self._recent.get(by, {}).values() if each not in shown]
        return len(shown) + len(hidden)

    def _ended(self, number: str, now: int) -> bool:
        """Say whether an order that the views do not show yet is paid, or can no longer be."""
        found: Stream | None = None
        for row in self._house.reader.stream_entries(order_stream(number)):
            found = evolve(found, read_stored(row), command=row.command.hex())
        state = None if found is None else found.state
        return isinstance(state, Order) and (state.state != UNPAID or state.pay_by < now)

    def _forget(self, by: str, digest: str) -> None:
        recent = self._recent.get(by, {})
        recent.pop(digest, None)
        if not recent:
            self._recent.pop(by, None)

    def _recorded(self, number: str) -> bool:
        """Say whether an order was placed: the same bytes again are answered as they were."""
        return self._house.reader.last_of_stream(order_stream(number)) is not None


def _command(one: Admitted) -> Command | None:
    if not isinstance(one, Submission):
        return None
    try:
        return read_command(one.command)
    except RuleError:
        # What is wrong with it is said when it is decided.
        return None


def _number(command: Command) -> str | None:
    """Return the order that a body names; what else stands there is refused when it is decided."""
    order = command.body.get("order")
    return order if isinstance(order, str) else None
