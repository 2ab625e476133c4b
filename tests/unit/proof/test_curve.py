"""Weak public keys: what OpenSSL accepts and this project refuses."""

from __future__ import annotations

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ledger.rules import curve
from ledger.rules.curve import check_ed25519, check_p256, check_x25519
from ledger.rules.errors import WeakKey
from tests.unit.proof.signing import LOG_PUBLIC, P256_PUBLIC

P = 2**255 - 19
Q = 2**256 - 2**224 + 2**192 + 2**96 - 1

# The eight points of small order, in their canonical encodings (RFC 8032 section 5.1.2).
TORSION = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]


def refusal(check: object, raw: bytes) -> WeakKey:
    assert callable(check)
    with pytest.raises(WeakKey) as refused:
        check(raw)
    return refused.value


def encode(y: int, sign: int = 0) -> bytes:
    return (y | sign << 255).to_bytes(32, "little")


# A second, slow group law in affine coordinates: the oracle, apart from the code.
D = -121665 * pow(121666, P - 2, P) % P
Affine = tuple[int, int]


def affine_add(a: Affine, b: Affine) -> Affine:
    (ax, ay), (bx, by) = a, b
    t = D * ax * bx * ay * by
    return (
        (ax * by + ay * bx) * pow(1 + t, -1, P) % P,
        (ay * by + ax * bx) * pow(1 - t, -1, P) % P,
    )


def affine_decode(raw: bytes) -> Affine:
    number = int.from_bytes(raw, "little")
    y, sign = number % 2**255, number >> 255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return (x if x % 2 == sign else -x % P), y


def affine_encode(point: Affine) -> bytes:
    return encode(point[1], point[0] % 2)


@pytest.mark.parametrize("text", TORSION)
def test_all_eight_points_of_small_order_are_refused(text: str) -> None:
    refused = refusal(check_ed25519, bytes.fromhex(text))

    assert refused.message == "the key has small order"
    assert refused.code == "weak-key"
    assert refused.evidence == {"alg": "ed25519"}


def test_the_eight_points_are_the_whole_torsion_group() -> None:
    points = {affine_decode(bytes.fromhex(text)) for text in TORSION}

    assert len(points) == 8
    assert {affine_add(a, b) for a in points for b in points} == points


@pytest.mark.parametrize("text", TORSION)
def test_the_library_accepts_a_forgery_under_a_point_of_small_order(text: str) -> None:
    """Why the check exists: S = 0 and R of small order verify with no private key at all."""
    raw = bytes.fromhex(text)
    key = Ed25519PublicKey.from_public_bytes(raw)

    def verifies(forged: bytes, message: bytes) -> bool:
        try:
            key.verify(forged, message)
        except InvalidSignature:
            return False
        return True

    forged = [bytes.fromhex(r) + bytes(32) for r in TORSION]
    assert any(verifies(f, b"pay 1,000,000 %d" % n) for f in forged for n in range(20))

    refusal(check_ed25519, raw)


def test_under_the_identity_one_forgery_signs_every_message() -> None:
    identity = bytes.fromhex(TORSION[0])
    key, forged = Ed25519PublicKey.from_public_bytes(identity), identity + bytes(32)

    key.verify(forged, b"A")
    key.verify(forged, b"pay 1,000,000")

    refusal(check_ed25519, identity)


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("excess", range(19))
def test_every_second_spelling_of_y_is_refused(excess: int, sign: int) -> None:
    refused = refusal(check_ed25519, encode(P + excess, sign))

    assert refused.message == "the key is not canonical: y is not below p"


@pytest.mark.parametrize("y", [1, P - 1])
def test_a_zero_x_has_no_sign(y: int) -> None:
    refused = refusal(check_ed25519, encode(y, 1))

    assert refused.message == "the key is not canonical: x is 0 with a sign"


def test_a_y_without_a_point_is_refused() -> None:
    assert refusal(check_ed25519, encode(2)).message == "the key is no point of the curve"
    assert refusal(check_ed25519, encode(2, 1)).message == "the key is no point of the curve"


def affine_multiply(scalar: int, point: Affine) -> Affine:
    result = (0, 1)
    for bit in f"{scalar:b}":
        result = affine_add(result, result)
        if bit == "1":
            result = affine_add(result, point)
    return result


