"""Signatures by registered keys: one accepted form each."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.proof import keys
from ledger.proof.errors import BadSignature, MalformedEvidence, UnsupportedKey
from ledger.proof.keys import P256_ORDER, verify
from tests.unit.proof.signing import (
    LOG_KEY,
    LOG_PUBLIC,
    P256_KEY,
    P256_PUBLIC,
    WITNESS_PUBLIC,
    p256_scalars,
    p256_sign,
    raw_scalars,
)

MESSAGE = b"yinzheng/command/v1\n{}"
ED25519_SIGNATURE = LOG_KEY.sign(MESSAGE)
P256_SIGNATURE = p256_sign(MESSAGE)
CASES = [
    ("ed25519", LOG_PUBLIC, ED25519_SIGNATURE),
    ("p256", P256_PUBLIC, P256_SIGNATURE),
]


def refusal(alg: str, public: bytes, signature: bytes, message: bytes = MESSAGE) -> BadSignature:
    with pytest.raises(BadSignature) as refused:
        verify(alg, public=public, signature=signature, message=message)
    assert type(refused.value) is BadSignature
    assert (refused.value.step, refused.value.field) == ("signature", "signature")
    return refused.value


@pytest.mark.parametrize(("alg", "public", "signature"), CASES, ids=["ed25519", "p256"])
def test_an_honest_signature_holds(alg: str, public: bytes, signature: bytes) -> None:
    verify(alg, public=public, signature=signature, message=MESSAGE)


def test_a_fixed_ed25519_signature_holds() -> None:
    """RFC 8032 section 7.1, test 2."""
    verify(
        "ed25519",
        public=bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"),
        signature=bytes.fromhex(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
        message=b"\x72",
    )


@pytest.mark.parametrize(("alg", "public", "signature"), CASES, ids=["ed25519", "p256"])
def test_every_flipped_bit_of_the_signature_is_refused(
    alg: str, public: bytes, signature: bytes
) -> None:
    for bit in range(512):
        number = int.from_bytes(signature, "big") ^ (1 << bit)
        refusal(alg, public, number.to_bytes(64, "big"))


@pytest.mark.parametrize(("alg", "public", "signature"), CASES, ids=["ed25519", "p256"])
def test_another_message_is_refused_with_the_signature(
    alg: str, public: bytes, signature: bytes
) -> None:
    refused = refusal(alg, public, signature, MESSAGE + b"\n")

    assert str(refused) == f"signature: the {alg} signature does not hold"
    assert refused.found == signature
    assert refused.__suppress_context__


def test_another_key_is_refused() -> None:
    refusal("ed25519", WITNESS_PUBLIC, ED25519_SIGNATURE)
    other = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    point = other.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    refusal("p256", point, P256_SIGNATURE)


@pytest.mark.parametrize(("alg", "public", "signature"), CASES, ids=["ed25519", "p256"])
@pytest.mark.parametrize("length", [0, 63, 65, 128])
def test_a_signature_is_64_bytes(alg: str, public: bytes, signature: bytes, length: int) -> None:
    refused = refusal(alg, public, (signature * 2)[:length])

    assert str(refused) == "signature: the signature has another length"
    assert (refused.expected, refused.found) == (64, length)


def test_a_der_signature_is_refused() -> None:
    der = P256_KEY.sign(MESSAGE, ec.ECDSA(SHA256()))

    refusal("p256", P256_PUBLIC, der)


def test_a_p256_signature_with_a_high_s_is_refused_though_the_library_takes_it() -> None:
    r, s = p256_scalars(MESSAGE)
    high = raw_scalars(r, P256_ORDER - s)
    der = utils.encode_dss_signature(r, P256_ORDER - s)
    P256_KEY.public_key().verify(der, MESSAGE, ec.ECDSA(SHA256()))

    refused = refusal("p256", P256_PUBLIC, high)

    assert str(refused) == "signature: s is not in the lower half"
    assert refused.found == high


@pytest.mark.parametrize(
    ("r", "s", "message"),
    [
        (0, 1, "r or s is out of range"),
        (1, 0, "r or s is out of range"),
        (P256_ORDER, 1, "r or s is out of range"),
        (1, P256_ORDER, "r or s is out of range"),
        (2**256 - 1, 1, "r or s is out of range"),
        (1, P256_ORDER - 1, "s is not in the lower half"),
        (P256_ORDER - 1, P256_ORDER // 2 + 1, "s is not in the lower half"),
        (P256_ORDER - 1, P256_ORDER // 2, "the p256 signature does not hold"),
        (1, 1, "the p256 signature does not hold"),
    ],
)
def test_r_and_s_lie_in_their_ranges(r: int, s: int, message: str) -> None:
    signature = raw_scalars(r, s)

    refused = refusal("p256", P256_PUBLIC, signature)

    assert str(refused) == f"signature: {message}"
    assert refused.found == signature


def test_the_order_is_the_curves() -> None:
    """(n - 1) G is -G: the same x as the generator."""
    last = ec.derive_private_key(P256_ORDER - 1, ec.SECP256R1()).public_key().public_numbers()
    first = ec.derive_private_key(1, ec.SECP256R1()).public_key().public_numbers()

    assert (last.x, last.y + first.y) == (first.x, 2**256 - 2**224 + 2**192 + 2**96 - 1)


def test_an_ed25519_signature_with_s_plus_the_order_is_refused() -> None:
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(ED25519_SIGNATURE[32:], "little") + order

    refusal("ed25519", LOG_PUBLIC, ED25519_SIGNATURE[:32] + s.to_bytes(32, "little"))


@pytest.mark.parametrize(
    ("alg", "public"),
    [
        ("ed25519", LOG_PUBLIC[:31]),
        ("ed25519", LOG_PUBLIC + b"\x00"),
        ("ed25519", b""),
        ("p256", P256_PUBLIC[:64]),
        ("p256", P256_PUBLIC + b"\x00"),
        ("p256", b"\x04" + bytes(64)),
        ("p256", b""),
    ],
)
def test_what_is_no_key_is_malformed(alg: str, public: bytes) -> None:
    with pytest.raises(MalformedEvidence) as refused:
        verify(alg, public=public, signature=raw_scalars(1, 1), message=MESSAGE)

    assert str(refused.value) == f"signature: the public key is no {alg} key"
    assert (refused.value.field, refused.value.found) == ("key", public)
    assert refused.value.__suppress_context__


def test_a_compressed_p256_key_is_refused_though_the_library_takes_it() -> None:
    compressed = P256_KEY.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), compressed)

    with pytest.raises(MalformedEvidence):
        verify("p256", public=compressed, signature=P256_SIGNATURE, message=MESSAGE)


@pytest.mark.parametrize("alg", ["", "Ed25519", "rsa", "ml-dsa-44"])
def test_an_unknown_algorithm_is_unverifiable(alg: str) -> None:
    with pytest.raises(UnsupportedKey) as refused:
        verify(alg, public=LOG_PUBLIC, signature=ED25519_SIGNATURE, message=MESSAGE)

    assert str(refused.value) == "signature: the key's algorithm is not known"
    assert (refused.value.step, refused.value.field, refused.value.found) == (
        "signature",
        "alg",
        alg,
    )


def test_a_key_is_not_read_under_the_other_algorithm() -> None:
    with pytest.raises(MalformedEvidence):
        verify("p256", public=LOG_PUBLIC, signature=P256_SIGNATURE, message=MESSAGE)
    with pytest.raises(MalformedEvidence):
        verify("ed25519", public=P256_PUBLIC, signature=ED25519_SIGNATURE, message=MESSAGE)


@pytest.mark.parametrize(
    ("alg", "public", "signature", "message"),
    [
        ("rsa", LOG_PUBLIC, ED25519_SIGNATURE, MESSAGE),
        ("ed25519", LOG_PUBLIC, b"", MESSAGE),
        ("ed25519", b"", ED25519_SIGNATURE, MESSAGE),
        ("ed25519", LOG_PUBLIC, ED25519_SIGNATURE, b""),
        ("p256", P256_PUBLIC, raw_scalars(0, 1), MESSAGE),
        ("p256", P256_PUBLIC, raw_scalars(1, P256_ORDER - 1), MESSAGE),
    ],
)
def test_the_caller_names_the_step(
    alg: str, public: bytes, signature: bytes, message: bytes
) -> None:
    with pytest.raises((BadSignature, MalformedEvidence, UnsupportedKey)) as refused:
        verify(alg, public=public, signature=signature, message=message, step="receipt")

    assert refused.value.step == "receipt"


def test_the_library_refuses_what_this_module_calls_bad() -> None:
    with pytest.raises(InvalidSignature):
        LOG_KEY.public_key().verify(ED25519_SIGNATURE, b"other")


def test_parsed_keys_are_cached_within_a_bound() -> None:
    for cache in (keys._ed25519, keys._p256):
        assert cache.cache_info().maxsize == 4096
