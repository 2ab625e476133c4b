"""A faster JSON library must never read, write or refuse anything differently."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Never

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger import codec
from ledger.rules import canonical
from ledger.rules.canonical import decode, encode
from ledger.rules.errors import Malformed

LIMIT = 1 << 16

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
STRANGE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = canonical._Fast.loads, canonical._Fast.dumps
    yield
    canonical._Fast.loads, canonical._Fast.dumps = before


def outcome(data: bytes, *, by: str) -> tuple[str, Any]:
    """Read with orjson first, with the standard library first, or step by step at once."""
    if by == "orjson":
        codec.install()
    else:
        canonical._Fast.loads = canonical._Fast.dumps = None
    with pytest.MonkeyPatch.context() as patch:
        if by == "steps":
            patch.setattr(canonical, "_loads", refuse)
        try:
            value = decode(data, limit=LIMIT)
        except Malformed as error:
            return "malformed", (error.field, error.message)
    return "read", (repr(value), json.dumps(value))


def refuse(_data: bytes) -> Never:
    raise ValueError


def judged_alike(data: bytes) -> bool:
    judged = outcome(data, by="steps")
    return outcome(data, by="orjson") == outcome(data, by="plain") == judged


def written(value: Any, *, fast: bool) -> bytes | str:
    if fast:
        codec.install()
    else:
        canonical._Fast.loads = canonical._Fast.dumps = None
    try:
        return encode(value)
    except Malformed as error:
        return error.message


@given(PLAIN)
def test_what_is_canonical_is_written_and_read_alike(value: Any) -> None:
    raw = written(value, fast=False)

    assert isinstance(raw, bytes)
    assert written(value, fast=True) == raw
    assert judged_alike(raw)
    # And by the fast library itself, not by falling back: it agrees on all of this.
    if b"\\" not in raw:
        assert canonical._is_restricted(orjson.loads(raw))


@given(value=STRANGE, spaced=st.booleans(), ascii_only=st.booleans())
@example(value={"a": 1.5}, spaced=False, ascii_only=False)
@example(value={"a": 2**64}, spaced=False, ascii_only=False)
@example(value={"a": 2**53}, spaced=False, ascii_only=False)
@example(value={"é": 1}, spaced=False, ascii_only=False)
@example(value="\ud800", spaced=False, ascii_only=True)
def test_what_is_strange_is_refused_in_the_same_words(
    value: Any, *, spaced: bool, ascii_only: bool
) -> None:
    separators = (", ", ": ") if spaced else (",", ":")
    text = json.dumps(value, ensure_ascii=ascii_only, sort_keys=True, separators=separators)
    raw = text.encode("utf-8", "surrogatepass")

    assert judged_alike(raw)


@given(PLAIN, st.integers(0, 10_000), st.integers(0, 7))
def test_a_flipped_bit_is_judged_alike(value: Any, at: int, bit: int) -> None:
    raw = bytearray(encode(value))
    raw[at % len(raw)] ^= 1 << bit

    assert judged_alike(bytes(raw))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"nul",
        b"-0",
        b"1e3",
        b"1.0",
        b"NaN",
        b"-Infinity",
        b"9007199254740992",
        b"-9007199254740992",
        b"18446744073709551616",
        b'{"a":1,"a":1}',
        b'{"b":1,"a":1}',
        b'{"a":1 }',
        b'{"A":1}',
        b'{"":1}',
        b'{"a":"\\u0041"}',
        b'{"a":"\\/"}',
        b'{"a":"\\ud800"}',
        b'{"a":"\x1f"}',
        b'{"a":"\\u0001"}',
        b'{"a":"\xff"}',
        b"\xef\xbb\xbf{}",
        b"[" * 40 + b"]" * 40,
        b'{"a":"' + "\u2028\x7f\U0001f600".encode() + b'"}',
    ],
)
def test_a_corpus_of_spellings_is_judged_alike(raw: bytes) -> None:
    assert judged_alike(raw)


def test_a_number_that_only_the_standard_library_writes_is_written_by_it() -> None:
    assert written(2**70, fast=True) == written(2**70, fast=False) == b"1180591620717411303424"
