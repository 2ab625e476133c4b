"""Closed schemas: which fields an object has, and what each may hold.

A schema is a mapping of field name to a check `(value, field) -> None`; nothing else is accepted.
Specification: docs/spec.md section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from ledger.rules import text
from ledger.rules.errors import Malformed, UnknownVersion

Check = Callable[[Any, str], object]
"""Accepts a value, or raises `Malformed` with the name of the field; what it returns is unused."""

Schema = dict[str, Check]

SECONDS_MAX = 366 * 24 * 3600
_EXPONENT_MAX = 30
# Units of their own, which are no money: no ledger policy may call them a currency.
UNITS = frozenset({"CREDIT", "POINTS"})


class Nested(NamedTuple):
    """The shape of a check that accepts an object of another schema."""

    schema: Schema


class Nullable(NamedTuple):
    """The shape of a check that accepts null, or what another check accepts."""

    inner: Check


class OneOf(NamedTuple):
    """The shape of a check that accepts one of a closed set of strings."""

    values: tuple[str, ...]


class Whole(NamedTuple):
    """The shape of a check that accepts an integer between two bounds."""

    low: int
    high: int


class Items(NamedTuple):
    """The shape of a check that accepts an array."""

    inner: Check
    least: int
    most: int


Shape = Nested | Nullable | OneOf | Whole | Items

_shapes: dict[Check, Shape] = {}


def _shaped(check: Check, shape: Shape) -> Check:
    _shapes[check] = shape
    return check


def shape_of(check: Check) -> Shape | None:
    """Return what a check made by this module consists of; None for any other."""
    return _shapes.get(check)


def check_object(value: object, schema: Schema, field: str) -> dict[str, Any]:
    """Accept an object with exactly the schema's fields.

    Raises:
        Malformed: A field is missing, unknown, or does not hold what it should.

    """
    if not isinstance(value, dict):
        raise Malformed(field, "is not an object")
    if value.keys() != schema.keys():
        missing, strange = schema.keys() - value.keys(), value.keys() - schema.keys()
        if missing:
            raise Malformed(f"{field}.{min(missing)}", "is missing")
        raise Malformed(f"{field}.{min(strange)}", "is not a field of this object")
    try:
        for name, check in schema.items():
            check(value[name], name)
    except Malformed as bad:
        # The whole name of a field is put together only where there is something to say of it.
        raise type(bad)(f"{field}.{bad.field}", bad.message) from None
    return value


def nested(schema: Schema) -> Check:
    """Accept an object of another schema."""

    def check(value: Any, field: str) -> None:
        check_object(value, schema, field)

    return _shaped(check, Nested(schema))


def nullable(inner: Check) -> Check:
    """Accept null, or what `inner` accepts."""

    def check(value: Any, field: str) -> None:
        if value is not None:
            inner(value, field)

    return _shaped(check, Nullable(inner))


def one_of(values: Collection[str]) -> Check:
    """Accept one of a closed set of strings."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, str) or value not in values:
            raise Malformed(field, f"is not one of {', '.join(sorted(values))}")

    return _shaped(check, OneOf(tuple(sorted(values))))


def whole(low: int, high: int) -> Check:
    """Accept an integer from `low` to `high`."""

    def check(value: Any, field: str) -> None:
        # bool is a subclass of int: true is no number here.
        if type(value) is not int or not low <= value <= high:
            raise Malformed(field, f"is not a whole number from {low} to {high}")

    return _shaped(check, Whole(low, high))


def items(inner: Check, *, most: int, least: int = 0) -> Check:
    """Accept an array of `least` to `most` values."""

    def check(value: Any, field: str) -> None:
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise Malformed(field, f"is not an array of {least} to {most} values")
        for position, one in enumerate(value):
            try:
                inner(one, "")
            except Malformed as bad:
                raise type(bad)(f"{field}[{position}]{bad.field}", bad.message) from None

    return _shaped(check, Items(inner, least, most))


