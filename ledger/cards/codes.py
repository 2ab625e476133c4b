"""Verification codes: 20 letters that say of an item that it came from here.

Each letter is one of 32, so that there are 2**100 codes: they are not guessed, however many
are tried. They are read as people type them. Specification: docs/spec.md section 7.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.cards.normalise import normalise
from ledger.rules.errors import Malformed

ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
LENGTH: Final = 20
ID_LENGTH: Final = 26
_GROUP: Final = 5


def new_code(random: Callable[[int], bytes]) -> str:
    """Make a code; `random` gives that many random bytes, for instance `os.urandom`."""
    return _letters(random(LENGTH))


def new_item_id(random: Callable[[int], bytes]) -> str:
    """Make the id of a card's item: 26 random letters, which tell nothing of the card."""
    return _letters(random(ID_LENGTH)).lower()


def write_code(code: str) -> str:
    """Write a code for people: in groups of five letters."""
    return "-".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def read_code(text: str) -> str:
    """Read a code as somebody typed it: dashes, spaces and small letters do not matter.

    Raises:
        Malformed: It is no code; the error holds nothing of it.

    """
    try:
        code = normalise(text)
    except Malformed:
        code = ""
    if len(code) != LENGTH or not set(code) <= set(ALPHABET):
        raise Malformed("code", f"is not {LENGTH} letters of the alphabet {ALPHABET}")
    return code


def _letters(random: bytes) -> str:
    # 32 divides 256: each letter is as likely as any other.
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in random)
