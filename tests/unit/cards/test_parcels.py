"""Parcels: HPKE to the order's key, bound to one line of one order, judged by another hand."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from ledger.cards.commitments import Opening, commit
from ledger.cards.parcels import (
    PARCEL_BYTES_MAX,
    Address,
    open_parcel,
    parcel_digest,
    seal_parcel,
)
from ledger.errors import CommitmentDiffers, ParcelRefused
from ledger.rules.errors import WeakKey
from tests.unit.cards import oracle

PRIVATE, OTHER = bytes(range(32)), bytes(range(1, 33))
PUBLIC = X25519PrivateKey.from_private_bytes(PRIVATE).public_key().public_bytes_raw()
KEY = Opening("AB12-CD34", b"r" * 32)
ORDER = "019aab48-f80c-7000-8000-000000000000"
PLAIN = b'{"key":"AB12-CD34","r":"cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI="}'


def address(**changes: Any) -> Address:
    one = Address("log.example/a", ORDER, 2, "games/abc", "steam-100", "")
    one = one._replace(commitment=commit(one.card, KEY))
    return one._replace(**changes)


INFO = (
    b'yinzheng/parcel/v1\n["log.example/a","019aab48-f80c-7000-8000-000000000000",2,"games/abc","'
    + address().commitment.encode()
    + b'"]'
)


def test_the_oracle_agrees_with_the_numbers_of_another_implementation() -> None:
    """RFC 9180, appendix A.1 (X25519, HKDF-SHA256), as far as the suites agree: DHKEM."""
    ephemeral = bytes.fromhex("52c4a758a802cd8b936eceea314432798d5baf2d7e9235dc084ab1b9cfa2f736")
    public = bytes.fromhex("3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca80815c4d")
    own = X25519PrivateKey.from_private_bytes(ephemeral)
    enc = own.public_key().public_bytes_raw()
    dh = own.exchange(
        X25519PrivateKey.from_private_bytes(
            bytes.fromhex("4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e8ac8")
        ).public_key()
    )

    assert enc.hex() == "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf4431"
    assert (
        oracle._shared_secret(dh, enc, public).hex()
        == "fe0e18c9f024ce43799ae393c7e8fe8fce9d218875e8227b0187c04e7d2ea1fc"
    )


def test_another_hand_opens_what_is_sealed_here() -> None:
    parcel = seal_parcel(address(), KEY, to=PUBLIC)

    assert oracle.open_(PRIVATE, INFO, parcel) == PLAIN
    assert len(parcel) == 32 + len(PLAIN) + 16


def test_what_another_hand_sealed_opens_here() -> None:
    parcel = oracle.seal(PUBLIC, OTHER, INFO, PLAIN)

    assert open_parcel(address(), parcel, private=PRIVATE) == KEY


def test_a_known_parcel_opens() -> None:
    """A golden one: whatever changes, what was delivered must open for ever."""
    parcel = oracle.seal(PUBLIC, OTHER, INFO, PLAIN)

    assert hashlib.sha256(parcel).hexdigest() == GOLDEN
    assert open_parcel(address(), parcel, private=PRIVATE).text == "AB12-CD34"
    digest = hashlib.sha256(b"yinzheng/parcel/v1\n" + parcel).hexdigest()
    assert parcel_digest(parcel) == digest


GOLDEN = "b59f2784eaf98f504573928074028af49c675c6a45d41d0e318b8589ed7b0ed0"


def test_two_parcels_of_one_card_have_nothing_in_common() -> None:
    one, other = (seal_parcel(address(), KEY, to=PUBLIC) for _ in range(2))

    assert one[:32] != other[:32]
    assert one[32:] != other[32:]
    assert KEY.text.encode() not in one


@pytest.mark.parametrize(
    "change",
    [
        {"log": "log.example/b"},
        {"order": ORDER[:-1] + "1"},
        {"line": 1},
        {"item": "games/abd"},
        {"commitment": "00" * 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_parcel_opens_at_its_own_place_only(change: dict[str, Any]) -> None:
    parcel = seal_parcel(address(), KEY, to=PUBLIC)

    with pytest.raises(ParcelRefused) as refused:
        open_parcel(address(**change), parcel, private=PRIVATE)

    assert refused.value.evidence["reason"] == "it does not open with this key at this place"


def test_a_parcel_opens_with_its_own_key_only() -> None:
    parcel = seal_parcel(address(), KEY, to=PUBLIC)

    for private in (OTHER, b"short"):
        with pytest.raises(ParcelRefused):
            open_parcel(address(), parcel, private=private)


def test_every_flipped_byte_and_every_cut_is_refused() -> None:
    parcel = seal_parcel(address(), KEY, to=PUBLIC)
    for place in range(len(parcel)):
        changed = bytearray(parcel)
        changed[place] ^= 1
        with pytest.raises(ParcelRefused):
            open_parcel(address(), bytes(changed), private=PRIVATE)
    for size in (0, 31, 32, 47, 48, len(parcel) - 1):
        with pytest.raises(ParcelRefused):
            open_parcel(address(), parcel[:size], private=PRIVATE)


def test_a_parcel_that_is_too_long_is_not_even_tried() -> None:
    with pytest.raises(ParcelRefused) as refused:
        open_parcel(address(), bytes(PARCEL_BYTES_MAX + 1), private=PRIVATE)

    assert refused.value.evidence["reason"] == "it is too long"


def test_another_key_than_was_promised_is_neither_sent_nor_accepted() -> None:
    wrong = KEY._replace(text="AB12-CD35")
    with pytest.raises(CommitmentDiffers):
        seal_parcel(address(), wrong, to=PUBLIC)
    parcel = oracle.seal(PUBLIC, OTHER, INFO, PLAIN.replace(b"CD34", b"CD35"))

    with pytest.raises(CommitmentDiffers) as refused:
        open_parcel(address(), parcel, private=PRIVATE)

    assert refused.value.evidence == {"item": "games/abc", "field": "card"}


@pytest.mark.parametrize("plain", [b"AB12-CD34", b"\xff", b'{"key":"AB12-CD34"}'])
def test_what_is_no_card_is_refused_without_being_shown(plain: bytes) -> None:
    with pytest.raises(ParcelRefused) as refused:
        open_parcel(address(), oracle.seal(PUBLIC, OTHER, INFO, plain), private=PRIVATE)

    assert refused.value.evidence["reason"] == "it holds no card"
    assert "AB12" not in str(refused.value)


@pytest.mark.parametrize(
    "public",
    [
        bytes(32),
        b"\x01" + bytes(31),
        bytes.fromhex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
        b"short",
    ],
    ids=["zero", "one", "order eight", "short"],
)
def test_nothing_is_encrypted_to_a_key_that_everybody_could_open(public: bytes) -> None:
    with pytest.raises(WeakKey):
        seal_parcel(address(), KEY, to=public)