def sorted_items(inner: Check, *, most: int, least: int = 0, by: str | None = None) -> Check:
    """Accept an array in ascending order, nothing twice; `by` is the field that objects go by."""
    some = items(inner, least=least, most=most)
    order = "is not sorted" if by is None else f"is not sorted by {by}"

    def check(value: Any, field: str) -> None:
        some(value, field)
        keys = value if by is None else [one[by] for one in value]
        if keys != sorted(set(keys)):
            raise Malformed(field, f"{order}, each once")

    return _shaped(check, Items(inner, least, most))


def permutation(values: tuple[str, ...]) -> Check:
    """Accept an array of all of a closed set of strings, in whatever order."""
    some = items(one_of(values), least=len(values), most=len(values))

    def check(value: Any, field: str) -> None:
        some(value, field)
        if len(set(value)) != len(values):
            raise Malformed(field, f"does not name each of {', '.join(sorted(values))} once")

    return _shaped(check, Items(one_of(values), len(values), len(values)))


def any_object(value: Any, field: str) -> None:
    """Accept any object; its own reader looks inside."""
    if not isinstance(value, dict):
        raise Malformed(field, "is not an object")


def any_string(value: Any, field: str) -> None:
    """Accept a string of 1 to 200 characters."""
    if not isinstance(value, str) or not 1 <= len(value) <= 200:  # noqa: PLR2004 - said above
        raise Malformed(field, "is not a string of 1 to 200 characters")


hex32 = text.check_hex32
time = text.check_time
identifier = text.check_id
party = text.check_party
namespace = text.check_namespace
item = text.check_item
stream = text.check_stream
origin = text.check_origin
currency = text.check_currency
name = text.check_name
amount = text.check_amount
signed = text.check_signed
account = text.check_account
uuid7 = text.check_uuid7


def base64(value: Any, field: str) -> None:
    """Accept base64 in its one spelling."""
    text.b64decode(value, field=field)


seconds = whole(0, SECONDS_MAX)


def flag(value: Any, field: str) -> None:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise Malformed(field, "is not true or false")


MONEY: Schema = {"amount": amount, "currency": currency}
POLICY: Schema = {
    "claim_cool_down_s": seconds,
    "currencies": items(
        nested({"currency": currency, "exponent": whole(0, _EXPONENT_MAX)}), least=1, most=64
    ),
    "key_change_delay_s": seconds,
    "key_cool_down_s": seconds,
    "registration": one_of({"approved", "open"}),
    "v": whole(1, 1),
}

ALGORITHMS = frozenset({"ed25519", "p256"})


def version(document: object, field: str) -> None:
    """Accept version 1, before anything else of a document is looked at.

    Raises:
        UnknownVersion: Another version, whose fields are not known here.

    """
    found = document.get("v") if isinstance(document, dict) else None
    if type(found) is int and found != 1:
        raise UnknownVersion(f"{field}.v", f"is version {found}, not 1")


_one_algorithm = one_of(ALGORITHMS)


def _algorithm(value: Any, field: str) -> None:
    if isinstance(value, str) and value not in ALGORITHMS:
        raise UnknownVersion(field, "is not an algorithm known here")
    _one_algorithm(value, field)


_shaped(_algorithm, OneOf(tuple(sorted(ALGORITHMS))))
KEY: Schema = {"alg": _algorithm, "public": base64}
key = nested(KEY)
money = nested(MONEY)


def policy(value: Any, field: str) -> None:
    """Accept a ledger policy whose currencies are sorted and unique."""
    check_object(value, POLICY, field)
    codes = [entry["currency"] for entry in value["currencies"]]
    if codes != sorted(set(codes)):
        raise Malformed(f"{field}.currencies", "is not sorted by currency, each once")
    if not UNITS.isdisjoint(codes):
        raise Malformed(f"{field}.currencies", f"names one of {', '.join(sorted(UNITS))}")
