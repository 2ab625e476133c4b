"""A member's credit, points and level as JSON, from the states of its streams."""

from __future__ import annotations

from typing import Any

from ledger.rules.money import written
from ledger.rules.state import Party, Stream
from ledger.rules.trade_state import Account, Credit


def credit_document(party: str, member: Stream, found: Stream | None) -> dict[str, Any]:
    """Write what a member has, what it owes of what was taken back, and its level.

    `member` is the party's own stream; `found` the one of its credit, None where there is none.
    """
    credit = Credit() if found is None else found.state
    assert isinstance(credit, Credit)  # noqa: S101 - by the stream's name
    assert isinstance(member.state, Party)  # noqa: S101 - by the stream's name
    return {
        "head_index": None if found is None else found.head.index,
        "held": written(Account(credit.held)),
        "level": member.state.level,
        "owed": written(Account(credit.owed)),
        "party": party,
    }
