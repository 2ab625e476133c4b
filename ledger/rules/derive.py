"""Derive: a signed command and the state before it become events, or a refusal.

A total function: the writer decides with it, a verifier runs it again and compares. The order of
the checks is part of it, since the first refusal is the one reported. Signatures are checked apart
from it, by whoever holds a signature library. Specification: docs/spec.md section 9.
"""

from __future__ import annotations

from typing import Any

from ledger.rules.canonical import encode
from ledger.rules.commands import Command, Signer
from ledger.rules.errors import (
    CommandCancelled,
    Expired,
    KeyCoolingDown,
    KeyNotValid,
    Malformed,
    MissingExpectation,
    NotYetValid,
    OtherView,
    PolicyNotInForce,
    RoleMissing,
    StaleExpectation,
    TooLarge,
    UnknownParty,
    WrongLog,
    WrongSigners,
)
from ledger.rules.kinds import kind_of_checked
from ledger.rules.model import (
    LOG_STREAM,
    POLICY_STREAM,
    ROLES_HELD,
    Fact,
    Given,
    Kind,
    View,
)
from ledger.rules.state import Log, Party, Policy
from ledger.rules.text import format_time, party_stream

EARLY_US = 5 * 60 * 1_000_000
LATE_US = 24 * 3600 * 1_000_000
DERIVED_BYTES_MAX = 24 * 1024
_OPENING = "open-ledger/1"
# Every character takes 6 bytes at most, so that this many texts stay below the limit.
_FEW, _SHORT = 8, 256
_NO_POLICY: dict[str, object] = {}


def policy_in_force(view: View) -> Policy | None:
    """Read the ledger policy in force before the next entry; None before entry 0."""
    published = view.stream(POLICY_STREAM)
    if published is not None and isinstance(published.state, Policy):
        return published.state
    opened = view.stream(LOG_STREAM)
    return opened.state.policy if opened and isinstance(opened.state, Log) else None


def founders(view: View) -> tuple[str, ...]:
    """Name the parties of entry 0; none before it."""
    opened = view.stream(LOG_STREAM)
    return opened.state.founders if opened and isinstance(opened.state, Log) else ()


def derive(
    command: Command, *, at: int, index: int, log: str, view: View, kind: Kind | None = None
) -> list[Fact]:
    """Decide what a command does.

    Args:
        command: As read from its signed bytes.
        at: Time of the entry, microseconds since 1970-01-01 UTC.
        index: Index of the entry that would carry the command.
        log: Origin of this log.
        view: The state before the command.
        kind: The command's kind, where its body was accepted already.

    Returns:
        The facts in order: the first is the command's own entry, the rest are its effects.

    Raises:
        Malformed: The body is not of its kind's schema.
        Refused: A rule says no; the class and its evidence say which.

    Spec: docs/spec.md section 9.

    """
    kind = kind or kind_of_checked(command)
    if command.log != log:
        raise WrongLog("the command is for another log", named=command.log, log=log)
    _check_times(command, at)
    _check_seen(command, view)
    policy = _check_policy(command, view)
    given = Given(command, at, index, view, policy)
    _check_signers(given, kind)
    _check_sealed(command, kind)
    kind.before_expect(given)
    _check_expect(given, kind)
    facts = kind.derive(given)
    _check_size(facts)
    return facts


def _check_size(facts: list[Fact]) -> None:
    if len(facts) == 1 and _is_small(facts[0].data):
        return
    data = [fact.data for fact in facts]
    # All at once costs less, and is longer only by what stands between.
    if len(encode(data)) <= DERIVED_BYTES_MAX:
        return
    size = sum([len(encode(each)) for each in data])
    if size > DERIVED_BYTES_MAX:
        raise TooLarge("what follows is too large", bytes=size, most=DERIVED_BYTES_MAX)


def _is_small(data: dict[str, Any]) -> bool:
    """Say whether data is a few short texts, as most is, and far from the limit."""
    # Not a generator: it costs as much again as what it asks.
    short = [type(value) is str and len(value) <= _SHORT for value in data.values()]
    return len(short) <= _FEW and all(short)


def _check_times(command: Command, at: int) -> None:
    if command.not_after < command.at or command.not_after > command.at + LATE_US:
        raise Expired(
            "not_after must follow at by 24 hours at most",
            at=format_time(command.at),
            not_after=format_time(command.not_after),
        )
    if at > command.not_after:
        raise Expired(
            "the command has expired",
            now=format_time(at),
            not_after=format_time(command.not_after),
        )
    if at < command.at - EARLY_US:
        raise NotYetValid(
            "the command is dated too far ahead", now=format_time(at), at=format_time(command.at)
        )


