"""Verifier keys: one spelling, the right key id, a sound point."""

from __future__ import annotations

import hashlib

import pytest

from ledger.proof.errors import MalformedKey, UnsupportedKey
from ledger.proof.vkey import (
    TYPE_COSIGNATURE,
    TYPE_ED25519,
    TYPE_ML_DSA_44,
    VerifierKey,
    format_vkey,
    is_name,
)
from ledger.rules.text import b64encode
from tests.unit.proof.shared import shared
from tests.unit.proof.signing import LOG, LOG_PUBLIC, WITNESS, WITNESS_PUBLIC

LOG_TEXT = "ledger.example/log+11639dd4+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
WITNESS_TEXT = "witness.example+790a8a0d+BCmsuuFBvMrwsi4alNNNC8c2HlJtC/4SyJeUvJMilm3X"


def refusal(text: str) -> MalformedKey:
    with pytest.raises(MalformedKey) as refused:
        VerifierKey.parse(text)
    assert refused.value.step == "key"
    return refused.value


def spell(name: str, kind: int, public: bytes, key_id: str | None = None) -> str:
    """A verifier key made by hand, right or wrong."""
    raw = bytes([kind]) + public
    right = hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8]
    return f"{name}+{right if key_id is None else key_id}+{b64encode(raw)}"


def test_the_types_are_those_of_the_specification() -> None:
    assert (TYPE_ED25519, TYPE_COSIGNATURE, TYPE_ML_DSA_44) == (1, 4, 6)


@pytest.mark.parametrize(("key", "text"), [(LOG, LOG_TEXT), (WITNESS, WITNESS_TEXT)])
def test_a_key_has_one_text(key: VerifierKey, text: str) -> None:
    assert key.format() == text
    assert VerifierKey.parse(text) == key
    assert format_vkey(key.name, kind=key.kind, public=key.public) == text


def test_a_key_is_ed25519_unless_said_otherwise() -> None:
    assert format_vkey("ledger.example/log", public=LOG_PUBLIC) == LOG_TEXT


def test_the_parts_of_a_parsed_key() -> None:
    key = VerifierKey.parse(WITNESS_TEXT)

    assert (key.name, key.kind, key.public) == ("witness.example", 4, WITNESS_PUBLIC)
    assert key.key_id.hex() == WITNESS_TEXT.split("+")[1]
    assert key.label == "+".join(WITNESS_TEXT.split("+")[:2])
    assert key.supported


def test_a_plus_in_the_base64_divides_nothing() -> None:
    assert LOG_TEXT.count("+") == 3

    assert VerifierKey.parse(LOG_TEXT).public == LOG_PUBLIC


@pytest.mark.parametrize(
    "text",
    ["", "log", "log+00000000", "log-00000000-AAAA", "log+00000000+AAAA" + "A" * 4080],
)
def test_a_key_has_three_parts_in_at_most_4096_characters(text: str) -> None:
    refused = refusal(text)

    assert str(refused) == "key: not <name>+<key id>+<base64>"
    assert refused.field == "vkey"


def test_a_text_of_4096_characters_is_read() -> None:
    text = "log+00000000+" + "A" * 4083
    assert len(text) == 4096

    assert str(refusal(text)) == "key: vkey is not base64"


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        ("!", "vkey is not base64"),
        ("AekyeRrm", "the key has another length"),
        ("AQ", "vkey is not base64"),
        ("AR==", "vkey is base64 with a second spelling"),
        ("", "the key is empty"),
    ],
)
def test_the_key_itself_is_strict_base64(encoded: str, message: str) -> None:
    refused = refusal(f"log+00000000+{encoded}")

    assert str(refused) == f"key: {message}"
    assert refused.field == ("key" if "length" in message else "vkey")
    assert refused.__suppress_context__ is ("base64" in message)


