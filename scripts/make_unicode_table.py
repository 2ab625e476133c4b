"""Write ledger/rules/unicode_table.py from the Unicode database of Python 3.11.

The table is shipped, because a rule of admission must not change with the Python it runs on.
Run `python3.11 scripts/make_unicode_table.py`; a test compares the file with a fresh run.
"""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from textwrap import wrap

VERSION = "14.0.0"
TARGET = Path(__file__).parents[1] / "ledger" / "rules" / "unicode_table.py"
LINE_LENGTH = 100

# Hangul syllables compose by arithmetic (Unicode 14, section 3.12), not by table.
_HANGUL = range(0xAC00, 0xAC00 + 11172)

_TEMPLATE = '''"""What admission needs of the Unicode {version} character database.

Written by scripts/make_unicode_table.py; do not edit. All numbers are hexadecimal; a range
includes its end.
"""

from __future__ import annotations

VERSION = "{version}"

# Assigned code points that are neither controls, surrogates nor private use: START-END ...
ASSIGNED = """
{assigned}
"""

# Code points that never occur in a text in form NFC: START-END ...
NEVER_IN_NFC = """
{never}
"""

# Canonical combining classes other than 0: START-END:CLASS ...
COMBINING = """
{combining}
"""

# Primary composites, by their second code point: SECOND: FIRST=COMPOSITE FIRST=COMPOSITE ...
COMPOSITIONS = """
{compositions}
"""
'''


def ranges(key: Callable[[str], int]) -> Iterator[tuple[int, int, int]]:
    """Yield (start, end, value) for each run of code points whose `key` is the same and not 0."""
    for value, run in groupby(range(sys.maxunicode + 1), lambda code: key(chr(code))):
        codes = list(run)
        if value:
            yield codes[0], codes[-1], value


def is_assigned(character: str) -> int:
    """Whether a character is assigned and meant for text."""
    return unicodedata.category(character) not in {"Cn", "Cc", "Cs", "Co"}


def is_never_in_nfc(character: str) -> int:
    """Whether normalizing this one character changes it (quick-check value No)."""
    return not unicodedata.is_normalized("NFC", character)


def spell(start: int, end: int) -> str:
    """Write a range, or a single code point, in hexadecimal."""
    return f"{start:x}" if start == end else f"{start:x}-{end:x}"


def composites() -> dict[int, dict[int, int]]:
    """Map second character -> first character -> primary composite; Hangul syllables left out."""
    table: dict[int, dict[int, int]] = {}
    for code in range(sys.maxunicode + 1):
        mapping = unicodedata.decomposition(chr(code))
        if not mapping or "<" in mapping or code in _HANGUL or is_never_in_nfc(chr(code)):
            continue
        first, second = (int(part, 16) for part in mapping.split())
        table.setdefault(second, {})[first] = code
    return table


def render() -> str:
    """Return the text of the module."""
    assigned = (spell(start, end) for start, end, _ in ranges(is_assigned))
    never = (spell(start, end) for start, end, _ in ranges(is_never_in_nfc))
    combining = (
        f"{spell(start, end)}:{value:x}" for start, end, value in ranges(unicodedata.combining)
    )
    compositions = (
        word
        for second, pairs in sorted(composites().items())
        for word in (f"{second:x}:", *(f"{first:x}={pairs[first]:x}" for first in sorted(pairs)))
    )
    parts = {
        "assigned": assigned,
        "never": never,
        "combining": combining,
        "compositions": compositions,
    }
    return _TEMPLATE.format(
        version=VERSION,
        **{
            name: "\n".join(
                wrap(" ".join(words), LINE_LENGTH, break_long_words=False, break_on_hyphens=False)
            )
            for name, words in parts.items()
        },
    )


def main() -> None:
    """Write the table, or stop where another Python would write another one."""
    if unicodedata.unidata_version != VERSION:
        sys.exit(f"needs Unicode {VERSION} (Python 3.11), has {unicodedata.unidata_version}")
    TARGET.write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
