"""A trade policy in YAML becomes a document; every fault is named with its place.

The file has the fields of the document (docs/spec.md section 9.8), but for durations: a field that
ends in `_s` there stands without it here, and its value carries a unit (`90s`, `30m`, `2h`, `7d`).
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib.resources import files
from typing import Any, Final, NamedTuple

from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

from api.policies.yamltree import Fault, Mapping, Node, Scalar, Sequence, Unreadable, read_tree
from ledger.rules import schema
from ledger.rules.errors import Malformed
from ledger.rules.schema import Check, Items, Nested, Nullable, OneOf, Schema, Whole, shape_of
from ledger.rules.terms_document import TERMS, faults

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION: Final = re.compile(r"(0|[1-9][0-9]{0,8})([smhd])")
_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,15}")
_SUFFIX: Final = re.compile(r"_s(?=$|\.)")
_EXAMPLE: Final = "a duration with its unit, such as 90s, 30m, 2h or 7d"
# What YAML itself takes for something else than a text; said so, lest it be written unawares.
_NOT_TEXT: Final = {
    "tag:yaml.org,2002:bool": "true or false",
    "tag:yaml.org,2002:float": "a fraction",
    "tag:yaml.org,2002:null": "nothing",
    "tag:yaml.org,2002:timestamp": "a date",
}
_SHOWN_MAX: Final = 40
_resolver: Final = Resolver()


class Reading(NamedTuple):
    """What a file says: its document, or every fault in it."""

    document: dict[str, Any] | None
    faults: tuple[Fault, ...]


def default_policy() -> bytes:
    """Return the policy `cn-default` that comes with the program, as YAML."""
    return files("api.policies").joinpath("cn-default.yaml").read_bytes()


def read_policy(data: bytes) -> Reading:
    """Read a policy file and check what it says.

    Args:
        data: YAML in UTF-8.

    Returns:
        The document if it may be published, else every fault, in the order of the file.

    """
    try:
        tree = read_tree(data)
    except Unreadable as error:
        return Reading(None, (error.fault,))
    reader = _Reader()
    document = reader.read(tree, schema.nested(TERMS), "")
    if not reader.faults and isinstance(document, dict):
        for fault in faults(document):
            reader.say(reader.places[fault.field], fault.field, fault.message)
    if reader.faults or not isinstance(document, dict):
        return Reading(None, tuple(sorted(reader.faults)))
    return Reading(document, ())


class _Reader:
    """Reads a tree by a schema; keeps where every field stands and what is wrong."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.places: dict[str, tuple[int, int]] = {}

    def say(self, place: tuple[int, int], field: str, message: str) -> None:
        """Remember a fault of a field of the document."""
        self._say(place, _SUFFIX.sub("", field), message)

    def _say(self, place: tuple[int, int], shown: str, message: str) -> None:
        self.faults.append(Fault(*place, shown, message))

    def read(self, node: Node, check: Check, field: str) -> Any:
        """Read a value; where there is a fault in it, what is returned says nothing."""
        self.places[field] = node.place
        match shape_of(check):
            case Nullable(inner):
                if isinstance(node, Scalar) and node.plain and node.text == "null":
                    return None
                return self.read(node, inner, field)
            case Nested(inner):
                return self._mapping(node, inner, field)
            case Items(inner, _, _):
                return self._list(node, check, inner, field)
        return self._scalar(node, check, field)

    def _mapping(self, node: Node, fields: Schema, field: str) -> dict[str, Any]:
        named = {_SUFFIX.sub("", name): name for name in fields}
        if not isinstance(node, Mapping):
            self.say(node.place, field, f"is not a mapping of {', '.join(sorted(named))}")
            return {}
        found: dict[str, Any] = {}
        seen: dict[str, int] = {}
        for key, value in node.nodes:
            name, shown = named.get(key.text), _below(field, _shown(key.text))
            if key.text in seen:
                message = f"stands here twice, first in line {seen[key.text]}: leave one out"
                self._say(key.place, shown, message)
            elif name is None:
                self._say(key.place, shown, _strange(key.text, sorted(named)))
            else:
                found[name] = self.read(value, fields[name], _below(field, name))
            seen.setdefault(key.text, key.place[0])
        for shown, name in sorted(named.items()):
            if shown not in seen:
                message = f"is missing: it {_wanted(fields[name], name)}"
                self._say(node.place, _below(field, shown), message)
        return found

    def _list(self, node: Node, check: Check, inner: Check, field: str) -> list[Any]:
        if not isinstance(node, Sequence):
            self.say(node.place, field, "is not a list")
            return []
        before = len(self.faults)
        values = [self.read(each, inner, f"{field}[{at}]") for at, each in enumerate(node.nodes)]
        if len(self.faults) == before:
            try:
                check(values, "")
            except Malformed as bad:
                self.say(node.place, field, bad.message)
        return values

    def _scalar(self, node: Node, check: Check, field: str) -> Any:
        shown = field.rpartition(".")[2]
        if not isinstance(node, Scalar):
            self.say(node.place, field, f"is a list or mapping: it {_wanted(check, shown)}")
            return None
        value: Any = node.text
        if isinstance(shape_of(check), Whole):
            value = _seconds(node.text) if shown.endswith("_s") else _whole(node)
        elif not isinstance(shape_of(check), OneOf):
            taken = _NOT_TEXT.get(_resolver.resolve(ScalarNode, node.text, (node.plain, True)))
            if taken is not None:
                message = f"is {_quoted(node)}, which YAML takes for {taken}: put a text in quotes"
                self.say(node.place, field, message)
                return None
        try:
            check(value, "")
        except Malformed:
            self.say(node.place, field, f"is {_quoted(node)}: it {_wanted(check, shown)}")
        return value


def _below(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name


def _whole(node: Scalar) -> int | None:
    return int(node.text) if node.plain and _INTEGER.fullmatch(node.text) else None


def _seconds(text: str) -> int | None:
    found = _DURATION.fullmatch(text)
    return int(found[1]) * _UNITS[found[2]] if found else None


def _quoted(node: Scalar) -> str:
    shown = _shown(node.text)
    return shown if node.plain and shown else f'"{shown}"'


def _shown(text: str) -> str:
    """Write a text of the file so that a line of a terminal can hold it."""
    cut = text if len(text) <= _SHOWN_MAX else f"{text[:_SHOWN_MAX]}..."
    return cut if cut.isprintable() else ascii(cut)[1:-1]


def _strange(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    guess = f"; perhaps {near[0]} is meant" if near else ""
    return f"is no field here: there are {', '.join(known)}{guess}"


def _wanted(check: Check, name: str) -> str:
    """Say what a value should be, to follow upon "it"."""
    match shape_of(check):
        case Nullable(inner):
            return f"{_wanted(inner, name)}, or null"
        case Nested(inner):
            fields = sorted(_SUFFIX.sub("", each) for each in inner)
            return f"is a mapping of {', '.join(fields)}"
        case Items():
            return "is a list"
        case Whole(low, high):
            return _number(low, high, name)
    try:
        check(None, "")
    except Malformed as bad:
        return bad.message.replace("is not ", "is ", 1)
    return "is there"


def _number(low: int, high: int, name: str) -> str:
    if name.endswith("_s"):
        return f"is {_EXAMPLE}, from {low}s to {high // _UNITS['d']}d"
    return f"is {low}" if low == high else f"is a whole number from {low} to {high}"