@pytest.mark.parametrize("key_id", ["00000000", "", "0", "ABCDEF01"])
def test_a_wrong_key_id_is_refused(key_id: str) -> None:
    refused = refusal(spell("log", 1, LOG_PUBLIC, key_id))

    assert str(refused) == "key: the key id is not the key's"
    assert refused.field == "key_id"
    assert refused.found == key_id
    right = hashlib.sha256(b"log\n\x01" + LOG_PUBLIC).digest()[:4]
    assert refused.expected == right


def test_a_key_id_has_one_spelling() -> None:
    name, key_id, encoded = LOG_TEXT.split("+", 2)
    assert key_id != key_id.upper()

    assert refusal(f"{name}+{key_id.upper()}+{encoded}").field == "key_id"


@pytest.mark.parametrize("kind", [0, 2, 3, 5, 7, 0xFA, 0xFF])
def test_other_types_are_unverifiable(kind: int) -> None:
    with pytest.raises(UnsupportedKey) as refused:
        VerifierKey.parse(spell("log", kind, LOG_PUBLIC))

    assert str(refused.value) == f"key: keys of type 0x{kind:02x} are not known"
    assert (refused.value.step, refused.value.field, refused.value.found) == ("key", "type", kind)


@pytest.mark.parametrize(
    ("kind", "length", "expected"),
    [(1, 31, 32), (1, 33, 32), (4, 0, 32), (4, 1312, 32), (6, 32, 1312), (6, 1311, 1312)],
)
def test_a_key_has_the_length_of_its_type(kind: int, length: int, expected: int) -> None:
    refused = refusal(spell("log", kind, bytes(length)))

    assert str(refused) == "key: the key has another length"
    assert (refused.field, refused.expected, refused.found) == ("key", expected, length)


@pytest.mark.parametrize("kind", [1, 4])
def test_a_weak_key_is_refused_with_the_reason(kind: int) -> None:
    identity = b"\x01" + bytes(31)

    refused = refusal(spell("log", kind, identity))

    assert str(refused) == "key: the key has small order"
    assert (refused.field, refused.found) == ("key", identity)
    assert refused.__suppress_context__


def test_an_ml_dsa_44_key_is_known_and_not_supported() -> None:
    key = VerifierKey.parse(spell("log", 6, bytes(1312)))

    assert key.kind == 6
    assert not key.supported
    assert VerifierKey.parse(key.format()) == key


NOT_NAMES = ["", " ", "a b", "a+b", "a\tb", "a\nb", "a\x00b", "a\x1fb", "a\x85b", "a\xa0b"]
NOT_NAMES += ["a\u1680b", "a\u2003b", "a\u2028b", "a\u3000b", "a\ud800b", "a\udfffb"]


@pytest.mark.parametrize("name", NOT_NAMES)
def test_a_name_has_no_space_plus_or_control(name: str) -> None:
    assert not is_name(name)
    with pytest.raises(MalformedKey) as refused:
        VerifierKey.create(name, kind=1, public=LOG_PUBLIC)

    assert str(refused.value) == "key: the name is empty or has a space or plus"
    assert (refused.value.step, refused.value.field) == ("key", "name")


@pytest.mark.parametrize(
    "name", ["a", "a.example/log", "sum.golang.org", "\u5370\u8bc1", "a\u2014"]
)
def test_other_names_are_allowed(name: str) -> None:
    assert is_name(name)
    key = VerifierKey.create(name, kind=1, public=LOG_PUBLIC)
    assert VerifierKey.parse(key.format()) == key


@pytest.mark.shared_data
def test_published_verifier_keys() -> None:
    wrong, cosigner, plain = shared("signed-note/cosigner_vkeys.json")["vkeys"]

    for entry in (cosigner, plain):
        key = VerifierKey.parse(entry["vkey"])
        assert (key.kind, len(key.public)) == (entry["type"], entry["pubkey_len"])
        assert key.format() == entry["vkey"]

    refused = refusal(wrong["vkey"])
    assert str(refused) == "key: the key id is not the key's"
    assert refused.expected == bytes.fromhex(wrong["spec_key_id"])
    assert refused.found == wrong["vkey"].split("+")[1]
