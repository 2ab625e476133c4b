"""Commands: read once and strictly, whatever stands where; composed to the same bytes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.rules.canonical import encode
from ledger.rules.commands import COMMAND_BYTES_MAX, Command, Signer, command_of, read_command
from ledger.rules.compose import DEFAULT_LIFE_US, Context, Draft, Sealing, compose, uuid7
from ledger.rules.digests import command_digest, sealed_digest
from ledger.rules.errors import Malformed, Refused, TooLarge, UnknownVersion
from ledger.rules.text import b64encode, check_uuid7
from tests.unit.rules.small import HOUR_US, ORIGIN, START_US, Small, key_id

OTHER = "0" * 64
SIGNERS = (Signer("shop", "owner", key_id("shop")), Signer("bob", "recipient", key_id("bob")))
DRAFT = Draft(
    "transfer-item/1",
    "shop",
    SIGNERS,
    {"item": "cards/1", "price": {"amount": "1", "currency": "CNY"}},
    expect={"party/shop": OTHER, "item/cards/1": None},
    after={"namespace/cards": "1" * 64},
    seal=[
        Sealing("reason", "bob", b"b" * 32, "because"),
        Sealing("name", "shop", b"a" * 32, "sword"),
    ],
    seen={"root": OTHER, "size": 1},
)
CONTEXT = Context(ORIGIN, OTHER, START_US)


def composed(**changes: Any) -> Command:
    return compose(CONTEXT, uuid7(START_US, bytes(10)), replace(DRAFT, **changes))


COMMAND = composed()


def test_a_composed_command_is_read_back_as_it_was_meant() -> None:
    command = read_command(COMMAND.raw)

    assert command == COMMAND
    assert command.digest == command_digest(command.raw)
    assert command.message == b"yinzheng/command/v1\n" + command.raw
    assert (command.kind, command.by, command.log) == ("transfer-item/1", "shop", ORIGIN)
    assert (command.at, command.not_after) == (START_US, START_US + DEFAULT_LIFE_US)
    assert command.signers == SIGNERS
    assert command.body == DRAFT.body
    assert command_of(command.raw, command.document) == COMMAND._replace(matched=False)


def test_a_composed_command_sorts_what_must_be_sorted() -> None:
    assert COMMAND.document["expect"] == [
        {"leaf": None, "stream": "item/cards/1"},
        {"after": "1" * 64, "stream": "namespace/cards"},
        {"leaf": OTHER, "stream": "party/shop"},
    ]
    assert [one["name"] for one in COMMAND.document["sealed"]] == ["name", "reason"]


def test_a_sealed_value_is_bound_to_log_command_and_name() -> None:
    salt = b64encode(b"a" * 32)
    sealed = COMMAND.document["sealed"][0]

    assert sealed == {
        "digest": sealed_digest(ORIGIN, COMMAND.id, "name", salt, "sword"),
        "name": "name",
        "subject": "shop",
    }
    disclosure = DRAFT.seal[1].disclosure()
    assert disclosure == {"name": "name", "salt": salt, "value": "sword"}


def test_a_command_lives_as_long_as_the_composer_says() -> None:
    context = replace(CONTEXT, not_after=START_US + 7)

    assert compose(context, COMMAND.id, DRAFT).not_after == START_US + 7


@given(st.integers(0, 2**48 * 1000 - 1), st.binary(min_size=10, max_size=10))
def test_an_id_holds_the_milliseconds_in_front(at: int, random: bytes) -> None:
    identifier = uuid7(at, random)

    check_uuid7(identifier, field="id")
    assert int(identifier.replace("-", "")[:12], 16) == at // 1000


def with_field(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *way, last = path.split(".")
        for step in way:
            document = document[int(step) if step.isdigit() else step]
        document[last] = value

    return change


def swapped(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document[name].reverse()


def doubled(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda document: document[name].append(document[name][-1])


MALFORMED = {
    "at without microseconds": (with_field("at", "2026-11-22T09:00:00Z"), "command.at"),
    "body that is no object": (with_field("body", []), "command.body"),
    "by that is a list": (with_field("by", ["shop"]), "command.by"),
    "by that is a stream": (with_field("by", "party/shop"), "command.by"),
    "expect out of order": (swapped("expect"), "command.expect"),
    "expect twice": (doubled("expect"), "command.expect"),
    "expect that is both": (with_field("expect.0.after", OTHER), "command.expect[0].leaf"),
    "expect of no stream": (with_field("expect.0.stream", "orders"), "command.expect[0].stream"),
    "expect of a short hash": (with_field("expect.2.leaf", "0" * 63), "command.expect[2].leaf"),
    "expect that is null": (with_field("expect", [None]), "command.expect[0]"),
    "expect after nothing": (with_field("expect.1.after", None), "command.expect[1].after"),
    "id of version 4": (with_field("id", COMMAND.id.replace("-7", "-4")), "command.id"),
    "id that is a number": (with_field("id", 7), "command.id"),
    "id of a timer in upper case": (with_field("id", "A" * 64), "command.id"),
    "kind that is empty": (with_field("kind", ""), "command.kind"),
    "log in upper case": (with_field("log", "Yinzheng"), "command.log"),
    "not_after that is null": (with_field("not_after", None), "command.not_after"),
    "policy that is short": (with_field("policy", "00"), "command.policy"),
    "sealed out of order": (swapped("sealed"), "command.sealed"),
    "sealed twice": (doubled("sealed"), "command.sealed"),
    "sealed without subject": (
        with_field("sealed", [{"digest": OTHER, "name": "n"}]),
        "command.sealed[0].subject",
    ),
    "seen of nothing": (with_field("seen.size", 0), "command.seen.size"),
    "seen of a true size": (with_field("seen.size", value=True), "command.seen.size"),
    "seen of 2**53": (with_field("seen.size", 2**53 - 1), None),
    "no signers": (with_field("signers", []), "command.signers"),
    "nine signers": (with_field("signers", [{}] * 9), "command.signers"),
    "a signer with a fourth field": (with_field("signers.0.alg", "x"), "command.signers[0].alg"),
    "a signer without a key": (with_field("signers.1.key", None), "command.signers[1].key"),
    "a role that is a list": (with_field("signers.0.role", []), "command.signers[0].role"),
    "a version in words": (with_field("v", "1"), "command.v"),
    "a true version": (with_field("v", value=True), "command.v"),
    "a field too many": (with_field("note", "x"), "command.note"),
    "a field too few": (lambda document: document.pop("seen"), "command.seen"),
}


@pytest.mark.parametrize(("change", "field"), MALFORMED.values(), ids=MALFORMED)
def test_a_field_that_is_not_in_its_form_is_named(
    change: Callable[[dict[str, Any]], None], field: str | None
) -> None:
    document = read_command(COMMAND.raw).document
    change(document)
    raw = encode(document)
    if field is None:
        read_command(raw)
        return

    with pytest.raises(Malformed) as refusal:
        read_command(raw)

    assert (type(refusal.value), refusal.value.field) == (Malformed, field)


def test_another_version_is_unknown_not_malformed() -> None:
    document = COMMAND.document | {"v": 2, "strange": None}

    with pytest.raises(UnknownVersion, match=r"command\.v: is version 2, not 1"):
        read_command(encode(document))


def test_a_timer_may_carry_a_digest_for_its_id() -> None:
    assert compose(CONTEXT, OTHER, DRAFT).id == OTHER


def test_more_than_24_kib_are_too_large_and_one_byte_less_is_not() -> None:
    spare = COMMAND_BYTES_MAX - len(composed(body={"text": ""}).raw)
    largest = composed(body={"text": "x" * spare})
    assert len(read_command(largest.raw).raw) == 24_576

    for read in (read_command, lambda raw: command_of(raw, largest.document)):
        with pytest.raises(TooLarge) as refusal:
            read(largest.raw + b" ")
        assert refusal.value.evidence == {"bytes": 24_577, "most": 24_576}


@given(st.data())
def test_a_command_with_a_changed_byte_is_another_command_or_none(data: st.DataObject) -> None:
    raw = bytearray(COMMAND.raw)
    place = data.draw(st.integers(0, len(raw) - 1))
    raw[place] ^= data.draw(st.integers(1, 255))

    with suppress(Malformed):
        assert read_command(bytes(raw)).digest != COMMAND.digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/.é", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", min_size=1), inner),
    max_leaves=6,
)


@given(st.data())
def test_whatever_stands_in_a_field_reading_raises_malformed_or_nothing(
    data: st.DataObject,
) -> None:
    """Also derive: no body and no field makes it raise anything but a refusal."""
    small = Small().market()
    document = read_command(small.command(small.sale("cards/9", "a", "b")).raw).document
    target = data.draw(st.sampled_from([document, document["body"], document["signers"][0]]))
    target[data.draw(st.sampled_from(sorted(target)))] = data.draw(JSON)

    with suppress(Malformed):
        command = read_command(encode(document))
        with suppress(Refused):
            small.derive(command)


def test_a_life_of_an_hour_is_what_the_tests_take_for_granted() -> None:
    assert DEFAULT_LIFE_US == HOUR_US
