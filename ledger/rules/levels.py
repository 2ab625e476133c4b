"""Levels of members: the tiers of the trade policy in force, by how much credit they ask for.

`system` records every change on the member's own stream; an order keeps the one that its buyer has
when it is placed. Specification: docs/spec.md section 9.21.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.credit import CREDIT, credit_of
from ledger.rules.entries import Entry
from ledger.rules.model import TERMS_STREAM, EventType, Fact, Given, Kind
from ledger.rules.parties import party_of
from ledger.rules.state import Party, State
from ledger.rules.terms import terms_in_force
from ledger.rules.text import party_stream
from ledger.rules.trade_errors import LevelDiffers, LevelUnchanged
from ledger.rules.trade_state import Account

LOWEST: Final = 0


def level_of(policy: Mapping[str, Any], credit: int) -> str:
    """Name the tier of a trade policy that asks for the most of what a member has."""
    reached = [each for each in policy["tiers"] if each["credit_min"] <= credit]
    return str(max(reached, key=lambda each: int(each["credit_min"]))["tier"])


def recorded_level(policy: Mapping[str, Any], party: Party) -> str:
    """Name the tier a party is in: the recorded one if the policy knows it, else the lowest."""
    if any(each["tier"] == party.level for each in policy["tiers"]):
        return str(party.level)
    return level_of(policy, LOWEST)


def _update(given: Given) -> list[Fact]:
    party, named = party_of(given, given.body["party"]), given.body["level"]
    terms = terms_in_force(given)
    if terms is None:
        raise LevelDiffers("no trade policy is in force", party=party.party, level=None)
    if named == recorded_level(terms.document, party):
        raise LevelUnchanged("the member has this level", party=party.party, level=named)
    if given.view.knows_accounts():
        credit = Account(credit_of(given, party.party).held).held(CREDIT)
        right = {level_of(terms.document, credit)}
    else:
        right = {each["tier"] for each in terms.document["tiers"]}
    if named not in right:
        raise LevelDiffers(
            "the trade policy gives the member another level",
            party=party.party,
            level=",".join(sorted(right)),
        )
    return [Fact(party_stream(party.party), "level-changed/1", {})]


def _changed(state: State | None, entry: Entry) -> State:
    assert isinstance(state, Party)  # noqa: S101 - the stream's name says what it holds
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    return replace(state, level=entry.command.body["level"])


def _party_and_terms(command: Command) -> tuple[str, ...]:
    return (party_stream(command.body["party"]), TERMS_STREAM)


KINDS = (
    Kind(
        "update-level/1",
        (("system",),),
        {"level": schema.name, "party": schema.identifier},
        _update,
        reads=_party_and_terms,
        exact=True,
    ),
)
EVENTS = (EventType("level-changed/1", {}, _changed, "a member's level changed"),)