@pytest.mark.parametrize("y", range(2, 34))
def test_any_y_is_judged_as_the_slow_oracle_judges_it(y: int) -> None:
    """Euler's criterion says where points are, the affine law which of them have order L."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if pow(square, (P - 1) // 2, P) != 1:
        expected = "the key is no point of the curve"
    else:
        order = 2**252 + 27742317777372353535851937790883648493
        whole = affine_multiply(order, affine_decode(encode(y))) == (0, 1)
        expected = "accepted" if whole else "the key has mixed order"

    try:
        check_ed25519(encode(y))
        found = "accepted"
    except WeakKey as refused:
        found = refused.message
    assert found == expected


@pytest.mark.parametrize("text", TORSION[1:])
def test_an_honest_key_plus_any_torsion_point_has_mixed_order(text: str) -> None:
    mixed = affine_encode(affine_add(affine_decode(LOG_PUBLIC), affine_decode(bytes.fromhex(text))))

    refused = refusal(check_ed25519, mixed)

    assert refused.message == "the key has mixed order"
    assert refused.evidence == {"alg": "ed25519"}
    Ed25519PublicKey.from_public_bytes(mixed)  # the library has no objection


def test_honest_keys_are_accepted_with_either_sign() -> None:
    signs = set()
    for n in range(20):
        raw = Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32).public_key().public_bytes_raw()
        signs.add(raw[31] >> 7)
        check_ed25519(raw)

    assert signs == {0, 1}


def test_the_base_point_and_its_negative_are_accepted() -> None:
    base = 4 * pow(5, -1, P) % P

    check_ed25519(encode(base, 0))
    check_ed25519(encode(base, 1))


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_an_ed25519_key_is_32_bytes(length: int) -> None:
    refused = refusal(check_ed25519, bytes(length))

    assert refused.message == f"the key is {length} bytes, expected 32"
    assert str(refused) == refused.message


def test_an_honest_p256_key_is_accepted() -> None:
    check_p256(P256_PUBLIC)
    for secret in (1, 2, 12345):
        key = ec.derive_private_key(secret, ec.SECP256R1()).public_key()
        check_p256(key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@pytest.mark.parametrize("length", [0, 33, 64, 66])
def test_a_p256_key_is_65_bytes(length: int) -> None:
    refused = refusal(check_p256, (P256_PUBLIC + b"\x00")[:length])

    assert refused.message == f"the key is {length} bytes, expected 65"
    assert refused.evidence == {"alg": "p256"}


@pytest.mark.parametrize("form", [0, 2, 3, 5, 6, 7])
def test_a_p256_key_is_uncompressed(form: int) -> None:
    refused = refusal(check_p256, bytes([form]) + P256_PUBLIC[1:])

    assert refused.message == "the key is not an uncompressed point"


@pytest.mark.parametrize("at", [1, 32, 33, 64])
def test_a_point_beside_the_p256_curve_is_refused(at: int) -> None:
    spoiled = bytearray(P256_PUBLIC)
    spoiled[at] ^= 1

    refused = refusal(check_p256, bytes(spoiled))

    assert refused.message == "the key is no point of the curve"


def test_the_p256_origin_is_no_point() -> None:
    assert refusal(check_p256, b"\x04" + bytes(64)).message == "the key is no point of the curve"


def test_p256_coordinates_are_below_p() -> None:
    """The curve has a point with x = 0; x = p would be its second spelling."""
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    y = pow(b, (Q + 1) // 4, Q)
    good = b"\x04" + bytes(32) + y.to_bytes(32, "big")
    message = "the key is not canonical: a coordinate is not below p"

    check_p256(good)
    assert refusal(check_p256, b"\x04" + Q.to_bytes(32, "big") + good[33:]).message == message
    assert refusal(check_p256, good[:33] + Q.to_bytes(32, "big")).message == message
    assert refusal(check_p256, good[:33] + b"\xff" * 32).message == message


def test_the_caches_are_bounded_and_keep_refusals() -> None:
    for cache in (curve._ed25519_fault, curve._p256_fault):
        assert cache.cache_info().maxsize == 4096
    weak = bytes.fromhex(TORSION[0])
    refusal(check_ed25519, weak)
    hits = curve._ed25519_fault.cache_info().hits

    refusal(check_ed25519, weak)

    assert curve._ed25519_fault.cache_info().hits == hits + 1


def test_keys_may_come_in_any_kind_of_bytes() -> None:
    check_ed25519(bytearray(LOG_PUBLIC))
    check_p256(bytearray(P256_PUBLIC))


# Curve25519 is edwards25519 by u = (1 + y) / (1 - y); u = -1 has order 4 on its twist.
HEIGHTS = {affine_decode(bytes.fromhex(point))[1] for point in TORSION} - {1}
SMALL_U = sorted({(1 + y) * pow(1 - y, -1, P) % P for y in HEIGHTS} | {P - 1})


def agreed(u: int) -> bool:
    """Say whether OpenSSL agrees on anything with a public key: never on nothing but zeros."""
    public = X25519PublicKey.from_public_bytes(u.to_bytes(32, "little"))
    try:
        X25519PrivateKey.from_private_bytes(bytes([7] * 32)).exchange(public)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("u", SMALL_U)
def test_an_x25519_key_of_small_order_is_refused(u: int) -> None:
    assert len(SMALL_U) == 5
    assert not agreed(u)

    error = refusal(check_x25519, u.to_bytes(32, "little"))
    assert (error.message, error.evidence) == ("the key has small order", {"alg": "x25519"})


@pytest.mark.parametrize("u", [P, P + 1, 2**255 - 1, 2**255, 2**256 - 1])
def test_an_x25519_key_has_one_spelling(u: int) -> None:
    error = refusal(check_x25519, u.to_bytes(32, "little"))
    assert error.message == "the key is not canonical: u is not below p"


@pytest.mark.parametrize("length", [0, 31, 33])
def test_an_x25519_key_has_32_bytes(length: int) -> None:
    error = refusal(check_x25519, bytes(length))
    assert error.message == f"the key is {length} bytes, expected 32"


@pytest.mark.parametrize("u", [2, 9, P - 2, *(max(SMALL_U[1:4]) + step for step in (-1, 1))])
def test_an_x25519_key_beside_those_is_taken(u: int) -> None:
    assert agreed(u)
    check_x25519(u.to_bytes(32, "little"))


def test_an_x25519_key_that_was_made_honestly_is_taken() -> None:
    for seed in range(16):
        secret = X25519PrivateKey.from_private_bytes(bytes([seed] * 32))
        check_x25519(secret.public_key().public_bytes_raw())
