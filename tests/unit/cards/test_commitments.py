"""Commitments to card keys and codes: what opens them, what does not, and what nobody is shown."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.cards.commitments import (
    Opening,
    Place,
    check_opening,
    commit,
    read_opening,
    write_opening,
)
from ledger.errors import CommitmentDiffers
from ledger.rules.errors import Malformed

R = bytes(range(32))
CARD = Place("card", "games/abc", "steam-100")
KEY = Opening("AB12-CD34", R)
TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=40)


def test_a_commitment_is_hmac_over_canonical_json() -> None:
    """Written apart, byte by byte."""
    message = b'["yinzheng/card/v1","games/abc","steam-100","AB12-CD34"]'
    wanted = hmac.new(R, message, hashlib.sha256).hexdigest()

    assert commit(CARD, KEY) == wanted
    assert wanted == "618defe0f6edd0af15a7029000e0066af1ca014af13fe2b9bb3cf28476b3615a"


def test_a_code_is_committed_to_under_a_tag_of_its_own() -> None:
    message = b'["yinzheng/code/v1","games/abc","steam-100","AB12-CD34"]'

    assert commit(CARD._replace(what="code"), KEY) == hmac.new(R, message, "sha256").hexdigest()
    assert commit(CARD._replace(what="code"), KEY) != commit(CARD, KEY)


@pytest.mark.parametrize(
    ("place", "opening"),
    [
        (CARD._replace(what="code"), KEY),
        (CARD._replace(item="games/abd"), KEY),
        (CARD._replace(product="steam-10"), KEY),
        (CARD, KEY._replace(text="AB12CD34")),
        (CARD, KEY._replace(blinding=bytes(32))),
    ],
    ids=["kind", "item", "product", "spelling", "blinding"],
)
def test_nothing_else_opens_a_commitment(place: Place, opening: Opening) -> None:
    commitment = commit(CARD, KEY)
    check_opening(CARD, commitment, KEY)

    with pytest.raises(CommitmentDiffers) as refused:
        check_opening(place, commitment, opening)

    assert refused.value.evidence == {"item": place.item, "field": place.what}


def test_an_error_or_a_trace_shows_nothing_of_an_opening() -> None:
    with pytest.raises(CommitmentDiffers) as refused:
        check_opening(CARD, "00" * 32, KEY)

    shown = [str(refused.value), repr(refused.value.evidence), repr(KEY), str(KEY), f"{KEY}"]
    assert all("AB12" not in text for text in shown)
    assert repr(KEY) == "Opening(...)"


@given(TEXTS, st.binary(min_size=32, max_size=32), st.sampled_from(["card", "code"]))
def test_an_opening_is_written_and_read_again(text: str, blinding: bytes, what: str) -> None:
    value = write_opening(what, Opening(text, blinding))

    assert read_opening(what, value) == Opening(text, blinding)
    assert json.loads(value).keys() == {"key" if what == "card" else "code", "r"}


BLINDING = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_the_sealed_value_is_canonical_json_of_key_and_r() -> None:
    assert write_opening("card", KEY) == f'{{"key":"AB12-CD34","r":"{BLINDING}"}}'
    assert write_opening("code", KEY) == f'{{"code":"AB12-CD34","r":"{BLINDING}"}}'


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("AB12-CD34", "disclosures.card: is no canonical JSON"),
        (f'{{"key": "AB12-CD34","r":"{BLINDING}"}}', "disclosures.card: is no canonical JSON"),
        ('"AB12-CD34"', "disclosures.card: is no object of key and r"),
        ('{"key":"AB12-CD34"}', "disclosures.card: is no object of key and r"),
        (f'{{"code":"AB12-CD34","r":"{BLINDING}"}}', "disclosures.card: is no object of key and r"),
        (
            f'{{"key":"AB12","more":"x","r":"{BLINDING}"}}',
            "disclosures.card: is no object of key and r",
        ),
        (f'{{"key":"","r":"{BLINDING}"}}', "disclosures.card.key: is no text"),
        (f'{{"key":7,"r":"{BLINDING}"}}', "disclosures.card.key: is no text"),
        ('{"key":"AB12","r":"AAEC"}', "disclosures.card.r: holds 3 bytes, expected 32"),
        ('{"key":"AB12","r":7}', "disclosures.card.r: is not a short base64 string"),
        ('{"key":"\ud800","r":"x"}', "disclosures.card: is no canonical JSON"),
    ],
)
def test_what_is_no_sealed_card_is_refused_without_being_shown(value: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        read_opening("card", value)

    assert str(refused.value) == message
    assert "AB12" not in repr(refused.value.__dict__)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
