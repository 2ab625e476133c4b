"""One spelling of a card key: what people change when they copy one by hand is taken away.

Only fingerprints are made of it, never commitments: what is delivered is the key as it was
uploaded, letter for letter. Specification: docs/spec.md section 7.1.
"""

from __future__ import annotations

import re
from typing import Final

from ledger.rules.errors import Malformed

KEY_LENGTH_MAX: Final = 2048

_FULL_WIDTH, _FULL_WIDTH_END, _TO_ASCII = 0xFF01, 0xFF5E, 0xFEE0
_ASCII_FORMS: Final = {
    code: code - _TO_ASCII for code in range(_FULL_WIDTH, _FULL_WIDTH_END + 1)
} | {0x3000: 0x20}
# Hyphens, dashes, minus signs; white space; what is drawn as nothing.
_LEFT_OUT: Final = re.compile(
    "[-\u2010-\u2015\u2212\ufe58\ufe63\\s\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\ufe00-\ufe0f\ufeff]+"
)


def normalise(key: str) -> str:
    """Return the one spelling of a key: full width made half, no dashes, no spaces, upper case.

    Raises:
        Malformed: It is longer than 2,048 characters, or nothing is left of it.

    """
    if len(key) > KEY_LENGTH_MAX:
        raise Malformed("card", f"has more than {KEY_LENGTH_MAX} characters")
    spelling = _LEFT_OUT.sub("", key.translate(_ASCII_FORMS)).upper()
    if not spelling:
        raise Malformed("card", "holds no characters of a key")
    return spelling
