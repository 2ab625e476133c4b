"""Outlines: a schema as one regular expression over canonical text.

An outline accepts less than its schema, never more: what it matches is canonical JSON in which
every value is what the schema wants, and nothing has to be looked at again. What it does not match
is looked at by the schema itself, which says what is wrong or finds that nothing is. So outlines
make the common case cheap and decide nothing. Specification: docs/spec.md section 4.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from ledger.rules import schema, text
from ledger.rules.schema import Check, Items, Nested, Nullable, OneOf, Schema, Whole, shape_of

_HEX32: Final = '"[0-9a-f]{64}"'
_NAMESPACE: Final = "[a-z0-9][a-z0-9._-]{0,62}"
# An id that is not "." or ".."; what follows it ends the string or, in a stream, too.
_ID: Final = r"(?!\.\.?\")[A-Za-z0-9._:~-]{1,128}"
_UUID7: Final = "[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_ITEM: Final = f"{_NAMESPACE}/{_ID}"
# Every day but the 29th of February, which is left to the schema: not every year has one.
_DAY: Final = (
    "(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_TIME: Final = (
    rf"\"[1-9][0-9]{{3}}-{_DAY}"
    r"T(?:[01][0-9]|2[0-3])(?::[0-5][0-9]){2}\.[0-9]{6}Z\""
)
# Most of it are signatures: one run of 64 bytes costs a third of the same in fours.
_BASE64: Final = (
    r"\"(?:[A-Za-z0-9+/]{85}[AQgw]=="
    r"|(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?)\""
)
_TEXTS: Final[dict[Check, str]] = {
    schema.hex32: _HEX32,
    schema.time: _TIME,
    schema.identifier: f'"{_ID}"',
    schema.party: f'"(?:imported/{_ITEM}|{_ID})"',
    schema.namespace: f'"{_NAMESPACE}"',
    schema.item: f'"{_ITEM}"',
    schema.stream: (
        f'"(?:(?:item|imported|listing)/{_ITEM}'
        f"|(?:party|policy|merchant|balance|deposit|credit|checks)/{_ID}"
        f'|(?:order|claim|alert)/{_UUID7}|namespace/{_NAMESPACE}|log)"'
    ),
    schema.origin: '"[a-z0-9][a-z0-9.-]{0,99}(?:/[A-Za-z0-9._~-]{1,63}){0,6}"',
    schema.name: '"[a-z][a-z0-9-]{0,39}"',
    schema.currency: '"[A-Z][A-Z0-9]{1,9}"',
    schema.amount: '"(?:0|[1-9][0-9]{0,37})"',
    schema.signed: '"(?:0|-?[1-9][0-9]{0,37})"',
    schema.account: (
        f'"(?:(?:balance|credit|deposit|receivable)/{_ID}|external/(?:alipay|internal|wechat)'
        f'|escrow/{_UUID7}/[1-9][0-9]{{0,3}}|fees|fund|issued)"'
    ),
    schema.base64: _BASE64,
    schema.flag: "(?:true|false)",
    schema.any_string: r'"[^"\\\x00-\x1f]{1,200}"',
    text.check_uuid7: f'"{_UUID7}"',
}
_more: dict[Check, str] = {}


class NoOutline(Exception):
    """A check accepts what no regular expression of this module describes."""


def learn(check: Check, *alternatives: Schema | Check) -> None:
    """Say that a check accepts whatever one of several schemas or checks accepts."""
    patterns = [
        object_pattern(each) if isinstance(each, dict) else pattern(each) for each in alternatives
    ]
    _more[check] = f"(?:{'|'.join(patterns)})"


def pattern(check: Check) -> str:
    """Write the values that a check accepts, or some of them, as a regular expression.

    Raises:
        NoOutline: None is known.

    """
    found = _TEXTS.get(check) or _more.get(check)
    if found is not None:
        return found
    match shape_of(check):
        case Nested(inner):
            return object_pattern(inner)
        case Nullable(some):
            return f"(?:null|{pattern(some)})"
        case OneOf(values):
            return '"(?:' + "|".join(re.escape(value) for value in values) + ')"'
        case Whole(low, high):
            return _whole(low, high)
        case Items(one, least, most):
            return _items(pattern(one), least, most)
    raise NoOutline


def object_pattern(fields: Schema, **known: str) -> str:
    """Write the objects of a schema in canonical form; `known` are patterns of some fields.

    Raises:
        NoOutline: A field has no pattern.

    """
    parts = [f'"{name}":{known.get(name) or pattern(fields[name])}' for name in sorted(fields)]
    return r"\{" + ",".join(parts) + r"\}"


@cache
def compiled(expression: str) -> re.Pattern[str]:
    """Compile an outline once."""
    return re.compile(expression, re.ASCII)


def _whole(low: int, high: int) -> str:
    if low == high:
        return str(low)
    # One digit less than the bound has is always below it.
    digits = len(str(high)) - 2
    if low > 1 or digits < 0:
        raise NoOutline
    return f"(?:0|[1-9][0-9]{{0,{digits}}})" if low == 0 else f"[1-9][0-9]{{0,{digits}}}"


def _items(one: str, least: int, most: int) -> str:
    some = f"{one}(?:,{one}){{{max(least - 1, 0)},{most - 1}}}"
    return rf"\[{some}\]" if least else rf"\[(?:{some})?\]"
