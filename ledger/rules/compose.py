"""Composing commands: what clients, importers and tests sign.

Ids, times and salts are arguments. Specification: docs/spec.md section 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ledger.rules.canonical import encode
from ledger.rules.commands import Command, Signer, command_read, matches_outline, read_command
from ledger.rules.digests import sealed_digest
from ledger.rules.text import b64encode, format_time

DEFAULT_LIFE_US = 3600 * 1_000_000
ID_RANDOM_BYTES = 10
_MILLISECOND_US = 1000


@dataclass(frozen=True, slots=True)
class Context:
    """What a composer knows of the log: its origin, the policy in force, the time (us)."""

    log: str
    policy: str | None
    at: int
    not_after: int | None = None


@dataclass(frozen=True, slots=True)
class Sealing:
    """A value to seal: its name, the subject it is about, 32 random bytes and the value."""

    name: str
    subject: str
    salt: bytes
    value: str

    def disclosure(self) -> dict[str, str]:
        """Write what opens the sealed field."""
        return {"name": self.name, "salt": b64encode(self.salt), "value": self.value}


@dataclass(frozen=True, slots=True)
class Draft:
    """The parts of a command that differ from one to the next."""

    kind: str
    by: str
    signers: Sequence[Signer]
    body: Mapping[str, Any]
    expect: Mapping[str, str | None] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    seal: Sequence[Sealing] = ()
    seen: Mapping[str, Any] | None = None


def uuid7(at: int, random: bytes) -> str:
    """Make a UUID of version 7 (RFC 9562 section 5.7).

    Args:
        at: Microseconds since 1970-01-01 UTC.
        random: 10 random bytes.

    """
    assert len(random) == ID_RANDOM_BYTES  # noqa: S101 - the caller's own dice
    value = bytearray((at // _MILLISECOND_US).to_bytes(6, "big") + random)
    value[6] = 0x70 | value[6] & 0x0F
    value[8] = 0x80 | value[8] & 0x3F
    text = value.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def compose(context: Context, command_id: str, draft: Draft) -> Command:
    """Write a command in its canonical bytes and hold them against what a command must be.

    Args:
        context: Log, policy and time.
        command_id: A UUIDv7, or a timer's digest.
        draft: Everything else; the command keeps parts of its body.

    Raises:
        Malformed: A part is not in its accepted form.
        TooLarge: The command has more than 24 KiB.

    """
    until = context.at + DEFAULT_LIFE_US if context.not_after is None else context.not_after
    expect: list[dict[str, Any]] = [
        {"leaf": leaf, "stream": stream} for stream, leaf in draft.expect.items()
    ]
    expect += [{"after": step, "stream": stream} for stream, step in draft.after.items()]
    expect.sort(key=lambda entry: entry["stream"])
    document = {
        "at": format_time(context.at),
        "body": dict(draft.body),
        "by": draft.by,
        "expect": expect,
        "id": command_id,
        "kind": draft.kind,
        "log": context.log,
        "not_after": format_time(until),
        "policy": context.policy,
        "sealed": [
            {
                "digest": sealed_digest(
                    context.log, command_id, each.name, b64encode(each.salt), each.value
                ),
                "name": each.name,
                "subject": each.subject,
            }
            for each in sorted(draft.seal, key=lambda sealing: sealing.name)
        ],
        "seen": None if draft.seen is None else dict(draft.seen),
        "signers": [
            {"key": signer.key, "party": signer.party, "role": signer.role}
            for signer in draft.signers
        ],
        "v": 1,
    }
    raw = encode(document)
    if matches_outline(raw, draft.kind):
        # Reading the bytes would give this document again.
        return command_read(raw, document, matched=True)
    return read_command(raw)
