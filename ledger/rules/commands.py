"""A signed command: its bytes, read once and strictly.

Specification: docs/spec.md section 5.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, NamedTuple

from ledger.rules import outline, schema, text
from ledger.rules.canonical import check_depth, decode, loads_plainly
from ledger.rules.digests import COMMAND_TAG, command_digest
from ledger.rules.errors import Malformed, TooLarge

COMMAND_BYTES_MAX = 24 * 1024
# An entry adds one level and a proof three more, which all must stay under 32.
COMMAND_DEPTH_MAX = 24
SIGNERS_MAX = 8
EXPECT_MAX = 64
SEALED_MAX = 16
_TIMER_ID_LENGTH = 64
_PATTERNS_KEPT = 256


def _command_id(value: Any, field: str) -> None:
    if isinstance(value, str) and len(value) == _TIMER_ID_LENGTH:
        text.hex32(value, field=field)
    else:
        text.check_uuid7(value, field=field)


outline.learn(_command_id, schema.hex32, text.check_uuid7)


def _expectation(value: Any, field: str) -> None:
    after = isinstance(value, dict) and "after" in value
    schema.check_object(value, _AFTER if after else _AT, field)


_AFTER: schema.Schema = {"after": schema.hex32, "stream": schema.stream}
_AT: schema.Schema = {"leaf": schema.nullable(schema.hex32), "stream": schema.stream}
outline.learn(_expectation, _AFTER, _AT)
_SIGNER: schema.Schema = {
    "key": schema.hex32,
    "party": schema.party,
    "role": schema.identifier,
}
_SEALED: schema.Schema = {
    "digest": schema.hex32,
    "name": schema.identifier,
    "subject": schema.party,
}
_SEEN: schema.Schema = {"root": schema.hex32, "size": schema.whole(1, (1 << 53) - 1)}
_COMMAND: schema.Schema = {
    "at": schema.time,
    "body": schema.any_object,
    "by": schema.party,
    "expect": schema.items(_expectation, most=EXPECT_MAX),
    "id": _command_id,
    "kind": schema.any_string,
    "log": schema.origin,
    "not_after": schema.time,
    "policy": schema.nullable(schema.hex32),
    "sealed": schema.items(schema.nested(_SEALED), most=SEALED_MAX),
    "seen": schema.nullable(schema.nested(_SEEN)),
    "signers": schema.items(schema.nested(_SIGNER), least=1, most=SIGNERS_MAX),
    "v": schema.whole(1, 1),
}


BODIES: dict[str, schema.Schema] = {}
"""Schemas of the bodies that outlines know, by kind; filled by `ledger.rules.kinds`."""


class Signer(NamedTuple):
    """One place to sign: which party, in which role, with which key."""

    party: str
    role: str
    key: str


class Command(NamedTuple):
    """A command as read. `raw` is what was signed; `digest` is its identity.

    `matched`: its bytes match the outline of its kind, so that its body needs no other look.
    """

    raw: bytes
    document: dict[str, Any]
    digest: str
    id: str
    by: str
    kind: str
    log: str
    at: int
    not_after: int
    signers: tuple[Signer, ...]
    body: dict[str, Any]
    matched: bool = False

    @property
    def message(self) -> bytes:
        """The bytes every signer signs."""
        return COMMAND_TAG + self.raw


def read_command(raw: bytes) -> Command:
    """Read a command's canonical bytes.

    Args:
        raw: At most 24 KiB.

    Raises:
        TooLarge: More bytes than that.
        Malformed: Not canonical, or not of the command's schema.

    Spec: docs/spec.md section 5.1.

    """
    if len(raw) > COMMAND_BYTES_MAX:
        raise TooLarge("the command is too large", bytes=len(raw), most=COMMAND_BYTES_MAX)
    document = outline_of(raw)
    if document is not None:
        return command_read(raw, document, matched=True)
    return _command(raw, decode(raw, limit=COMMAND_BYTES_MAX, field="command"))


@lru_cache(maxsize=_PATTERNS_KEPT)
def command_pattern(kind: str) -> str | None:
    """Write the commands of a kind as a regular expression; None where there is none."""
    if kind not in BODIES:
        return None
    try:
        body = outline.object_pattern(BODIES[kind])
    except outline.NoOutline:
        return None
    return outline.object_pattern(_COMMAND, body=body, kind=f'"{re.escape(kind)}"')


def outline_of(raw: bytes) -> dict[str, Any] | None:
    """Read a command whose bytes are plainly in order; None where they must be looked at."""
    document = loads_plainly(raw)
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not matches_outline(raw, kind):
        return None
    return document  # type: ignore[no-any-return]  # what matched is an object


def matches_outline(raw: bytes, kind: str) -> bool:
    """Say whether bytes, of JSON, are plainly a command of this kind."""
    pattern = command_pattern(kind)
    if pattern is None or len(raw) > COMMAND_BYTES_MAX:
        return False
    return outline.compiled(pattern).fullmatch(raw.decode()) is not None


def command_of(raw: bytes, document: dict[str, Any]) -> Command:
    """Read a command whose canonical bytes and document are at hand already.

    Raises:
        TooLarge: More than 24 KiB.
        Malformed: Not of the command's schema.

    """
    if len(raw) > COMMAND_BYTES_MAX:
        raise TooLarge("the command is too large", bytes=len(raw), most=COMMAND_BYTES_MAX)
    return _command(raw, document)


def _command(raw: bytes, document: Any) -> Command:
    check_depth(raw, field="command", most=COMMAND_DEPTH_MAX)
    schema.version(document, "command")
    schema.check_object(document, _COMMAND, "command")
    return command_read(raw, document, matched=False)


def command_read(raw: bytes, document: dict[str, Any], *, matched: bool) -> Command:
    """Read a command whose every field was accepted already, its body only where it `matched`.

    Raises:
        Malformed: `expect` or `sealed` is not sorted.

    """
    _sorted_once(document["expect"], "stream", "command.expect")
    _sorted_once(document["sealed"], "name", "command.sealed")
    # Not `Command(...)`: calling the type once more costs as much as all that is put in.
    fields = (
        raw,
        document,
        command_digest(raw),
        document["id"],
        document["by"],
        document["kind"],
        document["log"],
        text.time_us(document["at"], "command.at"),
        text.time_us(document["not_after"], "command.not_after"),
        tuple([Signer(one["party"], one["role"], one["key"]) for one in document["signers"]]),
        document["body"],
        matched,
    )
    return tuple.__new__(Command, fields)


def _sorted_once(entries: list[dict[str, Any]], name: str, field: str) -> None:
    if len(entries) < 2:  # noqa: PLR2004 - one is in order
        return
    names = [entry[name] for entry in entries]
    if names != sorted(set(names)):
        raise Malformed(field, f"is not sorted by {name}, each once")
