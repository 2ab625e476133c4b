"""One value, one spelling: what each text form accepts, at its edges, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules import text
from ledger.rules.errors import Malformed

TIME = "2026-11-22T09:00:00.000000Z"
UUID7 = "01a2027c-1500-7a4c-8693-f2ad7d4ad291"

FORMS: dict[str, tuple[Callable[..., object], list[str], list[str]]] = {
    "hex32": (text.hex32, ["0" * 64, "09af" * 16], ["0" * 63, "0" * 65, "A" * 64, "0" * 64 + "\n"]),
    "base64": (
        text.b64decode,
        ["", "AA==", "AAA=", "AAAA", "+/+/"],
        ["A", "AA", "AA=", "AB==", "AAB=", "AA==\n", " AAAA", "A-_A", "AAAA====", "ÄÄÄÄ", "\ud800"],
    ),
    "time": (
        text.check_time,
        [TIME, "0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z"],
        [
            *("2026-11-22T09:00:00Z", "2026-11-22T09:00:00.000Z", TIME[:-1] + "+00:00"),
            *(TIME.lower(), TIME.replace("T", " "), TIME + "\n", " " + TIME, TIME[:-1]),
            *("2026-02-29T00:00:00.000000Z", "2026-13-01T00:00:00.000000Z"),
            *("2026-11-22T24:00:00.000000Z", "2026-06-30T23:59:60.000000Z"),
            *("0000-01-01T00:00:00.000000Z", "\uff12026-11-22T09:00:00.000000Z"),
        ],
    ),
    "identifier": (
        text.check_id,
        ["a", "A.b_c:d~e-9", "...", "x" * 128, "-"],
        ["", ".", "..", "x" * 129, "a/b", "a b", "a\n", "é", "a%"],
    ),
    "namespace": (
        text.check_namespace,
        ["a", "0", "a._-z", "a" * 63],
        ["", "a" * 64, "A", ".a", "_a", "-a", "a/b", "a\n", "\uff41"],
    ),
    "party": (
        text.check_party,
        ["bob", "imported", "imported/ns/x", "imported/0/."[:-1] + "~"],
        [
            *("", "imported/", "imported/ns", "imported/ns/", "imported//x", "imported/NS/x"),
            *("imported/ns/.", "imported/ns/x/y", "other/ns/x", "."),
        ],
    ),
    "item": (
        text.check_item,
        ["ns/x", "0/..."],
        ["", "ns", "ns/", "/x", "NS/x", "ns/.", "ns/x/y", "ns/x\n"],
    ),
    "stream": (
        text.check_stream,
        ["log", "policy/ledger", "party/bob", "imported/ns/x", "namespace/ns", "item/ns/x"],
        [
            *("", "logs", "log/", "log/x", "policy", "party/", "party/.", "party/a/b", "item/ns"),
            *("item/NS/x", "item/ns/..", "namespace/NS", "imported/ns", "order/x", "Log", "log\n"),
        ],
    ),
    "uuid7": (
        text.check_uuid7,
        [UUID7],
        [UUID7.upper(), UUID7.replace("-7", "-4"), UUID7.replace("-8", "-c"), UUID7 + "0", ""],
    ),
    "currency": (text.check_currency, ["CN", "A0", "A" * 10], ["", "C", "A" * 11, "cny", "0A"]),
    "amount": (
        text.check_amount,
        ["0", "1", "9" * 38],
        ["", "00", "01", "-1", "+1", "1.0", "9" * 39, "1e3", "\uff11", " 1"],
    ),
    "origin": (
        text.check_origin,
        ["a", "yinzheng.local/x", "a/" + "/".join("bcdefg"), "a" * 100],
        ["", "A", "a/", "/a", "a//b", "a" * 101, "a/" + "/".join("bcdefgh"), "a b", "a+b", "a\n"],
    ),
    "decimal": (
        text.decimal,
        ["0", "7", str(2**63 - 1)],
        ["", "00", "01", "-1", "+1", str(2**63), "9" * 20, "9" * 5000, "\uff11", "²", " 1", "1_0"],
    ),
}
NO_TEXTS: tuple[Any, ...] = (None, 1, True, b"0", [], {}, ["a"], {"a": 1})

accepted = [(name, value) for name, (_, good, _) in FORMS.items() for value in good]
refused = [(name, value) for name, (_, _, bad) in FORMS.items() for value in bad]
no_texts = [(name, value) for name in FORMS for value in NO_TEXTS]


@pytest.mark.parametrize(("name", "value"), accepted)
def test_a_text_in_its_form_is_accepted(name: str, value: str) -> None:
    FORMS[name][0](value, field="here")


@pytest.mark.parametrize(("name", "value"), refused)
def test_a_text_in_any_other_form_is_malformed(name: str, value: str) -> None:
    with pytest.raises(Malformed) as refusal:
        FORMS[name][0](value, field="here")

    assert type(refusal.value) is Malformed
    assert refusal.value.field == "here"


@pytest.mark.parametrize(("name", "value"), no_texts)
def test_what_is_no_text_is_malformed(name: str, value: Any) -> None:
    """A list where an id should stand once raised a TypeError."""
    with pytest.raises(Malformed) as refusal:
        FORMS[name][0](value, field="here")

    assert refusal.value.field == "here"


@given(st.text(max_size=30), st.sampled_from(sorted(FORMS)))
def test_any_text_is_accepted_or_malformed(value: str, name: str) -> None:
    with suppress(Malformed):
        FORMS[name][0](value, field="here")


@given(st.binary(max_size=100))
def test_bytes_have_one_base64(raw: bytes) -> None:
    assert text.b64decode(text.b64encode(raw), field="x") == raw


def test_base64_of_another_length_is_malformed() -> None:
    with pytest.raises(Malformed, match="x: holds 3 bytes, expected 4"):
        text.b64decode("AAAA", field="x", size=4)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_time_is_its_microseconds_and_back(moment: datetime) -> None:
    written = moment.strftime(f"{moment.year:04}-%m-%dT%H:%M:%S.%fZ")
    us = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

    assert text.time_us(written, field="x") == us
    assert text.format_time(us) == written


def test_no_time_is_written_past_the_year_9999() -> None:
    last = text.time_us("9999-12-31T23:59:59.999999Z", field="x")

    with pytest.raises(Malformed, match="lies past the year 9999"):
        text.format_time(last + 1)


def test_a_party_stream_is_its_own_for_imported_parties_only() -> None:
    assert text.party_stream("bob") == "party/bob"
    assert text.party_stream("imported/ns/bob") == "imported/ns/bob"
    assert text.is_imported("imported/ns/bob")
    assert not text.is_imported("imported")


@given(st.from_regex(re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII), fullmatch=True))
def test_streams_of_different_rooms_never_meet(namespace: str) -> None:
    names = {f"item/{namespace}/x", f"imported/{namespace}/x", f"namespace/{namespace}"}

    for name in names:
        text.check_stream(name, field="x")
    assert len(names) == 3
