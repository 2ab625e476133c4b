"""Human text at the gate: compared with the interpreter's own Unicode database as the oracle."""

from __future__ import annotations

import importlib.util
import sys
import unicodedata
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ledger.rules import admission, unicode_table
from ledger.rules.admission import check_text, is_plain, is_plain_json
from ledger.rules.canonical import encode
from ledger.rules.errors import Malformed

ROOT = Path(__file__).parents[3]
EVERY_CODE_POINT = range(sys.maxunicode + 1)

# Written down from UAX 9 and DerivedCoreProperties-14.0.0, not taken from the code.
BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
INVISIBLE_LETTERS_AND_MARKS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
VISIBLE_FORMAT_CHARACTERS = (
    "\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd"
)


def is_admitted(text: str) -> bool:
    try:
        check_text(text, field="name")
    except Malformed:
        return False
    return True


def is_admissible(character: str) -> bool:
    """The oracle for one character, from the interpreter's categories."""
    if character in "\n\t" or character in VISIBLE_FORMAT_CHARACTERS:
        return True
    if unicodedata.category(character) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}:
        return False
    return character not in INVISIBLE_LETTERS_AND_MARKS and unicodedata.is_normalized(
        "NFC", character
    )


def assigned_in_the_table() -> set[int]:
    spans = (word.partition("-") for word in unicode_table.ASSIGNED.split())
    return {
        code for start, _, end in spans for code in range(int(start, 16), int(end or start, 16) + 1)
    }


ASSIGNED = assigned_in_the_table()


def is_newer_than_the_table(code: int) -> bool:
    """Assigned after Unicode 14; none where the interpreter's database is that of the table."""
    category = unicodedata.category(chr(code))
    return code not in ASSIGNED and category not in {"Cn", "Cc", "Co", "Cs"}


TROUBLE = [
    *map(chr, admission._COMBINING),
    *map(chr, admission._COMPOSITIONS),
    *map(chr, admission._DECOMPOSITIONS),
    *(chr(code) for code in (0x1100, 0x1112, 0x1161, 0x1175, 0x11A7, 0x11A8, 0x11C2, 0xAC00)),
    *(chr(code) for code in (0xAC01, 0xD788, 0xD7A3, 0x41, 0x61, 0x3BF, 0x4E2D)),
]
TROUBLE = [character for character in TROUBLE if is_admissible(character)]


