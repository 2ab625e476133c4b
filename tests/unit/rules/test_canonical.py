"""Canonical JSON: every strict case, and agreement with a slow encoder written from RFC 8785."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.canonical import DEPTH_MAX, INTEGER_LIMIT, decode, encode
from ledger.rules.errors import Malformed

LIMIT = 1 << 20

keys = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
texts = st.text(
    st.characters(exclude_categories=["Cs"], min_codepoint=32) | st.sampled_from('\n\t"\\/\x7f'),
    max_size=20,
)
numbers = st.integers(-INTEGER_LIMIT + 1, INTEGER_LIMIT - 1)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


def slow_encode(value: Any) -> bytes:
    """RFC 8785 for the restricted form: keys by UTF-16 units, the shortest escapes."""
    if value is None:
        return b"null"
    if value is True or value is False:
        return b"true" if value else b"false"
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, str):
        escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
        return ('"' + "".join(escapes.get(one, one) for one in value) + '"').encode("utf-8")
    if isinstance(value, list):
        return b"[" + b",".join(map(slow_encode, value)) + b"]"
    names = sorted(value, key=lambda name: name.encode("utf-16-be"))
    pairs = (slow_encode(name) + b":" + slow_encode(value[name]) for name in names)
    return b"{" + b",".join(pairs) + b"}"


@given(values)
def test_the_encoder_agrees_with_a_slow_one_and_is_read_back(value: Any) -> None:
    data = encode(value)

    assert data == slow_encode(value)
    assert decode(data, limit=LIMIT) == value


@given(st.binary(max_size=40) | values.map(slow_encode).flatmap(st.permutations))
def test_any_bytes_are_read_to_what_encodes_to_them_or_malformed(data: bytes | list[int]) -> None:
    raw = bytes(data)
    try:
        value = decode(raw, limit=LIMIT)
    except Malformed:
        return
    assert slow_encode(value) == raw


@given(values, st.data())
def test_a_changed_byte_gives_another_value_or_is_malformed(value: Any, data: Any) -> None:
    raw = bytearray(slow_encode(value))
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[place]))
    try:
        read = decode(bytes(raw), limit=LIMIT)
    except Malformed:
        return
    assert slow_encode(read) == bytes(raw) != slow_encode(value)


SECOND_SPELLINGS = {
    "a space": b'{"a": 1}',
    "a newline at the end": b"[]\n",
    "keys out of order": b'{"b":1,"a":2}',
    "minus zero": b"-0",
    "an escaped slash": rb'"\/"',
    "an escape for a plain letter": rb'"\u0041"',
    "an upper-case escape": rb'"\u000A"',
    "a long escape for a newline": rb'"\u000a"',
    "a surrogate pair escaped": rb'"\ud83d\ude00"',
    "an escaped control character that has a name": rb'"\b"',
}


@pytest.mark.parametrize("data", SECOND_SPELLINGS.values(), ids=SECOND_SPELLINGS)
def test_a_second_spelling_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed) as refusal:
        decode(data, limit=LIMIT)

    assert refusal.value.message in {
        "is not canonical JSON: it has a second spelling",
        "holds a control character",
    }


REFUSED = {
    "nothing": (b"", "is not JSON: Expecting value at 0"),
    "two values": (b"1 2", "is not JSON: Extra data at 2"),
    "a byte order mark": (b"\xef\xbb\xbf[]", "starts with a byte order mark"),
    "not UTF-8": (b'"\xff"', "is not UTF-8"),
    "an overlong form": (b'"\xc0\xaf"', "is not UTF-8"),
    "a surrogate in UTF-8": (b'"\xed\xa0\x80"', "is not UTF-8"),
    "a lone surrogate escaped": (rb'"\ud800"', "holds a lone surrogate"),
    "the wrong half escaped": (rb'"\udc00"', "holds a lone surrogate"),
    "an escaped null": (rb'"\u0000"', "holds a control character"),
    "an escaped bell": (rb'"\u0007"', "holds a control character"),
    "an escaped return": (rb'"\r"', "holds a control character"),
    "a raw tab": (b'"\t"', "is not JSON: Invalid control character at at 1"),
    "a raw newline": (b'"\n"', "is not JSON: Invalid control character at at 1"),
    "a fraction": (b"1.0", "holds a number that is not an integer: 1.0"),
    "an exponent": (b"1e3", "holds a number that is not an integer: 1e3"),
    "infinity by exponent": (b"1e400", "holds a number that is not an integer: 1e400"),
    "NaN": (b"NaN", "holds a number that is not an integer: NaN"),
    "minus infinity": (b"-Infinity", "holds a number that is not an integer: -Infinity"),
    "2**53": (b"9007199254740992", "holds an integer of 2**53 or more"),
    "-2**53": (b"-9007199254740992", "holds an integer of 2**53 or more"),
    "five thousand digits": (b"9" * 5000, "holds an integer of 2**53 or more"),
    "a duplicate key": (b'{"a":1,"a":1}', "holds a duplicate key"),
    "a key that is a number": (b'{"1":1}', "holds a key that is no field name: '1'"),
    "a key in upper case": (b'{"A":1}', "holds a key that is no field name: 'A'"),
    "an empty key": (b'{"":1}', "holds a key that is no field name: ''"),
    "a key with a newline": (b'{"a\\n":1}', "holds a key that is no field name: 'a\\n'"),
    "a key in full width": ('{"\uff41":1}'.encode(), "holds a key that is no field name: '\uff41'"),
    "a leading zero": (b"01", "is not JSON: Extra data at 1"),
    "a plus": (b"+1", "is not JSON: Expecting value at 0"),
    "a trailing comma": (b"[1,]", None),
    "a comment": (b"[]//", "is not JSON: Extra data at 2"),
    "a string that never ends": (b'"a', "is not JSON: Unterminated string starting at at 0"),
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_in_the_restricted_form_is_refused(data: bytes, message: str | None) -> None:
    with pytest.raises(Malformed) as refusal:
        decode(data, limit=LIMIT, field="command")

    assert refusal.value.field == "command"
    # The wording of a trailing comma is the interpreter's own and differs between versions.
    assert message is None or refusal.value.message == message


def test_the_largest_integers_are_read() -> None:
    assert decode(b"[-9007199254740991,9007199254740991]", limit=LIMIT) == [
        1 - INTEGER_LIMIT,
        INTEGER_LIMIT - 1,
    ]


def test_the_limit_counts_bytes_and_is_looked_at_first() -> None:
    assert decode(b'"\xc3\xa9"', limit=4) == "é"
    with pytest.raises(Malformed, match="has 4 bytes, at most 3 are accepted"):
        decode(b'"\xc3\xa9"', limit=3)
    with pytest.raises(Malformed, match="has 3 bytes, at most 2 are accepted"):
        decode(b"\xef\xbb\xbf", limit=2)


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_accepted_up_to_its_limit(opening: bytes, closing: bytes) -> None:
    decode(opening * DEPTH_MAX + b"1" + closing * DEPTH_MAX, limit=LIMIT)

    with pytest.raises(Malformed, match=f"is nested deeper than {DEPTH_MAX}"):
        decode(opening * (DEPTH_MAX + 1) + b"1" + closing * (DEPTH_MAX + 1), limit=LIMIT)


def test_depth_is_counted_before_anything_is_built() -> None:
    with pytest.raises(Malformed, match="nested deeper"):
        decode(b"[" * 200_000, limit=LIMIT)


def test_brackets_inside_strings_are_no_nesting() -> None:
    text = '[[["\\' * 100

    assert decode(encode([text, [text]]), limit=LIMIT) == [text, [text]]


def test_siblings_are_no_nesting() -> None:
    assert decode(encode([[]] * 1000), limit=LIMIT) == [[]] * 1000


def test_counting_the_nesting_of_a_string_that_never_ends_takes_no_longer() -> None:
    """It was tried again from each of its quotes: 64 KiB took half a minute."""
    data = b"[" + b"[]," * 40 + b'"' + b'\\"' * 400_000
    before = time.process_time()

    with pytest.raises(Malformed, match="Unterminated string"):
        decode(data, limit=LIMIT)

    assert time.process_time() - before < 2


def test_a_lone_surrogate_cannot_be_written() -> None:
    with pytest.raises(Malformed, match="document: holds a lone surrogate"):
        encode(["\ud800"])
