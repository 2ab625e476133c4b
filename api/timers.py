"""Timers: what falls due is completed by a command of the party `system`.

The id of a timer's command follows from stream, rule and due time, so that it fires once, however
many processes try.
"""

from __future__ import annotations

from api.desk import Hand, Order, send
from api.house import House
from ledger.rules.digests import timer_id
from ledger.rules.errors import ChangeNotDue, CommandConflict, NoSuchChange
from ledger.rules.parties import KEY_CHANGE_RULE
from ledger.rules.text import format_time, party_stream
from projections.parties import Parties

SYSTEM = "system"


def complete_due(house: House) -> int:
    """Complete every key change whose delay has passed.

    Args:
        house: Open for writing; its views are up to date.

    Returns:
        How many were completed here.

    Raises:
        DatabaseUnavailable: The rest waits for the next call.

    """
    completed = 0
    for row in Parties(house.reader).due(house.clock.now()):
        if row.change_due is not None and row.change_digest is not None:
            completed += _complete(house, row.party, row.change_digest, format_time(row.change_due))
    return completed


def _complete(house: House, party: str, change: str, due: str) -> bool:
    order = Order(
        "complete-key-change/1",
        [Hand(SYSTEM, SYSTEM, house.signer(SYSTEM))],
        {"change": change, "due": due, "party": party},
        command_id=timer_id(party_stream(party), KEY_CHANGE_RULE, due),
    )
    try:
        return not send(house, order).again
    except (NoSuchChange, CommandConflict, ChangeNotDue):
        # Another process was first, or somebody objected in the meantime.
        return False
