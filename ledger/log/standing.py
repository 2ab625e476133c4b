"""The standing of a database: what follows from comparing it with what is known outside of it.

A database can come back from an old copy. What is known outside of it shows that: the signer's
mark, and copies of the published log. Nothing is written or signed while the two do not agree.

R1        everything known outside is in the database, and nothing more: go
R2        the database extends what is known outside: go, and publish next
R3        entries that were signed are missing here: locked until `yinzheng restore --mirror`
R3-or-R4  likewise, and no copy at hand reaches far enough to tell the two apart: locked
R4        the database holds another history than the one that was signed: locked for ever
R5        too little is known outside, the mark above all: locked until somebody looked
R6        a receipt promised an entry that is not here: an incident; it locks nothing by itself

Decision: docs/adr/0016. Specification: docs/spec.md section 13.7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MARK, PUBLISHED, MIRROR = "mark", "checkpoint", "mirror"


class Class(StrEnum):
    """Where a database stands towards what is known outside of it."""

    SAME = "R1"
    AHEAD = "R2"
    BEHIND = "R3"
    UNDECIDED = "R3-or-R4"
    FORKED = "R4"
    BLIND = "R5"
    PROMISED = "R6"


_OPEN: Final = frozenset({Class.SAME, Class.AHEAD, Class.PROMISED})
_SAYS: Final[Mapping[Class, tuple[str, str]]] = {
    Class.SAME: ("The database holds exactly what was signed.", "Nothing."),
    Class.AHEAD: (
        "The database extends what was signed.",
        "Nothing; the next checkpoint covers it.",
    ),
    Class.BEHIND: (
        "Entries that were signed are missing here: an older copy was put back.",
        "Run `yinzheng restore --dir D --mirror URL|FOLDER` with a copy of the log.",
    ),
    Class.UNDECIDED: (
        "Entries that were signed are missing here; without a copy of the log nobody can say "
        "whether the rest is the beginning of what was signed.",
        "Run `yinzheng restore --dir D --mirror URL|FOLDER`: a copy of the log decides.",
    ),
    Class.FORKED: (
        "The database holds another history than the one that was signed.",
        "Keep all files as they are and follow the incident procedure in docs/operating.md.",
    ),
    Class.BLIND: (
        "Too little is known outside the database to tell whether it is an older copy.",
        "Bring the mark or the mirror back, or run `yinzheng doctor --dir D --adopt-mark`.",
    ),
    Class.PROMISED: (
        "A receipt promises an entry that is not in the database.",
        "Look for a newer copy of the database first; else follow docs/operating.md.",
    ),
}

Evidence = str | int | None


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of this log that somebody knows."""

    source: str
    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Promise:
    """What a receipt says: this leaf stands at this index."""

    index: int
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is compared.

    Attributes:
        size: Entries in the database.
        known: Trees known outside: the mark first, if there is one.
        roots: Roots of the database's own tree, for `size` and every known size up to it.
        mirrored: Proven roots of the mirror's tree, for `size` and the known sizes up to its own.
        promises: Receipts that somebody brought, each with the leaf that stands there, or None.
        unreachable: Why a source that was asked for cannot be used.

    """

    size: int
    known: Sequence[Tree]
    roots: Mapping[int, bytes]
    mirrored: Mapping[int, bytes] = field(default_factory=dict)
    promises: Sequence[tuple[Promise, bytes | None]] = ()
    unreachable: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """The class of a database, and what follows from it.

    Attributes:
        klass: R1 to R6.
        size: Entries in the database.
        evidence: Sizes, hashes (hex) and names that decided.

    """

    klass: Class
    size: int
    evidence: Mapping[str, Evidence]

    @property
    def may_write(self) -> bool:
        """Whether commands may be accepted: an index that was promised is never given twice."""
        return self.klass in _OPEN

    @property
    def may_sign(self) -> bool:
        """Whether checkpoints may be signed."""
        return self.klass in _OPEN

    @property
    def says(self) -> str:
        """What was found, for people."""
        return _SAYS[self.klass][0]

    @property
    def do(self) -> str:
        """What to do about it."""
        return _SAYS[self.klass][1]

    def document(self) -> dict[str, Evidence | bool]:
        """Write the standing as JSON."""
        return {
            "class": str(self.klass),
            "size": self.size,
            "may_write": self.may_write,
            "may_sign": self.may_sign,
            "says": self.says,
            "do": self.do,
            **self.evidence,
        }


def judge(facts: Facts) -> Standing:
    """Compare a database with what is known outside of it; pure.

    A hash that differs outweighs entries that lack, and those outweigh a source that lacks.

    """
    evidence: dict[str, Evidence] = {}
    for tree in facts.known:
        evidence |= {f"{tree.source}_size": tree.size, f"{tree.source}_root": tree.root.hex()}
    klass, more = _klass(facts)
    return Standing(klass, facts.size, evidence | more)


def _klass(facts: Facts) -> tuple[Class, dict[str, Evidence]]:
    fork = _fork(facts)
    if fork is not None:
        return Class.FORKED, fork
    most = max((tree.size for tree in facts.known), default=0)
    if facts.size < most:
        decided = facts.size in facts.mirrored
        missing: dict[str, Evidence] = {"missing": most - facts.size}
        if facts.unreachable is not None:
            missing["reason"] = facts.unreachable
        return (Class.BEHIND if decided else Class.UNDECIDED), missing
    if facts.unreachable is not None:
        return Class.BLIND, {"lacks": MIRROR, "reason": facts.unreachable}
    if facts.size > 0 and all(tree.source != MARK for tree in facts.known):
        return Class.BLIND, {"lacks": MARK}
    broken = _broken_promise(facts)
    if broken is not None:
        return Class.PROMISED, broken
    return (Class.SAME if facts.size == most else Class.AHEAD), {}


def _fork(facts: Facts) -> dict[str, Evidence] | None:
    """Find two different roots for one size."""
    for tree in facts.known:
        own = facts.roots.get(tree.size)
        if own is not None and own != tree.root:
            return _contradiction("database", own, tree)
        mirrored = facts.mirrored.get(tree.size)
        if mirrored is not None and mirrored != tree.root:
            return _contradiction(MIRROR, mirrored, tree)
    mirrored = facts.mirrored.get(facts.size)
    own = facts.roots.get(facts.size)
    if mirrored is not None and own is not None and mirrored != own:
        return _contradiction("database", own, Tree(MIRROR, facts.size, mirrored))
    return None


def _contradiction(source: str, root: bytes, tree: Tree) -> dict[str, Evidence]:
    return {
        "fork_size": tree.size,
        "fork_between": f"{source} and {tree.source}",
        "fork_roots": f"{root.hex()} and {tree.root.hex()}",
    }


def _broken_promise(facts: Facts) -> dict[str, Evidence] | None:
    for promise, found in facts.promises:
        if found != promise.leaf:
            return {
                "promised_index": promise.index,
                "promised_leaf": promise.leaf.hex(),
                "found_leaf": None if found is None else found.hex(),
            }
    return None