def load_generator() -> ModuleType:
    path = ROOT / "scripts" / "make_unicode_table.py"
    spec = importlib.util.spec_from_file_location("make_unicode_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_single_code_point_is_judged_as_the_unicode_database_says() -> None:
    newer = {code for code in EVERY_CODE_POINT if is_newer_than_the_table(code)}

    wrong = [
        hex(code)
        for code in EVERY_CODE_POINT
        if code not in newer and is_admitted(chr(code)) != is_admissible(chr(code))
    ]

    assert wrong == []
    assert not any(is_admitted(chr(code)) for code in newer)
    assert not newer or unicodedata.unidata_version != unicode_table.VERSION


@given(st.text(max_size=12))
def test_text_is_admitted_when_its_characters_are_and_it_is_in_normal_form_c(text: str) -> None:
    assume(not any(is_newer_than_the_table(ord(character)) for character in text))

    admissible = all(map(is_admissible, text)) and unicodedata.is_normalized("NFC", text)

    assert is_admitted(text) == admissible


@given(st.text(st.sampled_from(TROUBLE), max_size=8))
def test_marks_and_composites_in_any_order_are_judged_as_the_oracle_does(text: str) -> None:
    assert is_admitted(text) == unicodedata.is_normalized("NFC", text)
    assert is_admitted(unicodedata.normalize("NFC", text))


def test_every_pair_that_composes_is_refused_apart_and_admitted_composed() -> None:
    for composite, pair in admission._DECOMPOSITIONS.items():
        apart = "".join(map(chr, pair))

        assert unicodedata.normalize("NFC", apart) == chr(composite)
        assert not is_admitted(apart)
        assert is_admitted(chr(composite))


def test_every_hangul_syllable_is_refused_in_letters_and_admitted_whole() -> None:
    for code in range(0xAC00, 0xD7A4):
        letters = unicodedata.normalize("NFD", chr(code))

        assert is_admitted(chr(code))
        assert not is_admitted(letters)


@pytest.mark.parametrize(
    "text", ["", "Zoë", "点卡 500点\n\t第二行", "한국어", "Å", "☎ ✓ 🂡", "a\u0301\u0323"[:1]]
)
def test_ordinary_text_passes(text: str) -> None:
    check_text(text, field="name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\x00", "holds U+0000 at 1: a control character"),
        ("\r\n", "holds U+000D at 0: a control character"),
        ("\x7f", "holds U+007F at 0: a control character"),
        ("\x85", "holds U+0085 at 0: a control character"),
        ("ab\u2028", "holds U+2028 at 2: a line or paragraph separator"),
        ("\ud800", "holds U+D800 at 0: a lone surrogate"),
        ("\ue000", "holds U+E000 at 0: a private-use character"),
        ("\U000f0000", "holds U+F0000 at 0: a private-use character"),
        ("\U0010fffd", "holds U+10FFFD at 0: a private-use character"),
        ("\ufdd0", "holds U+FDD0 at 0: a noncharacter"),
        ("\uffff", "holds U+FFFF at 0: a noncharacter"),
        ("\U0010fffe", "holds U+10FFFE at 0: a noncharacter"),
        ("txt.\u202eexe", "holds U+202E at 4: a bidirectional control"),
        ("a\u200bb", "holds U+200B at 1: an invisible character"),
        ("\ufeff", "holds U+FEFF at 0: an invisible character"),
        ("\U000e0041", "holds U+E0041 at 0: an invisible character"),
        ("\u0378", "holds U+0378 at 0: not assigned in Unicode 14.0.0"),
        ("e\u0301", "is not in normal form C"),
        ("\u212b", "is not in normal form C"),
        ("a\u0301\u0323", "is not in normal form C"),
    ],
)
def test_other_text_is_refused_by_place_and_reason(text: str, message: str) -> None:
    with pytest.raises(Malformed) as caught:
        check_text(text, field="name")

    assert (caught.value.field, caught.value.message) == ("name", message)


@pytest.mark.parametrize("character", BIDI_CONTROLS)
def test_every_bidirectional_control_is_refused_as_one(character: str) -> None:
    with pytest.raises(Malformed, match="a bidirectional control"):
        check_text(f"a{character}b", field="name")


@pytest.mark.parametrize("value", [None, 1, b"abc", ["a"]])
def test_what_is_no_string_is_refused(value: object) -> None:
    with pytest.raises(Malformed) as caught:
        check_text(value, field="name")

    assert (caught.value.field, caught.value.message) == ("name", "is not a string")


def test_canonical_json_is_plain_only_where_every_text_in_it_is() -> None:
    surrogates = range(0xD800, 0xE000)
    plain = {
        chr(code)
        for code in EVERY_CODE_POINT
        if code not in surrogates and is_plain_json(encode({"a": [f"a{chr(code)}b"]}))
    }

    # What JSON escapes is looked at as text.
    assert plain == {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}
    assert all(is_plain(character) for character in plain)


# On another Python the generator would write another table, and says so instead.
if unicodedata.unidata_version == unicode_table.VERSION:

    def test_the_shipped_table_is_what_the_generator_writes() -> None:
        generator = load_generator()

        assert generator.render() == Path(unicode_table.__file__).read_text(encoding="utf-8")
else:

    def test_the_generator_refuses_another_unicode_version() -> None:
        with pytest.raises(SystemExit, match=unicodedata.unidata_version):
            load_generator().main()
