"""Strict checks of public keys: canonical points of full order on their curve.

Signature libraries accept Ed25519 keys of small order, under which anybody can sign anything, and
keys of mixed order, over which verifiers disagree. Each key is checked once, at registration.
Keys are public, so nothing here runs in constant time.

Specification: RFC 8032 section 5.1 (edwards25519), FIPS 186-5 and SEC 1 section 2.3.4 (P-256), RFC
7748 sections 5 and 6.1 (Curve25519).
"""

from __future__ import annotations

from functools import lru_cache

from ledger.rules.errors import WeakKey

ED25519_BYTES = 32
X25519_BYTES = 32
P256_BYTES = 65

_CACHED_KEYS_MAX = 4096

# edwards25519: -x^2 + y^2 = 1 + D x^2 y^2 over the integers modulo P; its base point has order L.
_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT_OF_MINUS_ONE = pow(2, (_P - 1) // 4, _P)

# Curve25519: the u of every point of small order, on the curve and on its twist. With one of them
# every secret key agrees on the same bytes (RFC 7748 section 6.1).
_SMALL_U = frozenset(
    {
        0,
        1,
        325606250916557431795983626356110631294008115727848805560023387167927233504,
        39382357235489614581723060781553021112529911719440698176882885853963445705823,
        _P - 1,
    }
)

# P-256: y^2 = x^3 - 3 x + B over the integers modulo Q.
_Q = 2**256 - 2**224 + 2**192 + 2**96 - 1
_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
_UNCOMPRESSED = 4

# Extended coordinates (X, Y, Z, T) with x = X/Z, y = Y/Z, x y = T/Z (RFC 8032 section 5.1.4).
_Point = tuple[int, int, int, int]
_IDENTITY: _Point = (0, 1, 1, 0)


def check_ed25519(raw: bytes) -> None:
    """Accept a public key that is a canonical point of order L, and nothing else.

    Args:
        raw: The key, 32 bytes: y, little-endian, with the sign of x in the highest bit.

    Raises:
        WeakKey: Another length, y not below p, no point of the curve, small or mixed order.

    Spec: RFC 8032 section 5.1.3, with [8]A != O and [L]A == O added.

    """
    fault = _ed25519_fault(bytes(raw))
    if fault is not None:
        raise WeakKey(fault, alg="ed25519")


def check_p256(raw: bytes) -> None:
    """Accept a public key that is an uncompressed point of the curve, and nothing else.

    Args:
        raw: The key, 65 bytes: 0x04, x and y, big-endian.

    Raises:
        WeakKey: Another length or form, a coordinate not below p, no point of the curve.

    Spec: SEC 1 section 2.3.4; every such point has full order, as the cofactor is 1.

    """
    fault = _p256_fault(bytes(raw))
    if fault is not None:
        raise WeakKey(fault, alg="p256")


def check_x25519(raw: bytes) -> None:
    """Accept a public key for X25519 that an agreement can be made with.

    Args:
        raw: The key, 32 bytes: u, little-endian.

    Raises:
        WeakKey: Another length, u not below p, or a point of small order.

    Spec: RFC 7748 section 5, without its masking of the highest bit.

    """
    fault = _x25519_fault(raw)
    if fault is not None:
        raise WeakKey(fault, alg="x25519")


def _x25519_fault(raw: bytes) -> str | None:
    if len(raw) != X25519_BYTES:
        return f"the key is {len(raw)} bytes, expected {X25519_BYTES}"
    u = int.from_bytes(raw, "little")
    if u >= _P:
        return "the key is not canonical: u is not below p"
    return "the key has small order" if u in _SMALL_U else None


# The faults are cached as values: an exception would not be, and a weak key could be sent again.
@lru_cache(maxsize=_CACHED_KEYS_MAX)
def _ed25519_fault(raw: bytes) -> str | None:
    if len(raw) != ED25519_BYTES:
        return f"the key is {len(raw)} bytes, expected {ED25519_BYTES}"
    point = _decode(raw)
    if isinstance(point, str):
        return point
    if _is_identity(_multiply(8, point)):
        return "the key has small order"
    return None if _is_identity(_multiply(_L, point)) else "the key has mixed order"


@lru_cache(maxsize=_CACHED_KEYS_MAX)
def _p256_fault(raw: bytes) -> str | None:
    if len(raw) != P256_BYTES:
        return f"the key is {len(raw)} bytes, expected {P256_BYTES}"
    if raw[0] != _UNCOMPRESSED:
        return "the key is not an uncompressed point"
    x, y = int.from_bytes(raw[1:33], "big"), int.from_bytes(raw[33:], "big")
    if x >= _Q or y >= _Q:
        return "the key is not canonical: a coordinate is not below p"
    if (y * y - x * x * x + 3 * x - _B) % _Q != 0:
        return "the key is no point of the curve"
    return None


def _decode(raw: bytes) -> _Point | str:
    """Decode a point up to its sign, or say why there is none (RFC 8032 section 5.1.3)."""
    sign, y = divmod(int.from_bytes(raw, "little"), 1 << 255)
    if y >= _P:
        return "the key is not canonical: y is not below p"
    x = _recover_x(y)
    if x is None:
        return "the key is no point of the curve"
    if x == 0 and sign == 1:
        return "the key is not canonical: x is 0 with a sign"
    # Either x will do, whatever the sign: a point and its negative have the same order.
    return x, y, 1, x * y % _P


def _recover_x(y: int) -> int | None:
    """Solve the curve for one x, or None where no point has this y (RFC 8032 section 5.1.3)."""
    u, v = (y * y - 1) % _P, (_D * y * y + 1) % _P
    x = u * v**3 * pow(u * v**7, (_P - 5) // 8, _P) % _P
    if (v * x * x - u) % _P == 0:
        return x
    if (v * x * x + u) % _P == 0:
        return x * _ROOT_OF_MINUS_ONE % _P
    return None


def _add(a: _Point, b: _Point) -> _Point:
    """Add two points; the formula is complete, so it doubles too (RFC 8032 section 5.1.4)."""
    ax, ay, az, at = a
    bx, by, bz, bt = b
    e = (ay - ax) * (by - bx) % _P
    f = (ay + ax) * (by + bx) % _P
    g = 2 * _D * at * bt % _P
    h = 2 * az * bz % _P
    k, m, n, o = f - e, h - g, h + g, f + e
    return k * m % _P, n * o % _P, m * n % _P, k * o % _P


def _multiply(scalar: int, point: _Point) -> _Point:
    result = _IDENTITY
    for bit in bin(scalar)[2:]:
        result = _add(result, result)
        if bit == "1":
            result = _add(result, point)
    return result


def _is_identity(point: _Point) -> bool:
    x, y, z, _ = point
    return x == 0 and y == z
