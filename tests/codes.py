"""Verification codes for tests: revoked, asked about, and answered as if the vault had looked."""

from __future__ import annotations

from ledger.application import Accepted
from ledger.rules.codes import ANSWER, CHECK, NONE, REVOKE, THIS, answer_id, checks_stream
from ledger.rules.compose import Draft, Sealing, compose, uuid7
from ledger.rules.trade_state import Checks
from tests.worlds import World


def revoking_draft(world: World, item: str) -> Draft:
    """Draft that an item's owner revokes its code."""
    owner = world.item(item).owner
    expect = {f"item/{item}": world.head(f"item/{item}")}
    return Draft(REVOKE, owner, [world.signs(owner, "owner")], {"item": item}, expect)


def revoke_code(world: World, item: str) -> Accepted:
    """Let an item's owner revoke its code."""
    return world.submit(revoking_draft(world, item))


def check_draft(world: World, party: str, code: str, item: str) -> Draft:
    """Draft a party's question whether a code is an item's."""
    sealed = [
        Sealing(name, party, world.dice(32), value)
        for name, value in (("code", code), ("item", item))
    ]
    return Draft(CHECK, party, [world.signs(party, "party")], {}, seal=sealed)


def ask(world: World, party: str, code: str = "GOOD-CODE", item: str = "cards/1") -> str:
    """Let a party ask about a code, and return the id of the question."""
    draft = check_draft(world, party, code, item)
    command = compose(world.context(), uuid7(world.clock.now(), world.dice(10)), draft)
    (outcome,) = world.send(world.sign(command, seal=tuple(draft.seal)))
    if not isinstance(outcome, Accepted):
        raise outcome
    return command.id


def answer_draft(world: World, party: str, check: str, item: str | None, found: str) -> Draft:
    """Draft the answer to a question."""
    body = {"check": check, "found": found, "item": item, "party": party}
    return Draft(ANSWER, "system", [world.signs("system", "system")], body)


def answer(
    world: World, party: str, check: str, item: str | None, found: str | None = None
) -> Accepted:
    """Let the ledger answer that it found this item, or nothing, unless `found` says otherwise."""
    draft = answer_draft(world, party, check, item, found or (THIS if item else NONE))
    command = compose(world.context(), answer_id(party, check), draft)
    (outcome,) = world.send(world.sign(command))
    if not isinstance(outcome, Accepted):
        raise outcome
    return outcome


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
