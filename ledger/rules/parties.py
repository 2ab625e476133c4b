"""Parties: registering, keys, key changes that wait, roles.

Revoking the key one signs with takes effect at its own entry. Revoking another of one's keys, and
recovery by two officers, wait for the policy's delay, in which the other keys may object; a timer
of the party `system` then completes the change. Specification: docs/spec.md section 9.2.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ledger.rules import schema
from ledger.rules.canonical import encode
from ledger.rules.commands import Command, command_of
from ledger.rules.digests import key_id, timer_id
from ledger.rules.entries import Entry
from ledger.rules.errors import (
    ChangeNotDue,
    ChangePending,
    KeyNotValid,
    KeyUsed,
    LastKey,
    Malformed,
    NoSuchChange,
    PartyExists,
    TooLarge,
    UnknownParty,
    WrongLog,
    WrongSigners,
)
from ledger.rules.keys import check_key, new_key
from ledger.rules.model import EventType, Fact, Given, Kind
from ledger.rules.state import UNKNOWN, Key, KeyChange, Party, State
from ledger.rules.text import format_time, party_stream, time_us

KEY_CHANGE_RULE = "key-change"
# A recovery names every key that it revokes in one entry, which must always fit.
KEYS_MAX = 100
# Whoever replays the log carries every key that was ever added, revoked or not.
KEYS_EVER_MAX = 1_000


def party_of(given: Given, party: str) -> Party:
    """Read a party that must exist. Raises `UnknownParty`."""
    found = given.view.stream(party_stream(party))
    if found is None or not isinstance(found.state, Party):
        raise UnknownParty(f"party {party} is not registered", party=party)
    return found.state


def check_fresh_key(given: Given, key: dict[str, Any]) -> str:
    """Accept a strong key that nobody registered in this log before; return its id.

    Raises:
        WeakKey: The point is weak or not canonical.
        KeyUsed: The key was registered before, revoked or not.

    """
    identifier = key_id(key["alg"], check_key(key, field="command.body.key"))
    holder = given.view.key_holder(identifier)
    if holder is not None:
        raise KeyUsed("this public key was registered before", key=identifier, party=holder)
    return identifier


def check_new_signer(given: Given, *, position: int, party: str) -> None:
    """Accept a signer that signs for `party` with the key the body registers."""
    signer = given.command.signers[position]
    key = check_fresh_key(given, given.body["key"])
    if (signer.party, signer.key) != (party, key):
        raise WrongSigners("the new key does not sign for its party", party=party, key=key)


def _check_party_signs(given: Given) -> None:
    signer = given.command.signers[0]
    if signer.party != given.body["party"]:
        raise WrongSigners("another party signs", party=given.body["party"], signer=signer.party)


def check_officers(given: Given, *, party: str) -> None:
    """Accept two officers of two different parties, neither of them `party`.

    Raises:
        WrongSigners: Fewer than three different parties take part.

    """
    officers = [signer.party for signer in given.command.signers[1:]]
    if len({party, *officers}) != 1 + len(officers):
        raise WrongSigners("officers must be of different parties", officers=", ".join(officers))


def _register(given: Given) -> list[Fact]:
    party = given.body["party"]
    if party == UNKNOWN:
        raise PartyExists("this name stands for no party", party=party)
    if given.view.stream(party_stream(party)) is not None:
        raise PartyExists(f"party {party} is registered", party=party)
    if given.policy.registration == "approved" and len(given.command.signers) == 1:
        raise WrongSigners("registration needs a registrar here", registration="approved")
    check_new_signer(given, position=0, party=party)
    return [Fact(party_stream(party), "party-registered/1", {})]


def _registered(_state: State | None, entry: Entry) -> State:
    body = _body(entry)
    return Party(body["party"], (new_key(body["key"], index=entry.index, ready=entry.at),))


def _add_key(given: Given) -> list[Fact]:
    _check_party_signs(given)
    party = given.body["party"]
    check_new_signer(given, position=1, party=party)
    keys = party_of(given, party).keys
    valid = sum(not key.revoked for key in keys)
    if valid >= KEYS_MAX:
        raise TooLarge("the party has as many keys as it may", keys=valid, most=KEYS_MAX)
    if len(keys) >= KEYS_EVER_MAX:
        raise TooLarge("the party had as many keys as it may", keys=len(keys), most=KEYS_EVER_MAX)
    ready = given.at + given.policy.delay("key_cool_down")
    return [Fact(party_stream(party), "key-added/1", {"ready": format_time(ready)})]


def _key_added(state: State | None, entry: Entry) -> State:
    before = _party(state)
    ready = time_us(entry.data["ready"], field="entry.data.ready")
    key = new_key(_body(entry)["key"], index=entry.index, ready=ready)
    return replace(before, keys=(*before.keys, key))


def _revoke_key(given: Given) -> list[Fact]:
    _check_party_signs(given)
    party = party_of(given, given.body["party"])
    key = party.key(given.body["key"])
    if key is None or key.revoked:
        raise KeyNotValid("no such valid key", party=party.party, key=given.body["key"])
    if party.founder and not _kept(party, without=key.id):
        raise LastKey("a party of entry 0 keeps one key", party=party.party, key=key.id)
    stream = party_stream(party.party)
    if key.id == given.command.signers[0].key:
        return [Fact(stream, "key-revoked/1", {})]
    return [Fact(stream, "key-change-requested/1", _waits(given, party))]


def _kept(party: Party, *, without: str) -> set[str]:
    """Name the keys that stay valid without this one and the one that a change will revoke."""
    valid = {key.id for key in party.keys if not key.revoked}
    return valid - {without, party.change.revokes if party.change else None}


def _waits(given: Given, party: Party) -> dict[str, Any]:
    if party.change is not None:
        raise ChangePending("another change waits", party=party.party, change=party.change.digest)
    return {"due": format_time(given.at + given.policy.delay("key_change_delay"))}


def _key_revoked(state: State | None, entry: Entry) -> State:
    return _without(_party(state), {_body(entry)["key"]})


def _without(party: Party, revoked: set[str]) -> Party:
    keys = tuple(replace(key, revoked=key.revoked or key.id in revoked) for key in party.keys)
    return replace(party, keys=keys)


def _recover(given: Given) -> list[Fact]:
    party = party_of(given, given.body["party"])
    check_officers(given, party=party.party)
    check_new_signer(given, position=0, party=party.party)
    return [
        Fact(party_stream(party.party), "key-change-requested/1", _waits(given, party)),
    ]


def _change_requested(state: State | None, entry: Entry) -> State:
    before, body = _party(state), _body(entry)
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    due = time_us(entry.data["due"], field="entry.data.due")
    recovers = entry.command.kind == "recover-party/1"
    change = KeyChange(
        digest=entry.command.digest,
        requested_with=entry.command.signers[0].key,
        due=due,
        revokes=None if recovers else body["key"],
        adds=new_key(body["key"], index=entry.index, ready=due) if recovers else None,
    )
    return replace(before, change=change)


def _pending(given: Given) -> tuple[Party, KeyChange]:
    party = party_of(given, given.body["party"])
    if party.change is None or party.change.digest != given.body["change"]:
        raise NoSuchChange("no such change waits", party=party.party, change=given.body["change"])
    return party, party.change


def _object(given: Given) -> list[Fact]:
    _check_party_signs(given)
    party, change = _pending(given)
    if given.command.signers[0].key == change.requested_with:
        raise WrongSigners("the key that asked cannot object", key=change.requested_with)
    return [Fact(party_stream(party.party), "key-change-stopped/1", {})]


def _stopped(state: State | None, _entry: Entry) -> State:
    return replace(_party(state), change=None)


def _complete(given: Given) -> list[Fact]:
    party, change = _pending(given)
    stream, due = party_stream(party.party), format_time(change.due)
    if given.body["due"] != due or given.at < change.due:
        raise ChangeNotDue("the change is not due", due=due, at=format_time(given.at))
    if given.command.id != timer_id(stream, KEY_CHANGE_RULE, due):
        raise Malformed("command.id", "is not the id of this timer")
    if change.adds is not None:
        revoked = sorted(key.id for key in party.keys if not key.revoked)
    else:
        revoked = [change.revokes or ""]
    added = change.adds.id if change.adds else None
    return [Fact(stream, "key-change-completed/1", {"added": added, "revoked": revoked})]


def _completed(state: State | None, entry: Entry) -> State:
    before = _party(state)
    after = _without(before, set(entry.data["revoked"]))
    added: tuple[Key, ...] = ()
    if before.change is not None and before.change.adds is not None:
        added = (replace(before.change.adds, since=entry.index),)
    return replace(after, keys=(*after.keys, *added), change=None)


def _cancel(given: Given) -> list[Fact]:
    cancelled = cancelled_command(given.command)
    if cancelled.log != given.command.log:
        raise WrongLog("the cancelled command is of another log", log=cancelled.log)
    canceller = given.command.signers[0].party
    if canceller not in {signer.party for signer in cancelled.signers}:
        raise WrongSigners("only a signer cancels a command", party=canceller)
    # On the canceller's own stream: nobody writes to the stream of who did not sign.
    return [Fact(party_stream(canceller), "command-cancelled/1", {"command": cancelled.digest})]


def cancelled_command(command: Command) -> Command:
    """Read the command that a `cancel-command/1` carries. Raises `Malformed`, `TooLarge`."""
    document = command.body["command"]
    return command_of(encode(document), document)


def _cancelled(state: State | None, entry: Entry) -> State:
    before = _party(state)
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    cancelled = cancelled_command(entry.command)
    kept = [(digest, until) for digest, until in before.cancelled if until >= entry.at]
    return replace(before, cancelled=(*kept, (cancelled.digest, cancelled.not_after)))


def _body(entry: Entry) -> dict[str, Any]:
    assert entry.command is not None  # noqa: S101 - these types come with a command only
    return entry.command.body


def _party(state: State | None) -> Party:
    assert isinstance(state, Party)  # noqa: S101 - the stream's name says what it holds
    return state


def _own_stream(command: Command) -> tuple[str, ...]:
    return (party_stream(command.body["party"]),)


_WITH_KEY: schema.Schema = {"key": schema.key, "party": schema.party}
_CHANGE: schema.Schema = {"change": schema.hex32, "party": schema.party}
_REGISTER: schema.Schema = {
    "class": schema.one_of({"member", "merchant", "service"}),
    "key": schema.key,
    "party": schema.identifier,
}

KINDS = (
    Kind(
        "register-party/1",
        (("party", "registrar"), ("party",)),
        _REGISTER,
        _register,
        newcomer="party",
    ),
    Kind(
        "add-key/1",
        (("party", "new"),),
        _WITH_KEY,
        _add_key,
        expects=_own_stream,
        newcomer="new",
        risky=True,
    ),
    Kind(
        "revoke-key/1",
        (("party",),),
        {"key": schema.hex32, "party": schema.party},
        _revoke_key,
        expects=_own_stream,
    ),
    Kind(
        "recover-party/1",
        (("new", "officer", "officer"),),
        _WITH_KEY,
        _recover,
        newcomer="new",
        risky=True,
    ),
    Kind("object-key-change/1", (("party",),), _CHANGE, _object),
    Kind("complete-key-change/1", (("system",),), _CHANGE | {"due": schema.time}, _complete),
    Kind("cancel-command/1", (("signer",),), {"command": schema.any_object}, _cancel),
)
EVENTS = (
    EventType("party-registered/1", {}, _registered, "a party registered with its first key"),
    EventType("key-added/1", {"ready": schema.time}, _key_added, "a later key was added"),
    EventType("key-revoked/1", {}, _key_revoked, "a key was revoked by itself"),
    EventType(
        "key-change-requested/1",
        {"due": schema.time},
        _change_requested,
        "a revocation or recovery waits",
    ),
    EventType("key-change-stopped/1", {}, _stopped, "another key objected"),
    EventType(
        "key-change-completed/1",
        {
            "added": schema.nullable(schema.hex32),
            "revoked": schema.items(schema.hex32, most=1000),
        },
        _completed,
        "the waiting change took effect",
    ),
    EventType(
        "command-cancelled/1",
        {"command": schema.hex32},
        _cancelled,
        "a command not yet appended was cancelled",
    ),
)
