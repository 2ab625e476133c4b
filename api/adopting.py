"""Adopting a mark: going on after the signer's mark was lost, on purpose and on record.

Without a mark nobody can tell whether the database is an older copy. Whoever adopts one answers for
that: by a mirror that does not go further than the database, or by naming size and root of the
latest checkpoint as known from elsewhere. What was decided, and why, is recorded before the mark is
made. A mark that exists is never replaced. Decision: docs/adr/0016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api.house import House
from api.records import keep_record
from ledger.errors import MarkNotAdopted
from ledger.log.mark import Marked
from ledger.log.standing import MARK, Class, Standing
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.note import split_note
from ledger.proof.tree import CompactRange
from ledger.rules.text import format_time

ADOPTION_TAG = b"yinzheng/mark-adopted/v1\n"
REASON_BYTES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Known:
    """What the operator knows from elsewhere: size and root (hex) of the latest checkpoint."""

    size: int
    root: str


def adopt_mark(house: House, *, reason: str, known: Known | None = None) -> tuple[Standing, str]:
    """Make the mark that was lost, over the latest published tree.

    Args:
        house: Open for writing; with a mirror, or else `known` is needed.
        reason: Why, in the operator's words.
        known: Size and root of the latest checkpoint, from elsewhere than this database.

    Returns:
        The standing now, and the file of the record.

    Raises:
        MarkNotAdopted: There is a mark, or what is known does not agree with the database.

    """
    if not reason.strip() or len(reason.encode()) > REASON_BYTES_MAX:
        raise MarkNotAdopted("say why in --reason, in a few words; it is recorded")
    if house.config.signer is not None:
        raise MarkNotAdopted("the signer's process keeps the mark: adopt it where that runs")
    standing = house.gate.look()
    if standing.klass is not Class.BLIND or standing.evidence.get("lacks") != MARK:
        raise MarkNotAdopted(
            "only a missing mark can be adopted, over a database that holds all that is known",
            **{"class": str(standing.klass)},
            do=standing.do,
        )
    marked = _published(house)
    if house.mirror is None:
        _check_known(marked, known)
    record: dict[str, Any] = {
        "at": format_time(house.clock.now()),
        "log": house.origin,
        "mirror": house.mirror,
        "reason": reason,
        "root": marked.root.hex(),
        "size": marked.size,
    }
    file = keep_record(house, f"mark-{marked.size}", "adoption", record, tag=ADOPTION_TAG)
    house.mark.advance(marked)
    return house.gate.look(), file


def _published(house: House) -> Marked:
    note = house.reader.checkpoint()
    if note is None:
        raise MarkNotAdopted("nothing was published: there is no tree to mark")
    latest = parse_checkpoint(split_note(note)[0])
    edge = CompactRange.read(latest.size, house.reader.node).hashes
    return Marked(latest.size, latest.root, edge)


def _check_known(marked: Marked, known: Known | None) -> None:
    if known is None:
        raise MarkNotAdopted(
            "without a mirror, name --size and --root of the latest checkpoint as you know them "
            "from elsewhere: a checkpoint that somebody kept, another copy, a monitor",
        )
    if (known.size, known.root) != (marked.size, marked.root.hex()):
        raise MarkNotAdopted(
            "that is not the latest checkpoint of this database",
            size=marked.size,
            root=marked.root.hex(),
            named_size=known.size,
            named_root=known.root,
            do="If the one you know is larger, heal first: yinzheng restore --dir D --mirror ...",
        )
