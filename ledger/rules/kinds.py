"""The closed registries: every command kind and every event type of this version.

A name that is not here is refused by the writer and unverifiable to a verifier; none ever resolves
to code by its spelling. Specification: docs/spec.md section 9.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import NamedTuple

from ledger.rules import (
    activations,
    balances,
    cards,
    chargebacks,
    claims,
    codes,
    credit,
    delivery,
    deposits,
    duplicates,
    earning,
    escrow,
    imports,
    items,
    labels,
    levels,
    listings,
    merchants,
    opening,
    orders,
    parties,
    payments,
    recourse,
    refunds,
    reveals,
    roles,
    terms,
)
from ledger.rules.commands import BODIES, Command
from ledger.rules.digests import key_id
from ledger.rules.entries import DATA, Entry
from ledger.rules.errors import UnknownKind
from ledger.rules.model import EventTypes, Kind, Kinds
from ledger.rules.schema import check_object
from ledger.rules.text import b64decode

_FAMILIES = (
    *(opening, parties, roles, items, imports),
    *(terms, merchants, listings, balances, cards, orders, payments),
    *(delivery, escrow, refunds, claims, reveals, activations, labels, deposits),
    *(duplicates, credit, levels, chargebacks, recourse, codes, earning),
)

KINDS: Kinds = MappingProxyType({kind.name: kind for room in _FAMILIES for kind in room.KINDS})
EVENT_TYPES: EventTypes = MappingProxyType(
    {event.name: event for room in _FAMILIES for event in room.EVENTS}
)


# An object in the data of an entry, or in a body, that only its own reader knows has no outline.
BODIES.update({name: kind.body for name, kind in KINDS.items()})
DATA.update({name: event.data for name, event in EVENT_TYPES.items()})


def kind_of(name: str) -> Kind:
    """Find a command kind. Raises `UnknownKind`."""
    kind = KINDS.get(name)
    if kind is None:
        raise UnknownKind(f"no such command kind: {name}", kind=name)
    return kind


def kind_of_checked(command: Command) -> Kind:
    """Find a command's kind and accept its body.

    Raises:
        UnknownKind: There is no such kind.
        Malformed: The body is not of the kind's schema.

    """
    kind = kind_of(command.kind)
    if not command.matched:
        check_object(command.body, kind.body, "command.body")
    return kind


_BY_NEWCOMERS = frozenset(kind.name for kind in KINDS.values() if kind.newcomer is not None)


class RegisteredKey(NamedTuple):
    """A public key that an entry registers: its id, its party, its algorithm and base64 bytes."""

    id: str
    party: str
    alg: str
    public: str


def registered_key(entry: Entry) -> RegisteredKey | None:
    """Say which key this entry registers for which party, if any."""
    if entry.type == "party-opened/1":
        key, party = entry.data["key"], entry.data["party"]
    elif entry.command is not None and entry.command.kind in _BY_NEWCOMERS:
        key, party = entry.command.body["key"], entry.command.body["party"]
    else:
        return None
    identifier = key_id(key["alg"], b64decode(key["public"], field="key.public"))
    return RegisteredKey(identifier, party, key["alg"], key["public"])
