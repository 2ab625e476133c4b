"""Reading a trade policy from YAML: what it becomes, and what is said of every fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.policies.reading import default_policy, read_policy
from api.policies.yamltree import BYTES_MAX, Fault, Mapping, Node, Scalar, Sequence, read_tree
from ledger.rules import schema
from ledger.rules.schema import Items, Nested, Nullable, Schema, Whole, shape_of
from ledger.rules.terms_document import TERMS, trade_policy

DEFAULT = default_policy().decode("utf-8")
LINES = DEFAULT.split("\n")


def scalars(node: Node, path: str = "") -> Iterator[tuple[str, Scalar]]:
    """Every value of a tree with the name of its field."""
    if isinstance(node, Scalar):
        yield path, node
    elif isinstance(node, Sequence):
        for number, each in enumerate(node.nodes):
            yield from scalars(each, f"{path}[{number}]")
    else:
        for key, each in node.nodes:
            yield from scalars(each, f"{path}.{key.text}" if path else key.text)


def names(node: Node, path: str = "") -> Iterator[tuple[str, Scalar]]:
    """Every name of a tree, with the field that it names."""
    if isinstance(node, Sequence):
        for number, each in enumerate(node.nodes):
            yield from names(each, f"{path}[{number}]")
    elif isinstance(node, Mapping):
        for key, each in node.nodes:
            below = f"{path}.{key.text}" if path else key.text
            yield below, key
            yield from names(each, below)


TREE = read_tree(default_policy())
VALUES, NAMES = list(scalars(TREE)), list(names(TREE))


def put(place: tuple[int, int], old: str, new: str) -> str:
    """The default policy with what stands at a place replaced."""
    line, column = place[0] - 1, place[1] - 1
    assert LINES[line][column:].startswith(old)
    changed = LINES[line][:column] + new + LINES[line][column + len(old) :]
    return "\n".join([*LINES[:line], changed, *LINES[line + 1 :]])


def edited(old: str, new: str) -> str:
    assert old in DEFAULT
    return DEFAULT.replace(old, new, 1)


def found_in(text: str) -> list[Fault]:
    reading = read_policy(text.encode("utf-8"))
    assert (reading.document is None) == bool(reading.faults)
    return list(reading.faults)


def document_of(text: str) -> dict[str, Any]:
    reading = read_policy(text.encode("utf-8"))
    assert reading.faults == ()
    assert reading.document is not None
    return reading.document


def line_of(text: str, part: str) -> int:
    return next(number for number, line in enumerate(text.split("\n"), 1) if part in line)


def test_the_default_is_a_policy_that_the_rules_accept() -> None:
    document = document_of(DEFAULT)

    trade_policy(document, "policy")
    assert document["id"] == "cn-default"
    assert len(VALUES) > 150


def test_the_numbers_of_the_seed_stand_in_the_default() -> None:
    document = document_of(DEFAULT)
    tiers = {each["tier"]: each for each in document["tiers"]}
    classes = {each["class"]: each for each in document["classes"]}
    penalty = document["compensation"]["penalty"]

    assert {name: tier["first_response_s"] for name, tier in tiers.items()} == {
        "diamond": 7200,
        "ordinary": 86_400,
        "vip": 7200,
    }
    assert tiers["ordinary"]["arbitration"] == {"n": 7, "unit": "working-days"}
    assert tiers["diamond"]["arbitration"] == {"n": 48, "unit": "hours"}
    assert classes["point-card"]["delay_remedy_s"] == 7200
    assert (penalty["min_bp"], penalty["max_bp"]) == (1000, 3000)
    assert document["notice_days"] == 7


@pytest.mark.parametrize(("field", "scalar"), VALUES, ids=[field for field, _ in VALUES])
def test_a_value_that_is_wrong_is_named_with_its_place(field: str, scalar: Scalar) -> None:
    (fault,) = found_in(put(scalar.place, scalar.text, '"?"'))

    assert (fault.line, fault.column) == scalar.place
    assert fault.field == field
    assert fault.message.startswith('is "?": it is ')


@pytest.mark.parametrize(("field", "key"), NAMES, ids=[field for field, _ in NAMES])
def test_a_name_that_is_wrong_is_named_with_its_place(field: str, key: Scalar) -> None:
    faults = found_in(put(key.place, key.text, "zzz"))

    above = field.rpartition(".")[0]
    strange = next(each for each in faults if each.field == (f"{above}.zzz" if above else "zzz"))
    assert (strange.line, strange.column) == key.place
    assert strange.message.startswith("is no field here: there are ")
    assert any(each.field == field and "is missing" in each.message for each in faults)


@pytest.mark.parametrize(
    ("old", "new", "field", "said"),
    [
        ("notice_days: 7", "notice_days: 6", "notice_days", "is 6: it is a whole number from 7"),
        ("notice_days: 7", "notice_days: 7.0", "notice_days", "is 7.0: it is a whole number"),
        ("notice_days: 7", "notice_days: 0x7", "notice_days", "is 0x7: it is a whole number"),
        ("notice_days: 7", "notice_days: 1_0", "notice_days", "is 1_0: it is a whole number"),
        ("notice_days: 7", 'notice_days: "7"', "notice_days", 'is "7": it is a whole number'),
        (
            "deliver: 2h",
            "deliver: 7200",
            "classes[0].deliver",
            "is 7200: it is a duration with its unit, such as 90s, 30m, 2h or 7d, from 1s to 366d",
        ),
        ("deliver: 2h", "deliver: 2 hours", "classes[0].deliver", "is 2 hours: it is a duration"),
        ("deliver: 2h", "deliver: 1w", "classes[0].deliver", "is 1w: it is a duration"),
        ("deliver: 2h", "deliver: 0s", "classes[0].deliver", "is 0s: it is a duration"),
        ("deliver: 2h", "deliver: 367d", "classes[0].deliver", "is 367d: it is a duration"),
        (
            "delay_remedy: 2h",
            "delay_remedy: ~",
            "classes[0].delay_remedy",
            "is ~: it is a duration",
        ),
        (
            "unit: hours",
            "unit: days",
            "tiers[0].arbitration.unit",
            "is days: it is one of hours, w",
        ),
        ("id: cn-default", "id: 2026-01-01", "id", "which YAML takes for a date: put a text in q"),
        ("id: cn-default", "id: 1.5", "id", "is 1.5, which YAML takes for a fraction: put a t"),
        ("id: cn-default", "id: yes", "id", "is yes, which YAML takes for true or false: put"),
        ("id: cn-default", "id:", "id", 'is "", which YAML takes for nothing: put a text in q'),
        (
            "clamp: yes",
            "clamp: true",
            "compensation.penalty.clamp",
            "is true: it is one of no, yes",
        ),
        ("kinds:", "kinds: []\n  kind:", "claims.kinds", "is not an array of 1 to 8 values"),
        (
            "retention: {",
            "retention: x\nr: {",
            "retention",
            "is not a mapping of legal_hold, years",
        ),
        ("evidence: []", "evidence: screenshot", "classes[0].evidence", "is not a list"),
        ("fee_bp: 200", "fee_bp: [200]", "merchant.fee_bp", "is a list or mapping: it is a whole"),
        ("v: 1", "v: 2", "v", "is 2: it is 1"),
        ("tier: ordinary", "tier: zeta", "tiers", "is not sorted by tier, each once"),
        ("tier: ordinary", "tier: diamond", "tiers", "is not sorted by tier, each once"),
        (
            "[penalty, points, refund, reissue]",
            "[refund, reissue, penalty, points]",
            "compensation.forms",
            "is not sorted, each once",
        ),
        ("min_bp: 1000", "min_bp: 3001", "compensation.penalty.min_bp", "is above max_bp, 3000"),
        (
            "credit_min: 0",
            "credit_min: 1",
            "tiers[1].credit_min",
            "is not 0, though no tier has less: every member is in one",
        ),
        (
            "{n: 48, unit: hours}",
            "{n: 8, unit: working-days}",
            "tiers[0].arbitration",
            "is longer than that of vip, which needs less credit",
        ),
        (
            "minimum: [{amount: 0,",
            "minimum: [{amount: 5,",
            "merchant.labels[1].deposit_min",
            "asks for less CNY than merchant.deposit.minimum, 5",
        ),
        (
            "{seat: operator, n: 1}",
            "{seat: operator, n: 2}",
            "appeal.committee.seats",
            "are 4 together, which is not odd",
        ),
    ],
)
def test_a_fault_says_what_would_be_right(old: str, new: str, field: str, said: str) -> None:
    faults = found_in(edited(old, new))

    (fault,) = [each for each in faults if each.field == field]
    assert said in fault.message


def test_a_misspelt_field_is_guessed_and_the_one_that_is_missing_is_named() -> None:
    text = edited("    unpaid: 15m\n", "    unpayed: 15m\n")

    strange, missing = sorted(found_in(text), key=lambda each: each.line, reverse=True)
    assert strange.line == line_of(text, "unpayed")
    assert strange.column == 5
    assert strange.field == "classes[0].unpayed"
    assert strange.message.endswith("; perhaps unpaid is meant")
    assert missing.field == "classes[0].unpaid"
    assert missing.message.startswith("is missing: it is a duration with its unit")


def test_a_name_that_stands_twice_is_refused_with_both_lines() -> None:
    text = edited("notice_days: 7", "notice_days: 7\nnotice_days: 30")
    first = line_of(text, "notice_days: 7")

    assert found_in(text) == [
        Fault(
            first + 1,
            1,
            "notice_days",
            f"stands here twice, first in line {first}: leave one out",
        )
    ]


def test_all_faults_are_named_in_the_order_of_the_file() -> None:
    text = edited("fee_bp: 200", "fee_bp: 20000").replace("notice_days: 7", "notice_days: 1")
    text = text.replace("lock: 60m", "lock: 60")

    assert [each.field for each in found_in(text)] == [
        "notice_days",
        "merchant.fee_bp",
        "checks.lock",
    ]


def test_a_copy_with_chinese_comments_and_another_number_is_a_policy() -> None:
    text = "# 本店规则: 公示期改为三十天, 2027 年起施行\n" + edited(
        "notice_days: 7", "notice_days: 30   # 提前三十天公示"
    )

    assert document_of(text) == {**document_of(DEFAULT), "notice_days": 30}


def test_a_chinese_colon_is_found_where_it_stands() -> None:
    text = edited("notice_days: 7", "notice_days\uff1a7")

    (fault,) = found_in(text)
    assert (fault.line, fault.column) == (line_of(text, "notice_days\uff1a7"), 1)
    assert fault.message.startswith("is not YAML: could not find expected ':'; \uff1a is no colon")


def test_windows_line_ends_and_a_byte_order_mark_are_read() -> None:
    text = "\ufeff" + DEFAULT.replace("\n", "\r\n")

    assert document_of(text) == document_of(DEFAULT)


PIECES = (*'[]{},:#&*!|>%@`"', "- ", "? ", "'", "\n", "\t", "\\U", "\u2028", "---\n", "<<: ")
LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("data", "line", "column", "message"),
    [
        (b"x" * (BYTES_MAX + 1), 1, 1, "the file is larger than 262144 bytes"),
        (DEFAULT.encode() + b"# \n" * 400_000, 1, 1, "the file is larger than 262144 bytes"),
        (b"a: " + b"[" * 100_000, 1, 19, "is nested deeper than 16 levels"),
        (b"{a: " * 50_000, 1, 65, "is nested deeper than 16 levels"),
        (b"- " * 50_000, 1, 33, "is nested deeper than 16 levels"),
        (LAUGHS.encode(), 1, 4, "an anchor (&a) is not read here: leave it out"),
        (b"a: *b", 1, 4, "an alias (*b) is not read here: write the value out"),
        (b"a: !!int 3", 1, 4, "a tag (tag:yaml.org,2002:int) is not read here: leave it out"),
        (
            b"a: !!python/object/apply:os.system [x]",
            1,
            4,
            "a tag (tag:yaml.org,2002:python/object/apply:os.system) is not read here: leave it "
            "out",
        ),
        (b"[" + b"1," * 30_000 + b"]", 1, 40_000, "the file holds more than 20000 values"),
        (b"a: 1\n--- b\n", 2, 1, "a second document begins here: a policy is one"),
        (b"? [a]\n: b", 1, 3, "a name is expected here, not a list or mapping"),
        (b"# nothing\n", 1, 1, "the file holds no policy"),
        (b"", 1, 1, "the file holds no policy"),
        (b"a: 1\nb: \xff", 2, 4, "is not UTF-8: save the file as UTF-8"),
        (b"a: 1\nb: \x01", 2, 4, "holds the character U+0001, which YAML does not take"),
        (b"a: b: c", 1, 5, "is not YAML: mapping values are not allowed here"),
        (b"a: [1\n", 2, 1, "is not YAML: expected ',' or ']', but got '<stream end>'"),
    ],
    ids=range(18),
)
def test_what_is_no_plain_yaml_is_refused_at_once(
    data: bytes, line: int, column: int, message: str
) -> None:
    reading = read_policy(data)

    assert reading.document is None
    assert reading.faults == (Fault(line, column, "", message),)


def test_an_escape_that_names_no_character_is_refused() -> None:
    assert found_in('a: "\\UFFFFFFFF"') == [
        Fault(1, 1, "", "is not YAML: an escape names no character")
    ]


def test_what_no_terminal_can_show_is_written_as_ascii() -> None:
    text = edited("id: cn-default", 'id: "\\ud800\\e[2J"') + '"\\x07": 1\n'

    strange, name = sorted(found_in(text), key=lambda each: each.field)
    assert strange.field == "\\x07"
    assert name.message.startswith('is "\\ud800\\x1b[2J": it is ')


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_file_is_a_policy_or_has_faults(data: st.DataObject) -> None:
    lines = list(LINES)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        piece = data.draw(st.text(max_size=4) | st.sampled_from(PIECES))
        column = data.draw(st.integers(0, len(lines[at])))
        lines[at] = lines[at][:column] + piece + lines[at][column:]
    reading = read_policy("\n".join(lines).encode("utf-8", "surrogatepass"))

    assert (reading.document is None) == bool(reading.faults)
    assert all(each.line >= 1 and each.column >= 1 and each.message for each in reading.faults)
    if reading.document is not None:
        trade_policy(reading.document, "policy")


def test_a_list_is_no_policy() -> None:
    (fault,) = found_in("[1, 2]")

    assert (fault.line, fault.column, fault.field) == (1, 1, "")
    assert fault.message.startswith("is not a mapping of agreement, appeal, ")


def fields(of: Schema) -> Iterator[tuple[str, Any]]:
    for name, check in of.items():
        inner = shape_of(check)
        inner = shape_of(inner.inner) if isinstance(inner, Nullable) else inner
        yield name, inner
        inner = shape_of(inner.inner) if isinstance(inner, Items) else inner
        if isinstance(inner, Nested):
            yield from fields(inner.schema)


def test_a_field_is_a_duration_exactly_if_its_name_ends_so() -> None:
    periods = Whole(1, schema.SECONDS_MAX)

    assert {name for name, shape in fields(TERMS) if shape == periods} == {
        name for name, _ in fields(TERMS) if name.endswith("_s")
    }
