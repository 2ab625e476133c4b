"""What text written by people must look like before it may enter the ledger.

These are rules of *admission* only. A verifier never asks them of an entry that is in the log:
normal forms differ between Unicode versions, the bytes of an entry do not. So a rule may grow
stricter or laxer without touching history.

  T1  only code points assigned in Unicode 14.0, from the table shipped beside this file
  T2  no control characters but line feed and tab, no line or paragraph separators
  T3  no surrogates, no private use, no noncharacters
  T4  no bidirectional controls, nothing invisible: two texts that look the same are the same
  T5  normal form C

Specification: docs/spec.md section 2; Unicode Standard Annex 15 (normal form C).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from ledger.rules import unicode_table
from ledger.rules.errors import Malformed

# Hangul syllables compose by arithmetic (Unicode 14, section 3.12).
_LEADING, _VOWEL, _TRAILING, _SYLLABLE = 0x1100, 0x1161, 0x11A7, 0xAC00
_LEADINGS, _VOWELS, _TRAILINGS = 19, 21, 28
_SYLLABLES = _LEADINGS * _VOWELS * _TRAILINGS

_Range = tuple[int, int]

# Refused whether or not they are assigned, with the reason; the first range that holds decides.
_REFUSED: tuple[tuple[int, int, str], ...] = (
    (0x0000, 0x0008, "a control character"),
    (0x000B, 0x001F, "a control character"),
    (0x007F, 0x009F, "a control character"),
    (0x2028, 0x2029, "a line or paragraph separator"),
    (0xD800, 0xDFFF, "a lone surrogate"),
    (0xFDD0, 0xFDEF, "a noncharacter"),
    *((plane + 0xFFFE, plane + 0xFFFF, "a noncharacter") for plane in range(0, 0x110000, 0x10000)),
    (0xE000, 0xF8FF, "a private-use character"),
    (0xF0000, 0x10FFFF, "a private-use character"),
    (0x61C, 0x61C, "a bidirectional control"),
    (0x200E, 0x200F, "a bidirectional control"),
    (0x202A, 0x202E, "a bidirectional control"),
    (0x2066, 0x2069, "a bidirectional control"),
    # Default_Ignorable_Code_Point of Unicode 14 (DerivedCoreProperties): nothing is drawn.
    (0x00AD, 0x00AD, "an invisible character"),
    (0x034F, 0x034F, "an invisible character"),
    (0x115F, 0x1160, "an invisible character"),
    (0x17B4, 0x17B5, "an invisible character"),
    (0x180B, 0x180F, "an invisible character"),
    (0x200B, 0x200D, "an invisible character"),
    (0x2060, 0x206F, "an invisible character"),
    (0x3164, 0x3164, "an invisible character"),
    (0xFE00, 0xFE0F, "an invisible character"),
    (0xFEFF, 0xFEFF, "an invisible character"),
    (0xFFA0, 0xFFA0, "an invisible character"),
    (0xFFF0, 0xFFFB, "an invisible character"),
    (0x13430, 0x13438, "an invisible character"),
    (0x1BCA0, 0x1BCA3, "an invisible character"),
    (0x1D173, 0x1D17A, "an invisible character"),
    (0xE0000, 0xE0FFF, "an invisible character"),
)


def check_text(value: object, *, field: str) -> None:
    """Check that a value is text that people can read and that has one spelling.

    Args:
        value: The text; its length is bounded by the command's size limit.
        field: Name for the error.

    Raises:
        Malformed: Not a string, a code point that rules T1-T4 refuse, or not in normal form C.

    Spec: docs/spec.md section 2.

    """
    if not isinstance(value, str):
        raise Malformed(field, "is not a string")
    if is_plain(value):
        return
    found = _UNASSIGNED.search(value) or _REFUSED_ANYWAY.search(value)
    if found:
        code = ord(found.group())
        place = f"holds U+{code:04X} at {found.start()}"
        raise Malformed(field, f"{place}: {_why_refused(code)}")
    # Without a mark or a letter that composes, a text is in normal form C as it stands.
    if _SUSPECT.search(value) and not _is_nfc([ord(character) for character in value]):
        raise Malformed(field, "is not in normal form C")


def is_plain(value: object) -> bool:
    """Say whether a value is a text of printable ASCII, which every rule here accepts."""
    return isinstance(value, str) and value.isascii() and value.isprintable()


def is_plain_json(raw: bytes) -> bool:
    """Say whether every text in canonical JSON is plain: none holds an escape, or more than ASCII.

    What lies below the space is always escaped, and of what lies above it only DEL is not printed.
    """
    return raw.isascii() and b"\\" not in raw and b"\x7f" not in raw


def _why_refused(code: int) -> str:
    """Say why rules T1-T4 refuse a code point."""
    for start, end, reason in _REFUSED:
        if start <= code <= end:
            return reason
    return f"not assigned in Unicode {unicode_table.VERSION}"


def _is_nfc(codes: Sequence[int]) -> bool:
    """Whether code points are in normal form C (Annex 15; section 9 has the quick answers)."""
    if any(_NEVER_IN_NFC.fullmatch(chr(code)) for code in codes):
        return False
    classes = [_COMBINING.get(code, 0) for code in codes]
    if any(before > after > 0 for before, after in pairwise(classes)):
        return False
    return _compose(_reorder(_decompose(codes))) == list(codes)


def _decompose(codes: Sequence[int]) -> Iterator[int]:
    """Yield the canonical decomposition; input holds nothing that never occurs in NFC."""
    for code in codes:
        syllable = code - _SYLLABLE
        if 0 <= syllable < _SYLLABLES:
            rest, trailing = divmod(syllable, _TRAILINGS)
            leading, vowel = divmod(rest, _VOWELS)
            yield from (_LEADING + leading, _VOWEL + vowel)
            if trailing:
                yield _TRAILING + trailing
        elif code in _DECOMPOSITIONS:
            yield from _decompose(_DECOMPOSITIONS[code])
        else:
            yield code


def _reorder(codes: Iterator[int]) -> list[int]:
    """Bring each run of combining marks into the order of their classes, stably."""
    ordered: list[int] = []
    marks: list[int] = []
    for code in codes:
        if code in _COMBINING:
            marks.append(code)
        else:
            ordered += sorted(marks, key=_COMBINING.__getitem__)
            marks.clear()
            ordered.append(code)
    return ordered + sorted(marks, key=_COMBINING.__getitem__)


def _compose(codes: Sequence[int]) -> list[int]:
    """Melt marks into the starter before them where nothing blocks them (Annex 15, D117)."""
    composed: list[int] = []
    starter: int | None = None  # index of the last starter in `composed`
    for code in codes:
        combining = _COMBINING.get(code, 0)
        if starter is not None:
            last = _COMBINING.get(composed[-1], 0)
            blocked = starter != len(composed) - 1 and last >= combining
            pair = None if blocked else _composite(composed[starter], code)
            if pair is not None:
                composed[starter] = pair
                continue
        composed.append(code)
        if combining == 0:
            starter = len(composed) - 1
    return composed


def _composite(first: int, second: int) -> int | None:
    """Return the primary composite of two code points, if there is one."""
    leading, vowel = first - _LEADING, second - _VOWEL
    if 0 <= leading < _LEADINGS and 0 <= vowel < _VOWELS:
        return _SYLLABLE + (leading * _VOWELS + vowel) * _TRAILINGS
    syllable, trailing = first - _SYLLABLE, second - _TRAILING
    if 0 <= syllable < _SYLLABLES and syllable % _TRAILINGS == 0 and 0 < trailing < _TRAILINGS:
        return first + trailing
    return _COMPOSITIONS.get(second, {}).get(first)


def _one_of(ranges: Iterable[_Range], *, negate: bool = False) -> re.Pattern[str]:
    """Compile a pattern for one character inside, or outside, the ranges."""
    spans = (f"{re.escape(chr(start))}-{re.escape(chr(end))}" for start, end in ranges)
    return re.compile(f"[{'^' if negate else ''}{''.join(spans)}]")


def _range(word: str) -> _Range:
    """Read START or START-END."""
    start, _, end = word.partition("-")
    return int(start, 16), int(end or start, 16)


def _read_combining() -> Iterator[tuple[int, int]]:
    """Yield (code point, class)."""
    for word in unicode_table.COMBINING.split():
        span, _, combining = word.partition(":")
        start, end = _range(span)
        yield from ((code, int(combining, 16)) for code in range(start, end + 1))


def _read_compositions() -> dict[int, dict[int, int]]:
    """Map second -> first -> composite."""
    table: dict[int, dict[int, int]] = {}
    pairs: dict[int, int] = {}
    for word in unicode_table.COMPOSITIONS.split():
        first, is_pair, composite = word.partition("=")
        if is_pair:
            pairs[int(first, 16)] = int(composite, 16)
        else:
            pairs = table.setdefault(int(word.removesuffix(":"), 16), {})
    return table


_COMBINING = dict(_read_combining())
_COMPOSITIONS = _read_compositions()
_DECOMPOSITIONS = {
    composite: (first, second)
    for second, pairs in _COMPOSITIONS.items()
    for first, composite in pairs.items()
}
_NEVER = tuple(_range(word) for word in unicode_table.NEVER_IN_NFC.split())
_NEVER_IN_NFC = _one_of(_NEVER)
_SUSPECT = _one_of(
    (
        *_NEVER,
        *((code, code) for code in (*_COMBINING, *_COMPOSITIONS)),
        (_VOWEL, _VOWEL + _VOWELS - 1),
        (_TRAILING + 1, _TRAILING + _TRAILINGS - 1),
    )
)
_UNASSIGNED = _one_of(
    ((0x9, 0xA), *(_range(word) for word in unicode_table.ASSIGNED.split())), negate=True
)
_REFUSED_ANYWAY = _one_of((start, end) for start, end, _ in _REFUSED)
