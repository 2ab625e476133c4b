"""How many unpaid orders one buyer may have: whoever never pays does not lock a shop's stock.

A matter of admission and no rule: it is asked of the views, which are a moment behind, and only
where commands come in over HTTP. An order that its own request pays does not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from api.errors import Coded
from api.house import House
from api.policies.publishing import terms_recorded
from ledger.errors import TooManyUnpaid
from ledger.rules.commands import Command, read_command
from ledger.rules.errors import Malformed, RuleError
from ledger.rules.orders import order_stream
from ledger.submission import Submission
from projections.orders import Orders

_PLACE, _PAY = "place-order/1", "pay-order/1"
_MARK: Final = b'"kind":"place-order/1"'

Admitted = Submission | Coded


def orders_in(read: Sequence[Submission | Malformed]) -> bool:
    """Say whether an order may be among these: then the database has to be asked."""
    return any(isinstance(one, Submission) and _MARK in one.command for one in read)


def admit_orders(house: House, read: Sequence[Submission | Malformed]) -> list[Admitted]:
    """Refuse orders of buyers that have as many unpaid ones as the trade policy allows; blocks.

    Args:
        house: Open for writing.
        read: What a request holds, in order.

    Returns:
        The same, with `TooManyUnpaid` in the place of each order that is one too many.

    Raises:
        DatabaseUnavailable: Nobody can tell.

    """
    terms = terms_recorded(house.reader)
    if terms is None:
        return list(read)
    most = terms.at(house.clock.now()).document["limits"]["unpaid_orders"]
    commands = [_command(one) for one in read]
    paid = {one.body.get("order") for one in commands if one is not None and one.kind == _PAY}
    found, unpaid = list[Admitted](read), Counter[str]()
    for place, command in enumerate(commands):
        if command is None or command.kind != _PLACE or command.body.get("order") in paid:
            continue
        if command.by not in unpaid:
            unpaid[command.by] = Orders(house.reader).unpaid(command.by, house.clock.now(), most)
        if unpaid[command.by] >= most and not _recorded(house, command):
            message = "the buyer has as many unpaid orders as one may"
            found[place] = TooManyUnpaid(message, party=command.by, most=most)
        unpaid[command.by] += 1
    return found


def _command(one: Submission | Malformed) -> Command | None:
    if not isinstance(one, Submission):
        return None
    try:
        return read_command(one.command)
    except RuleError:
        # What is wrong with it is said when it is decided.
        return None


def _recorded(house: House, command: Command) -> bool:
    """Say whether the order was placed already: the same bytes again are answered as they were."""
    order = command.body.get("order")
    return isinstance(order, str) and house.reader.last_of_stream(order_stream(order)) is not None
