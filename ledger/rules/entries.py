"""An entry: the unit that is stored, hashed, linked, served and shipped.

Specification: docs/spec.md section 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.rules import schema, text
from ledger.rules.canonical import decode, encode
from ledger.rules.commands import SIGNERS_MAX, Command, command_of
from ledger.rules.digests import leaf
from ledger.rules.errors import Malformed

ENTRY_BYTES_MAX = 65_535
EFFECTS_MAX = 1_000
INDEX_MAX = (1 << 53) - 1

_index = schema.whole(0, INDEX_MAX)
_COMMON: schema.Schema = {
    "at": schema.time,
    "data": schema.any_object,
    "index": _index,
    "log": schema.origin,
    "prev": schema.nullable(schema.hex32),
    "seq": _index,
    "stream": schema.stream,
    "type": schema.any_string,
    "v": schema.whole(1, 1),
}
_OWN: schema.Schema = _COMMON | {
    "command": schema.any_object,
    "effects": schema.whole(0, EFFECTS_MAX),
    "sigs": schema.items(schema.base64, least=1, most=SIGNERS_MAX),
}
_EFFECT: schema.Schema = _COMMON | {
    "cause": schema.hex32,
    "effect": schema.whole(1, EFFECTS_MAX),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as read. `raw` is what was hashed; exactly one of `command` and `cause` is set."""

    raw: bytes
    leaf: str
    document: dict[str, Any]
    index: int
    stream: str
    seq: int
    prev: str | None
    type: str
    log: str
    at: int
    data: dict[str, Any]
    command: Command | None
    sigs: tuple[str, ...]
    effects: int
    cause: str | None
    effect: int


def read_entry(raw: bytes) -> Entry:
    """Read an entry's canonical bytes.

    Args:
        raw: At most 65,535 bytes.

    Raises:
        Malformed: Not canonical, or not of the entry's schema.
        TooLarge: The command inside is too large.

    Spec: docs/spec.md section 6.1.

    """
    document = decode(raw, limit=ENTRY_BYTES_MAX, field="entry")
    if not isinstance(document, dict):
        raise Malformed("entry", "is not an object")
    schema.version(document, "entry")
    own = "command" in document
    schema.check_object(document, _OWN if own else _EFFECT, "entry")
    # The document re-encoded to `raw`, so these are the bytes inside it.
    command = command_of(encode(document["command"]), document["command"]) if own else None
    return Entry(
        raw=raw,
        leaf=leaf(raw),
        document=document,
        index=document["index"],
        stream=document["stream"],
        seq=document["seq"],
        prev=document["prev"],
        type=document["type"],
        log=document["log"],
        at=text.time_us(document["at"], field="entry.at"),
        data=document["data"],
        command=command,
        sigs=tuple(document["sigs"]) if own else (),
        effects=document["effects"] if own else 0,
        cause=None if own else document["cause"],
        effect=0 if own else document["effect"],
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry goes: its log, index, stream, position, link and time."""

    log: str
    index: int
    stream: str
    seq: int
    prev: str | None
    at: str


def write_own(
    place: Place, type_: str, data: dict[str, Any], *, command: bytes, sigs: list[str], effects: int
) -> bytes:
    """Write the entry that carries a command, the signed bytes spliced in as they are."""
    before = encode({"at": place.at})[:-1]
    after = encode(
        {
            "data": data,
            "effects": effects,
            "index": place.index,
            "log": place.log,
            "prev": place.prev,
            "seq": place.seq,
            "sigs": sigs,
            "stream": place.stream,
            "type": type_,
            "v": 1,
        }
    )[1:]
    # "at" < "command" < "data": the three pieces are in key order.
    return before + b',"command":' + command + b"," + after


def write_effect(
    place: Place, type_: str, data: dict[str, Any], *, cause: str, effect: int
) -> bytes:
    """Write the entry of a command's effect number `effect`; `cause` is the leaf of its entry."""
    return encode(
        {
            "at": place.at,
            "cause": cause,
            "data": data,
            "effect": effect,
            "index": place.index,
            "log": place.log,
            "prev": place.prev,
            "seq": place.seq,
            "stream": place.stream,
            "type": type_,
            "v": 1,
        }
    )
