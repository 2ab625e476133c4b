"""Entry 0 and the ledger policy.

Entry 0 is signed by every key it names. Its effects open the party streams of the operator and of
the ledger's own keys; later changes of them go there. Specification: docs/spec.md section 9.1.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from ledger.rules import schema
from ledger.rules.curve import check_ed25519
from ledger.rules.digests import key_id, policy_digest
from ledger.rules.entries import Entry
from ledger.rules.errors import AlreadyOpen, Malformed, PolicyNotInForce, PolicyUnchanged
from ledger.rules.keys import check_key, new_key
from ledger.rules.model import (
    LOG_STREAM,
    OPERATOR_ROLES,
    POLICY_STREAM,
    EventType,
    Fact,
    Given,
    Kind,
)
from ledger.rules.state import UNKNOWN, Log, Party, Policy, Role, State
from ledger.rules.text import party_stream

# What each of the four parties of entry 0 may do.
_ROLES = {
    "root": ["registrar", "root"],
    "system": ["system"],
    "receipt": ["receipt"],
    "checkpoint": ["checkpoint"],
}
_ED25519_NOTE_TYPE = b"\x01"


def vkey(origin: str, raw: bytes) -> str:
    """Write the checkpoint key as a C2SP verifier key (signed-note: type 0x01)."""
    typed = _ED25519_NOTE_TYPE + raw
    short = hashlib.sha256(origin.encode() + b"\n" + typed).digest()[:4].hex()
    return f"{origin}+{short}+{base64.b64encode(typed).decode('ascii')}"


_FOUNDER: schema.Schema = {
    "key": schema.key,
    "party": schema.identifier,
    "role": schema.one_of(OPERATOR_ROLES),
}
_OPEN: schema.Schema = {
    "parties": schema.items(schema.nested(_FOUNDER), least=4, most=4),
    "policy": schema.policy,
    "receipt_delay_s": schema.seconds,
    "vkey": schema.any_string,
}


def _open(given: Given) -> list[Fact]:
    if given.index != 0 or given.view.stream(LOG_STREAM) is not None:
        raise AlreadyOpen("the log has its entry 0", index=given.index)
    founders = given.body["parties"]
    if given.command.document["expect"]:
        raise Malformed("command.expect", "is not empty in entry 0")
    if tuple(founder["role"] for founder in founders) != OPERATOR_ROLES:
        raise Malformed("command.body.parties", f"are not {', '.join(OPERATOR_ROLES)} in order")
    if len({founder["party"] for founder in founders}) != len(founders):
        raise Malformed("command.body.parties", "are not four different parties")
    if any(founder["party"] == UNKNOWN for founder in founders):
        raise Malformed("command.body.parties", f"name {UNKNOWN}, which stands for no party")
    for founder, signer in zip(founders, given.command.signers, strict=True):
        raw = check_key(founder["key"], field="command.body.parties.key")
        named = (founder["party"], founder["role"], key_id(founder["key"]["alg"], raw))
        if named != (signer.party, signer.role, signer.key):
            raise Malformed("command.signers", "are not the parties named in the body")
    checkpoint = founders[OPERATOR_ROLES.index("checkpoint")]["key"]
    if checkpoint["alg"] != "ed25519":
        raise Malformed("command.body.parties", "the checkpoint key is not an ed25519 key")
    raw = check_key(checkpoint, field="command.body.parties.key")
    check_ed25519(raw)
    if given.body["vkey"] != vkey(given.command.log, raw):
        raise Malformed("command.body.vkey", "is not the checkpoint key under the log's origin")
    opened = [
        Fact(
            party_stream(founder["party"]),
            "party-opened/1",
            {
                "key": founder["key"],
                "party": founder["party"],
                "roles": _ROLES[founder["role"]],
            },
        )
        for founder in founders
    ]
    return [Fact(LOG_STREAM, "ledger-opened/1", {}), *opened]


def _ledger_opened(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    body = entry.command.body
    return Log(
        origin=entry.log,
        founders=tuple(founder["party"] for founder in body["parties"]),
        vkey=body["vkey"],
        receipt_delay=body["receipt_delay_s"] * 1_000_000,
        policy=Policy(policy_digest(body["policy"]), body["policy"]),
    )


def _party_opened(_state: State | None, entry: Entry) -> State:
    key = new_key(entry.data["key"], index=entry.index, ready=entry.at)
    roles = tuple(Role(name, single_handed=False) for name in entry.data["roles"])
    return Party(entry.data["party"], (key,), roles, founder=True)


def _publish(given: Given) -> list[Fact]:
    document = given.body["policy"]
    if given.body["replaces"] != given.policy.digest:
        raise PolicyNotInForce(
            "the policy names another one to replace",
            named=given.body["replaces"],
            in_force=given.policy.digest,
        )
    if policy_digest(document) == given.policy.digest:
        raise PolicyUnchanged("this policy is in force already", policy=given.policy.digest)
    return [Fact(POLICY_STREAM, "policy-published/1", {})]


def _policy_published(_state: State | None, entry: Entry) -> State:
    assert entry.command is not None  # noqa: S101 - derive makes this type with a command only
    document: dict[str, Any] = entry.command.body["policy"]
    return Policy(policy_digest(document), document)


KINDS = (
    Kind("open-ledger/1", (OPERATOR_ROLES,), _OPEN, _open),
    Kind(
        "publish-policy/1",
        (("root",),),
        {"policy": schema.policy, "replaces": schema.hex32},
        _publish,
        risky=True,
    ),
)
EVENTS = (
    EventType("ledger-opened/1", {}, _ledger_opened, "the log was opened"),
    EventType(
        "party-opened/1",
        {
            "key": schema.key,
            "party": schema.identifier,
            "roles": schema.items(schema.identifier, most=4),
        },
        _party_opened,
        "a party of entry 0 got its key and roles",
    ),
    EventType("policy-published/1", {}, _policy_published, "a new ledger policy is in force"),
)
