"""Roles and namespaces: who may do what, and who owns a name.

Roles come only from entry 0 by signed events. A role that can move property needs a second party
that entry 0 does not name, once there is one. Specification: docs/spec.md section 9.3.
"""

from __future__ import annotations

from dataclasses import replace

from ledger.rules import schema
from ledger.rules.commands import Command
from ledger.rules.entries import Entry
from ledger.rules.errors import (
    LastKey,
    NamespaceTaken,
    RoleHeld,
    RoleNotHeld,
    SecondPartyNeeded,
    WitnessNotIndependent,
    WrongSigners,
)
from ledger.rules.model import GRANTABLE, MOVES_PROPERTY, EventType, Fact, Given, Kind
from ledger.rules.parties import party_of
from ledger.rules.state import Namespace, Party, Role, State
from ledger.rules.text import party_stream


def _grant(given: Given) -> list[Fact]:
    party, role = given.body["party"], given.body["role"]
    if given.command.signers[1].party != party:
        raise WrongSigners("the grantee does not sign", party=party)
    if party_of(given, party).holds(role):
        raise RoleHeld(f"{party} holds {role}", party=party, role=role)
    second = given.command.signers[2].party if len(given.command.signers) > 2 else None  # noqa: PLR2004
    if second is not None:
        _check_second(given, second)
    needed = role in MOVES_PROPERTY and second is None
    # Whoever could sign as the second: neither of the two that sign already.
    besides = frozenset({party, given.command.signers[0].party})
    if needed and given.view.independent_party(besides=besides):
        raise SecondPartyNeeded(f"{role} can move property: a second party signs too", role=role)
    data = {"single_handed": needed}
    return [Fact(party_stream(party), "role-granted/1", data)]


def _check_second(given: Given, second: str) -> None:
    others = {given.command.signers[0].party, given.body["party"]}
    if second in others or party_of(given, second).founder:
        raise WitnessNotIndependent(f"{second} is not independent", party=second)


def _granted(state: State | None, entry: Entry) -> State:
    before = _party(state)
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    role = Role(entry.command.body["role"], entry.data["single_handed"])
    return replace(before, roles=(*before.roles, role))


def _withdraw(given: Given) -> list[Fact]:
    party, role = given.body["party"], given.body["role"]
    if not party_of(given, party).holds(role):
        raise RoleNotHeld(f"{party} does not hold {role}", party=party, role=role)
    if role == "root" and party == given.command.signers[0].party:
        raise LastKey("root does not withdraw itself", party=party)
    return [Fact(party_stream(party), "role-withdrawn/1", {})]


def _withdrawn(state: State | None, entry: Entry) -> State:
    before = _party(state)
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    gone = entry.command.body["role"]
    return replace(before, roles=tuple(role for role in before.roles if role.name != gone))


def _open_namespace(given: Given) -> list[Fact]:
    namespace, owner = given.body["namespace"], given.command.signers[1].party
    stream = f"namespace/{namespace}"
    found = given.view.stream(stream)
    if found is not None:
        assert isinstance(found.state, Namespace)  # noqa: S101 - by the stream's name
        raise NamespaceTaken(f"{namespace} is owned", namespace=namespace, owner=found.state.owner)
    return [Fact(stream, "namespace-opened/1", {"owner": owner})]


def _namespace_opened(_state: State | None, entry: Entry) -> State:
    return Namespace(entry.data["owner"])


def _party(state: State | None) -> Party:
    assert isinstance(state, Party)  # noqa: S101 - the stream's name says what it holds
    return state


def _namespace_stream(command: Command) -> tuple[str, ...]:
    return (f"namespace/{command.body['namespace']}",)


_ROLE: schema.Schema = {"party": schema.party, "role": schema.one_of(GRANTABLE)}

KINDS = (
    Kind(
        "grant-role/1",
        (("root", "grantee"), ("root", "grantee", "second")),
        _ROLE,
        _grant,
        risky=True,
    ),
    Kind("withdraw-role/1", (("root",),), _ROLE, _withdraw, risky=True),
    Kind(
        "open-namespace/1",
        (("root", "owner"),),
        {"namespace": schema.namespace},
        _open_namespace,
        expects=_namespace_stream,
    ),
)
EVENTS = (
    EventType("role-granted/1", {"single_handed": schema.flag}, _granted, "a role was granted"),
    EventType("role-withdrawn/1", {}, _withdrawn, "a role was withdrawn"),
    EventType(
        "namespace-opened/1",
        {"owner": schema.party},
        _namespace_opened,
        "a namespace got its owner",
    ),
)