def _check_seen(command: Command, view: View) -> None:
    seen = command.document["seen"]
    if command.kind == _OPENING:
        if seen is not None:
            raise Malformed("command.seen", "is not null in entry 0")
        return
    if seen is not None:
        root = view.seen_root(seen["size"])
        if root != seen["root"]:
            raise OtherView(
                "the log never published this tree", size=seen["size"], seen=seen["root"], root=root
            )


def _check_policy(command: Command, view: View) -> Policy:
    named, in_force = command.document["policy"], policy_in_force(view)
    if in_force is None:
        if command.kind != _OPENING:
            raise PolicyNotInForce("the log is not open", named=named, in_force=None)
        if named is not None:
            raise Malformed("command.policy", "is not null in entry 0")
        return Policy("", dict(_NO_POLICY))
    if command.kind != _OPENING and named != in_force.digest:
        raise PolicyNotInForce(
            "another ledger policy is in force", named=named, in_force=in_force.digest
        )
    return in_force


def _check_signers(given: Given, kind: Kind) -> None:
    command = given.command
    signers = command.signers
    roles = tuple([signer.role for signer in signers])
    if roles not in kind.signers:
        wanted = " or ".join(", ".join(accepted) for accepted in kind.signers)
        raise WrongSigners(f"{kind.name} is signed by: {wanted}", signed=", ".join(roles))
    if command.by not in [signer.party for signer in signers]:
        raise WrongSigners("`by` is none of the signers", by=command.by)
    if len(signers) > 1 and len({signer.key for signer in signers}) != len(signers):
        raise WrongSigners("every signature needs a key of its own", by=command.by)
    if kind.name == _OPENING:
        # Entry 0 is signed by the keys it names; its own derive compares them.
        return
    for signer in signers:
        found = given.view.stream(party_stream(signer.party))
        party = found.state if found and isinstance(found.state, Party) else None
        if signer.role != kind.newcomer:
            _check_signer(given, kind, signer, party)
        # A newcomer may sign for a party that exists, so that counts for it, too.
        if party is not None and party.cancelled:
            _check_not_cancelled(given.command, party)


def _check_signer(given: Given, kind: Kind, signer: Signer, party: Party | None) -> None:
    if party is None:
        raise UnknownParty(f"party {signer.party} is not registered", party=signer.party)
    key = party.key(signer.key)
    if key is None or key.revoked:
        raise KeyNotValid("not a valid key of its party", party=party.party, key=signer.key)
    if kind.risky and given.at < key.ready:
        ready = format_time(key.ready)
        raise KeyCoolingDown("the key is cooling down", key=key.id, ready=ready)
    if signer.role in ROLES_HELD and not party.holds(signer.role):
        raise RoleMissing(
            f"{party.party} does not hold {signer.role}", party=party.party, role=signer.role
        )


def _check_not_cancelled(command: Command, party: Party) -> None:
    if any(digest == command.digest for digest, _ in party.cancelled):
        raise CommandCancelled("the command was cancelled", command=command.digest)


def _check_sealed(command: Command, kind: Kind) -> None:
    names = tuple([entry["name"] for entry in command.document["sealed"]])
    if names != kind.sealed:
        raise Malformed("command.sealed", f"does not hold exactly: {', '.join(kind.sealed) or '-'}")


def _check_expect(given: Given, kind: Kind) -> None:
    expect, wanted = given.command.document["expect"], kind.expects(given.command)
    named = [entry["stream"] for entry in expect]
    for stream in wanted:
        if stream not in named:
            raise MissingExpectation(f"expect must name {stream}", stream=stream)
    for entry in expect:
        _check_expectation(given.view, entry)
    if kind.exact:
        # What a command expects belongs to its proofs: nobody makes them larger at will.
        surplus = set(named).difference(wanted)
        if surplus:
            raise Malformed("command.expect", f"names {min(surplus)}, which is not asked for")


def _check_expectation(view: View, entry: dict[str, str | None]) -> None:
    name = str(entry["stream"])
    found = view.stream(name)
    head = None if found is None else found.head
    if "after" in entry:
        digest = None if head is None else head.command or view.command_at(head.index)
        if digest is None or digest != entry["after"]:
            raise StaleExpectation(
                f"{name} was written by another command since",
                stream=name,
                expected=entry["after"],
                found=digest,
            )
    elif entry["leaf"] != (None if head is None else head.leaf):
        raise StaleExpectation(
            f"{name} has another head",
            stream=name,
            expected=entry["leaf"],
            found=None if head is None else head.leaf,
        )
