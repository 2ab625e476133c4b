"""Verification codes in a log of the tests: revoked by an owner, asked about, answered."""

from __future__ import annotations

from ledger.rules.codes import ANSWER, CHECK, NONE, REVOKE, THIS, answer_id, checks_stream
from ledger.rules.commands import Command
from ledger.rules.compose import Draft, uuid7
from ledger.rules.state import Item
from ledger.rules.trade_state import Checks, Goods
from tests.unit.rules.ordering import ITEMS, run
from tests.unit.rules.small import Small

CARD = ITEMS[0]
NEVER_ASKED = uuid7(13, bytes(10))


def revoking_code(small: Small, item: str = CARD, by: str = "shop") -> Draft:
    """Draft that an owner revokes an item's code."""
    return small.draft(REVOKE, (by, "owner"), item=item)


def checking(small: Small, by: str = "eve") -> Draft:
    """Draft a party's question about a code."""
    return small.draft(CHECK, (by, "party"))


def asked(small: Small, by: str = "eve") -> str:
    """Ask about a code, and return the id of the question."""
    return small.do(checking(small, by)).id


def answering(  # noqa: PLR0913 - each is a part of an answer
    small: Small,
    check: str,
    found: str = THIS,
    item: str | None = CARD,
    *,
    party: str = "eve",
    by: str = "system",
    named: str | None = None,
) -> Command:
    """Write the answer to a question, whose id follows from it unless another is `named`."""
    body = {"check": check, "found": found, "item": None if found == NONE else item}
    draft = small.draft(ANSWER, (by, "system"), **body, party=party)
    return small.command(draft, identifier=named or answer_id(party, check))


def answered(
    small: Small, found: str = THIS, item: str | None = CARD, *, party: str = "eve"
) -> str:
    """Ask and answer, and return the result."""
    run(small, answering(small, asked(small, party), found, item, party=party))
    return str(small.entries[-1].data["result"])


def checks(small: Small, party: str = "eve") -> Checks:
    """What a party asked."""
    found = small.state(checks_stream(party))
    assert isinstance(found, Checks)
    return found


def goods(small: Small, item: str = CARD) -> Goods:
    """What an item is as goods."""
    found = small.state(f"item/{item}")
    assert isinstance(found, Item)
    assert found.goods is not None
    return found.goods


def coded(small: Small) -> None:
    """In the log of all kinds, verify a code, revoke it, and guess one that is none."""
    answered(small, item="cards/o2")
    small.do(revoking_code(small, "cards/o2"))
    answered(small, NONE)
