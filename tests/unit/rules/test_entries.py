"""Entries: the signed bytes are spliced in as they are, and read back strictly."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.canonical import encode
from ledger.rules.digests import leaf
from ledger.rules.entries import (
    EFFECTS_MAX,
    ENTRY_BYTES_MAX,
    Place,
    read_entry,
    write_effect,
    write_own,
)
from ledger.rules.errors import Malformed, TooLarge, UnknownVersion
from ledger.rules.text import format_time
from tests.unit.rules.small import ORIGIN, SIG, START_US, Small

OTHER = "0" * 64
AT = format_time(START_US)
SMALL = Small().market()
COMMAND = SMALL.command(SMALL.sale("cards/9", "a", "b", tx='é"\\\n'))
PLACE = Place(ORIGIN, 7, "item/cards/9", 0, None, AT)
OWN = write_own(
    PLACE, "sale-presented/1", {"identity": OTHER}, command=COMMAND.raw, sigs=[SIG], effects=2
)
EFFECT = write_effect(PLACE, "sale-imported/1", {"from": "a"}, cause=OTHER, effect=1)


def document_of(raw: bytes) -> dict[str, Any]:
    return dict(read_entry(raw).document)


def test_the_spliced_bytes_are_the_canonical_ones_of_the_whole() -> None:
    document = {
        "at": AT,
        "command": COMMAND.document,
        "data": {"identity": OTHER},
        "effects": 2,
        "index": 7,
        "log": ORIGIN,
        "prev": None,
        "seq": 0,
        "sigs": [SIG],
        "stream": "item/cards/9",
        "type": "sale-presented/1",
        "v": 1,
    }

    assert encode(document) == OWN
    assert COMMAND.raw in OWN


@given(
    st.integers(0, 2**53 - 1),
    st.integers(0, 2**53 - 1),
    st.none() | st.just(OTHER),
    st.dictionaries(st.from_regex(r"[a-z][a-z0-9_]{0,9}", fullmatch=True), st.text(max_size=9)),
    st.integers(0, EFFECTS_MAX),
    st.integers(1, 8),
)
def test_any_entry_that_is_written_is_read_back(
    index: int, seq: int, prev: str | None, data: dict[str, str], effects: int, sigs: int
) -> None:
    data = {name: "".join(one for one in text if one >= " ") for name, text in data.items()}
    place = Place(ORIGIN, index, "item/cards/9", seq, prev, AT)
    raw = write_own(place, "x/1", data, command=COMMAND.raw, sigs=[SIG] * sigs, effects=effects)

    entry = read_entry(raw)

    assert (entry.raw, entry.leaf) == (raw, leaf(raw))
    assert (entry.index, entry.stream, entry.seq, entry.prev) == (index, place.stream, seq, prev)
    assert (entry.log, entry.at, entry.type, entry.data) == (ORIGIN, START_US, "x/1", data)
    assert (entry.command, entry.sigs, entry.effects) == (COMMAND, (SIG,) * sigs, effects)
    assert (entry.cause, entry.effect) == (None, 0)


def test_an_effect_names_its_cause_and_carries_no_command() -> None:
    entry = read_entry(EFFECT)

    assert (entry.cause, entry.effect, entry.data) == (OTHER, 1, {"from": "a"})
    assert (entry.command, entry.sigs, entry.effects) == (None, (), 0)


MALFORMED = {
    "an effect with effects": (EFFECT, {"effects": 0}, "entry.effects"),
    "an own entry with a cause": (OWN, {"cause": OTHER}, "entry.cause"),
    "no signature": (OWN, {"sigs": []}, "entry.sigs"),
    "nine signatures": (OWN, {"sigs": [SIG] * 9}, "entry.sigs"),
    "a signature that is no base64": (OWN, {"sigs": ["?"]}, "entry.sigs[0]"),
    "too many effects": (OWN, {"effects": EFFECTS_MAX + 1}, "entry.effects"),
    "effect number 0": (EFFECT, {"effect": 0}, "entry.effect"),
    "effect number 1001": (EFFECT, {"effect": EFFECTS_MAX + 1}, "entry.effect"),
    "an index below 0": (OWN, {"index": -1}, "entry.index"),
    "a true index": (OWN, {"index": True}, "entry.index"),
    "a short link": (OWN, {"prev": "00"}, "entry.prev"),
    "no stream of ours": (OWN, {"stream": "order/1"}, "entry.stream"),
    "a type that is no text": (OWN, {"type": 1}, "entry.type"),
    "a log that is a list": (OWN, {"log": []}, "entry.log"),
    "data that is a list": (OWN, {"data": []}, "entry.data"),
    "a command that is a text": (OWN, {"command": "{}"}, "entry.command"),
    "a command without fields": (OWN, {"command": {}}, "command.at"),
    "a true version": (OWN, {"v": True}, "entry.v"),
    "a strange field": (EFFECT, {"note": 1}, "entry.note"),
}


@pytest.mark.parametrize(("raw", "changes", "field"), MALFORMED.values(), ids=MALFORMED)
def test_what_is_no_entry_is_malformed(raw: bytes, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as refusal:
        read_entry(encode(document_of(raw) | changes))

    assert (type(refusal.value), refusal.value.field) == (Malformed, field)


@pytest.mark.parametrize("raw", [b"[]", b'"entry"', b"null", b"1"])
def test_an_entry_is_an_object(raw: bytes) -> None:
    with pytest.raises(Malformed, match="entry: is not an object"):
        read_entry(raw)


def test_another_version_is_unknown_not_malformed() -> None:
    with pytest.raises(UnknownVersion, match=r"entry\.v: is version 2, not 1"):
        read_entry(encode(document_of(OWN) | {"v": 2}))


def test_an_entry_has_at_most_65535_bytes() -> None:
    spare = ENTRY_BYTES_MAX - len(encode(document_of(EFFECT) | {"data": {"text": ""}}))
    largest = encode(document_of(EFFECT) | {"data": {"text": "x" * spare}})
    assert len(read_entry(largest).raw) == 65_535

    with pytest.raises(Malformed, match="has 65536 bytes, at most 65535 are accepted"):
        read_entry(largest + b" ")


def test_a_command_inside_is_held_to_its_own_limit() -> None:
    command = COMMAND.document | {"body": {"text": "x" * 24_576}}

    with pytest.raises(TooLarge):
        read_entry(encode(document_of(OWN) | {"command": command}))
