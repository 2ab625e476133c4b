"""YAML as a tree of texts with their places, and nothing that YAML could do beside.

Only the parser's events are used, so nothing is built, no tag is resolved, and what is too large or
too deep is refused while it is read. Anchors, aliases, tags and second documents are faults.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import yaml
from yaml.error import MarkedYAMLError
from yaml.reader import ReaderError

BYTES_MAX: Final = 256 * 1024
_DEPTH_MAX: Final = 16
_NODES_MAX: Final = 20_000
_WIDE_COLON: Final = "\uff1a"


class Fault(NamedTuple):
    """What is wrong in a file: where (from 1), with which field, and what would be right."""

    line: int
    column: int
    field: str
    message: str


class Scalar(NamedTuple):
    """A text; `plain` where no quotes stand around it."""

    place: tuple[int, int]
    text: str
    plain: bool


class Sequence(NamedTuple):
    """A list."""

    place: tuple[int, int]
    nodes: list[Node]


class Mapping(NamedTuple):
    """Names and what they stand for, in the order of the file, repeated ones too."""

    place: tuple[int, int]
    nodes: list[tuple[Scalar, Node]]


Node = Scalar | Sequence | Mapping


class Unreadable(Exception):
    """The file is not YAML of the form that is read here; `fault` says where."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(line, column, "", message)


def read_tree(data: bytes) -> Node:
    """Read one YAML document.

    Args:
        data: A file in UTF-8, at most 256 KiB.

    Raises:
        Unreadable: It is too large, too deep, no YAML, or uses what is not read here.

    """
    if len(data) > BYTES_MAX:
        raise Unreadable(1, 1, f"the file is larger than {BYTES_MAX} bytes")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        raise Unreadable(*_place_in(before), "is not UTF-8: save the file as UTF-8") from None
    try:
        return _document(yaml.parse(text, Loader=yaml.SafeLoader))
    except ReaderError as error:
        message = f"holds the character U+{error.character:04X}, which YAML does not take"
        raise Unreadable(*_place_in(text[: error.position]), message) from None
    except (ValueError, OverflowError):
        # The scanner's own slip: an escape such as "\\UFFFFFFFF" names no character.
        raise Unreadable(1, 1, "is not YAML: an escape names no character") from None
    except MarkedYAMLError as error:
        raise _no_yaml(error, text) from None


def _no_yaml(error: MarkedYAMLError, text: str) -> Unreadable:
    # A name without its colon is noticed lines later than it stands.
    begun = error.context_mark if error.context == "while scanning a simple key" else None
    mark = begun or error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    there = text.split("\n")[mark.line : mark.line + 1] if mark else []
    wide = any(_WIDE_COLON in each for each in there)
    hint = f"; {_WIDE_COLON} is no colon of YAML" if wide else ""
    return Unreadable(line, column, f"is not YAML: {error.problem}{hint}")


def _place_in(before: str) -> tuple[int, int]:
    lines = before.split("\n")
    return len(lines), len(lines[-1]) + 1


def _document(events: Iterator[Any]) -> Node:
    found: Node | None = None
    for event in events:
        if isinstance(event, yaml.DocumentStartEvent):
            if found is not None:
                raise _refusal(event, "a second document begins here: a policy is one")
            found = _Builder(events).document()
    if found is None:
        raise Unreadable(1, 1, "the file holds no policy")
    return found


class _Open:
    """A list or mapping that has not ended."""

    def __init__(self, node: Sequence | Mapping) -> None:
        self.node = node
        self.key: Scalar | None = None

    def take(self, node: Node) -> None:
        if isinstance(self.node, Sequence):
            self.node.nodes.append(node)
        elif self.key is not None:
            self.node.nodes.append((self.key, node))
            self.key = None
        elif isinstance(node, Scalar):
            self.key = node
        else:
            raise Unreadable(*node.place, "a name is expected here, not a list or mapping")


class _Builder:
    """Makes one tree of events; its own stack, since a file may nest as deep as it likes."""

    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._open: list[_Open] = []
        self._count = 0

    def document(self) -> Node:
        for event in self._events:
            node = self._begin(event)
            if isinstance(event, yaml.CollectionEndEvent):
                node = self._open.pop().node
            if node is None:
                continue
            if not self._open:
                return node
            self._open[-1].take(node)
        raise Unreadable(1, 1, "the file holds no policy")

    def _begin(self, event: Any) -> Node | None:
        """Read what begins with an event; None for a list or mapping, which ends later."""
        self._check(event)
        place = event.start_mark.line + 1, event.start_mark.column + 1
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(place, event.value, event.style is None)
        if isinstance(event, yaml.SequenceStartEvent):
            self._open.append(_Open(Sequence(place, [])))
        elif isinstance(event, yaml.MappingStartEvent):
            self._open.append(_Open(Mapping(place, [])))
        if len(self._open) > _DEPTH_MAX:
            raise _refusal(event, f"is nested deeper than {_DEPTH_MAX} levels")
        return None

    def _check(self, event: Any) -> None:
        self._count += 1
        if self._count > _NODES_MAX:
            raise _refusal(event, f"the file holds more than {_NODES_MAX} values")
        if isinstance(event, yaml.AliasEvent):
            message = f"an alias (*{event.anchor}) is not read here: write the value out"
            raise _refusal(event, message)
        if getattr(event, "anchor", None) is not None:
            raise _refusal(event, f"an anchor (&{event.anchor}) is not read here: leave it out")
        if getattr(event, "tag", None) is not None:
            raise _refusal(event, f"a tag ({event.tag}) is not read here: leave it out")


def _refusal(event: Any, message: str) -> Unreadable:
    return Unreadable(event.start_mark.line + 1, event.start_mark.column + 1, message)
