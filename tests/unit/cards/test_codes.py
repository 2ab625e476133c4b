"""Verification codes: how they are made, read, and how hopeless it is to guess one."""

from __future__ import annotations

import os
from collections import Counter
from fractions import Fraction

import pytest

from ledger.cards.codes import ALPHABET, LENGTH, new_code, new_item_id, read_code, write_code
from ledger.rules.errors import Malformed
from ledger.rules.text import check_id

CODE = "ABCDEFGHIJKLMNOPQRST"


def test_a_code_is_twenty_letters_of_thirty_two_from_the_given_randomness() -> None:
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return bytes(range(240, 240 + 16)) + bytes(range(16, 16 + size - 16))

    assert new_code(random) == "QRSTUVWXYZ234567QRST"
    assert asked == [20]
    assert (LENGTH, len(set(ALPHABET))) == (20, 32)


def test_every_letter_is_as_likely_as_any_other() -> None:
    letters = Counter(new_code(bytes([byte]).__mul__)[0] for byte in range(256))

    assert letters == dict.fromkeys(ALPHABET, 8)


def test_guessing_codes_is_hopeless_at_any_rate_that_is_let_through() -> None:
    """A million shops with a million codes each, tried 10,000 times a second for a century."""
    codes = 32**LENGTH
    assert codes == 2**100
    tries = 10_000 * 3600 * 24 * 365 * 100
    one_item = Fraction(tries, codes)

    # A guess is for one item: a code of another one does not count.
    assert one_item < Fraction(1, 10**16)
    assert Fraction(tries, codes // 32**10) < 1 < Fraction(tries, codes // 32**12)


@pytest.mark.parametrize(
    "typed", [CODE, CODE.lower(), "ABCDE-FGHIJ-KLMNO-PQRST", " abcde fghij klmno pqrst\n"]
)
def test_a_code_is_read_as_people_type_it(typed: str) -> None:
    assert read_code(typed) == CODE
    assert write_code(CODE) == "ABCDE-FGHIJ-KLMNO-PQRST"
    assert read_code(write_code(CODE)) == CODE


@pytest.mark.parametrize(
    "typed", ["", CODE[:-1], CODE + "A", CODE[:-1] + "1", CODE[:-1] + "é", "-" * 20, "A" * 5000]
)
def test_what_is_no_code_is_refused_without_being_shown(typed: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_code(typed)

    assert str(refused.value) == f"code: is not 20 letters of the alphabet {ALPHABET}"


def test_an_items_id_tells_nothing_and_is_an_id() -> None:
    made = {new_item_id(os.urandom) for _ in range(100)}

    assert len(made) == 100
    assert all(check_id(one, "id") == one and len(one) == 26 for one in made)
    assert all(set(one) <= set(ALPHABET.lower()) for one in made)
