"""One spelling of a card key, whatever a person or a form did to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cards.normalise import KEY_LENGTH_MAX, normalise
from ledger.rules.errors import Malformed

KEY = "AB12CD34"


@pytest.mark.parametrize(
    "typed",
    [
        "AB12CD34",
        "ab12cd34",
        "  AB12-CD34\n",
        "AB12 CD34",
        "ab12\u3000cd34",
        "\uff21\uff22\uff11\uff12\uff0d\uff43\uff44\uff13\uff14",
        "AB12\u2010\u2011\u2012\u2013\u2014\u2015CD34",
        "AB12\u2212CD34",
        "A\u200bB\ufeff1\u00ad2\u2060CD34",
        "\tA B 1 2 - C D 3 4\r\n",
        "AB12\u00a0CD34",
    ],
)
def test_what_people_do_to_a_key_makes_no_other_key(typed: str) -> None:
    assert normalise(typed) == KEY


@pytest.mark.parametrize(
    ("one", "other"),
    [("AB12CD34", "AB12CD35"), ("AB1.2", "AB12"), ("AB_12", "AB12"), ("O0", "00"), ("é", "E")],
)
def test_different_keys_stay_different(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


def test_letters_beyond_ascii_are_kept_and_made_upper_case() -> None:
    assert normalise("卡密-é\u00df") == "卡密ÉSS"


@pytest.mark.parametrize("typed", ["", "   ", "--- \u3000\u2014", "\u200b"])
def test_what_holds_no_key_is_refused(typed: str) -> None:
    with pytest.raises(Malformed, match=r"^card: holds no characters of a key$"):
        normalise(typed)


def test_a_key_has_a_longest_length() -> None:
    assert normalise("k" * KEY_LENGTH_MAX) == "K" * 2048
    with pytest.raises(Malformed, match=r"^card: has more than 2048 characters$"):
        normalise("k" * (KEY_LENGTH_MAX + 1))


@given(st.text(max_size=60))
def test_the_one_spelling_is_its_own_spelling(typed: str) -> None:
    try:
        once = normalise(typed)
    except Malformed:
        return
    assert normalise(once) == once


@given(st.text("ABC123", min_size=1, max_size=20), st.data())
def test_dashes_spaces_and_width_anywhere_change_nothing(key: str, data: st.DataObject) -> None:
    typed = ""
    for letter in key:
        typed += data.draw(st.sampled_from(["", " ", "-", "\u3000", "\u2013"]))
        wide = data.draw(st.booleans())
        typed += chr(ord(letter) + 0xFEE0) if wide else letter.lower()

    assert normalise(typed) == key
