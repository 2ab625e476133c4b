"""Verification codes for tests: revoked, asked about, and answered as if the vault had looked."""

from __future__ import annotations

from ledger.application import Accepted
from ledger.rules.codes import ANSWER, CHECK, NONE, REVOKE, THIS, answer_id, checks_stream
from ledger.rules.compose import Draft, Sealing, uuid7
from ledger.rules.trade_state import Checks
from tests.worlds import NamedDraft, World


def revoking_draft(world: World, item: str, by: str | None = None) -> Draft:
    """Draft that an item's owner, or another party, revokes its code."""
    signer = by or world.item(item).owner
    expect = {f"item/{item}": world.head(f"item/{item}")}
    return Draft(REVOKE, signer, [world.signs(signer, "owner")], {"item": item}, expect)


def revoke_code(world: World, item: str) -> Accepted:
    """Let an item's owner revoke its code."""
    return world.submit(revoking_draft(world, item))


def check_draft(
    world: World,
    party: str,
    code: str = "A" * 20,
    item: str = "cards/1",
    *,
    check: str | None = None,
) -> NamedDraft:
    """Draft a party's question whether a code is an item's."""
    sealed = [
        Sealing(name, party, world.dice(32), value)
        for name, value in (("code", code), ("item", item))
    ]
    named = check or uuid7(world.clock.now(), world.dice(10))
    places = [world.signs(party, "party")]
    return NamedDraft(CHECK, party, places, {}, seal=sealed, id=named)


def ask(world: World, party: str, code: str = "A" * 20, item: str = "cards/1") -> str:
    """Let a party ask about a code, and return the id of the question."""
    draft = check_draft(world, party, code, item)
    world.submit(draft)
    return draft.id


def answer_draft(
    world: World, party: str, check: str, item: str | None, found: str | None = None
) -> NamedDraft:
    """Draft the answer that this item was found, or nothing, unless `found` says otherwise."""
    what = found or (THIS if item else NONE)
    body = {"check": check, "found": what, "item": item, "party": party}
    places = [world.signs("system", "system")]
    return NamedDraft(ANSWER, "system", places, body, id=answer_id(party, check))


def answer(
    world: World, party: str, check: str, item: str | None, found: str | None = None
) -> Accepted:
    """Let the ledger answer a question."""
    return world.submit(answer_draft(world, party, check, item, found))


def ask_and_answer(
    world: World, party: str, item: str | None, found: str | None = None
) -> Accepted:
    """Let a party ask, and the ledger answer."""
    return answer(world, party, ask(world, party), item, found)


def checks_of(world: World, party: str) -> Checks:
    """What a party asked so far."""
    found = world.ledger.stream(checks_stream(party))
    assert found is not None
    assert isinstance(found.state, Checks)
    return found.state
