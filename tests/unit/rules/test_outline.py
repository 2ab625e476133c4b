"""An outline accepts less than its schema, never more."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.rules import canonical, commands, entries, outline, schema
from ledger.rules.commands import Command, command_pattern, read_command
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import RuleError
from ledger.rules.kinds import EVENT_TYPES, KINDS, kind_of_checked
from ledger.rules.schema import Check
from tests.unit.proof.story import READ

WITHOUT = {"open-ledger/1", "publish-policy/1", "publish-trade-policy/1", "cancel-command/1"}
RAW = [entry.raw for entry in READ]
COMMANDS = [entry.command.raw for entry in READ if entry.command is not None]


def by_schema(read: Callable[[bytes], Any], raw: bytes) -> tuple[str, Any]:
    """Read with every outline out of the way."""
    kept = commands.BODIES.copy(), entries.DATA.copy()
    commands.BODIES.clear()
    entries.DATA.clear()
    command_pattern.cache_clear()
    entries._pattern.cache_clear()
    try:
        return outcome(read, raw)
    finally:
        commands.BODIES.update(kept[0])
        entries.DATA.update(kept[1])
        command_pattern.cache_clear()
        entries._pattern.cache_clear()


def outcome(read: Callable[[bytes], Any], raw: bytes) -> tuple[str, Any]:
    try:
        return "read", seen(read(raw))
    except RuleError as error:
        return type(error).__name__, str(error)


def seen(value: Command | Entry) -> Command | Entry:
    """Forget how a value was looked at: what it says is the same."""
    if isinstance(value, Command):
        return value._replace(matched=False)
    return value._replace(command=value.command and value.command._replace(matched=False))


def with_body(raw: bytes) -> Command:
    command = read_command(raw)
    kind_of_checked(command)
    return command


def outlined(raw: bytes) -> bool:
    return commands.outline_of(raw) is not None


def test_every_kind_has_an_outline_but_for_those_whose_bodies_have_readers_of_their_own() -> None:
    assert {name for name in KINDS if command_pattern(name) is None} == WITHOUT
    assert {name for name in EVENT_TYPES if entries._pattern(name, None) is None} == set()


def test_what_is_plainly_in_order_is_read_by_its_outline() -> None:
    found = {read_command(raw).kind for raw in COMMANDS if not outlined(raw)}

    assert found <= WITHOUT
    assert sum(entries._outlined(raw, "") is not None for raw in RAW) > len(RAW) // 2


@pytest.mark.parametrize("index", range(len(RAW)))
def test_an_entry_reads_alike_with_and_without_outlines(index: int) -> None:
    assert outcome(read_entry, RAW[index]) == by_schema(read_entry, RAW[index])


PIECES = st.sampled_from(
    [*(bytes([byte]) for byte in b'"\\{}[],:09-.e aZ=/A\n\x00'), "é".encode(), b"null", b"true"]
) | st.sampled_from([b'""', b'".."', b'"."'])


@st.composite
def mutations(draw: st.DrawFn, raws: list[bytes]) -> bytes:
    raw = bytearray(draw(st.sampled_from(raws)))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(raw)))
        piece = draw(PIECES | st.binary(min_size=1, max_size=2))
        match draw(st.integers(0, 2)):
            case 0:
                raw[at:at] = piece
            case 1:
                raw[at : at + len(piece)] = piece
            case _:
                del raw[at : at + draw(st.integers(1, 40))]
    return bytes(raw)


@settings(max_examples=600)
@given(mutations(COMMANDS))
def test_a_mutated_command_is_judged_alike(raw: bytes) -> None:
    found, expected = outcome(with_body, raw), by_schema(with_body, raw)

    assert found == expected
    if outlined(raw):
        assert expected[0] == "read" or "sorted" in expected[1]


@settings(max_examples=600)
@given(mutations(RAW))
def test_a_mutated_entry_is_judged_alike(raw: bytes) -> None:
    assert outcome(read_entry, raw) == by_schema(read_entry, raw)


UUID7 = "019aab48-f80c-7000-8000-000000000000"
STRINGS = [
    *(".", "..", "...", "imported/a/b", "imported/./b", "imported/a/..", "imported/b", "party/.."),
    *("log", "logs", "log\n", "item/a/.", "item/a/b/c", "policy/x", "namespace/-", "namespace/a/b"),
    *("merchant/a", "merchant/a/b", "listing/a", "listing/a/b", "listing/a/..", "game-card", "9a"),
    *("balance/a", "balance/..", "balance/a/b", "external/alipay", "external/x", "fees", "fund"),
    *(f"order/{UUID7}", f"claim/{UUID7}", f"alert/{UUID7}", "order/a", f"order/{UUID7}/1"),
    *("checks/a", "credit/a", "checks/a/b"),
    *("issued", "issued/", "deposit/a", "receivable/a", f"escrow/{UUID7}/1", f"escrow/{UUID7}/0"),
    *(f"escrow/{UUID7}", "escrow/a/1", "-1", "-0", "-01", "-" + "9" * 38, "9" * 39, UUID7),
    *("2026-02-30T00:00:00.000000Z", "2026-02-28T24:00:00.000000Z", "2026-12-28T23:59:59.999999Z"),
    *("0000-01-01T00:00:00.000000Z", "AA==", "AB==", "AAA=", "AAB=", "0", "00", "CNY", "cny", ""),
    *("f" * 64, "F" * 64, "a" * 128, "a" * 129, "a" * 200, "a" * 201, "a\n"),
]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 2**54)
    | st.text('aZ09._:~-/=+ \\"é', max_size=6)
    | st.sampled_from(STRINGS),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "v", "key"]), inner, max_size=2)
    ),
    max_leaves=4,
)
CHECKS = [
    *outline._TEXTS,
    schema.seconds,
    schema.money,
    schema.key,
    schema.whole(0, 9),
    schema.whole(0, 10),
    schema.whole(1, 1),
    schema.whole(1, (1 << 53) - 1),
    schema.items(schema.hex32, least=1, most=2),
    schema.items(schema.party, most=2),
    schema.nullable(schema.time),
]


def accepts_no_more(check: Check, value: Any) -> None:
    """Have the check look at a value that its pattern matches."""
    try:
        pattern = outline.pattern(check)
    except outline.NoOutline:
        return
    written = canonical.encode(value).decode()
    if re.fullmatch(pattern, written, re.ASCII):
        check(value, "value")


@pytest.mark.parametrize("position", range(len(CHECKS)))
def test_a_pattern_matches_no_near_miss(position: int) -> None:
    for text in STRINGS:
        accepts_no_more(CHECKS[position], text)


@pytest.mark.parametrize("number", [0, 1, 8, 9, 10, 11, 99, 100, (1 << 53) - 1, 1 << 53, -1])
def test_a_number_beyond_its_bound_is_not_matched(number: int) -> None:
    bounds = [(0, 10), (0, 99), (0, 1_000), (1, 1), (1, 10), (1, 1_000), (1, (1 << 53) - 1)]
    for low, high in bounds:
        accepts_no_more(schema.whole(low, high), number)


def test_every_day_but_one_has_an_outline_and_no_other_day_has() -> None:
    pattern = outline.compiled(outline.pattern(schema.time))
    days = {f"2023-{month:02}-{day:02}" for month in range(14) for day in range(33)}
    matched = {day for day in days if pattern.fullmatch(f'"{day}T10:00:00.000000Z"')}

    first = date(2023, 1, 1)
    assert matched == {(first + timedelta(days=day)).isoformat() for day in range(365)}
    assert not pattern.fullmatch('"2024-02-29T10:00:00.000000Z"')


def test_an_array_of_one_more_or_one_less_is_not_matched() -> None:
    for least, most in [(0, 1), (0, 2), (1, 1), (1, 2), (2, 3)]:
        for length in range(most + 2):
            accepts_no_more(schema.items(schema.hex32, least=least, most=most), ["f" * 64] * length)


def test_a_command_that_is_too_large_is_refused_inside_an_entry_too() -> None:
    entry = next(one for one in READ if one.command and one.command.kind == "transfer-item/1")
    assert entry.command is not None
    long = f"{'n' * 63}/{'i' * 124}"
    expect = [{"leaf": "f" * 64, "stream": f"item/{long}{place:04}"} for place in range(64)]
    sealed = [
        {"digest": "f" * 64, "name": f"{place:02}{'n' * 126}", "subject": f"imported/{long}"}
        for place in range(16)
    ]
    command = entry.command.document | {"expect": expect, "sealed": sealed}
    raw = canonical.encode(entry.document | {"command": command})
    pattern = entries._pattern(entry.type, "transfer-item/1")

    assert pattern is not None
    assert outline.compiled(pattern).fullmatch(raw.decode())
    assert len(canonical.encode(command)) > commands.COMMAND_BYTES_MAX
    assert outcome(read_entry, raw) == by_schema(read_entry, raw)
    assert outcome(read_entry, raw)[0] == "TooLarge"


@pytest.mark.parametrize("position", range(len(CHECKS)))
@given(value=VALUES)
def test_a_pattern_matches_only_what_its_check_accepts(position: int, value: Any) -> None:
    accepts_no_more(CHECKS[position], value)


def test_a_bound_that_no_number_of_digits_says_has_no_outline() -> None:
    for check in (schema.whole(2, 100), schema.whole(0, 9)):
        with pytest.raises(outline.NoOutline):
            outline.pattern(check)
