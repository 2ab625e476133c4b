"""Healing an open ledger from a mirror, and the record of it that stays in the ledger's folder.

The record says from where to where entries were brought back, from which mirror, and which sealed
values are lost. It is signed by the operator's key where that lies in the folder. It is no entry:
what happened to one machine's disk is no part of the history that everybody shares.
Decision: docs/adr/0019.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.house import House
from api.records import keep_record
from ledger.crashpoints import CrashPoint, reach
from ledger.log.healing import Healed, Healing, Progress
from ledger.log.mark import Marked
from ledger.log.mirror import Mirror
from ledger.log.standing import Class, Standing
from ledger.rules.text import format_time

RECOVERY_TAG = b"yinzheng/recovery/v1\n"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What a healing came to."""

    healed: Healed
    standing: Standing
    lost: int
    record: str | None

    def document(self) -> dict[str, Any]:
        """Write it as JSON."""
        return {
            "from": self.healed.start,
            "to": self.healed.stop,
            "imported": self.healed.stop - self.healed.start,
            "checkpoints": self.healed.checkpoints,
            "root": self.healed.root.hex(),
            "lost_bodies": self.lost,
            "record": self.record,
            "standing": self.standing.document(),
        }


def heal(house: House, *, processes: int = 1, progress: Progress | None = None) -> Recovery:
    """Bring back what the house lacks and its mirror holds.

    Args:
        house: Open for writing, with a mirror.
        processes: How many processes check signatures.
        progress: Called with (entries seen, entries in all).

    Returns:
        What was brought back, and where the ledger stands now.

    Raises:
        WriteLocked: The database is no prefix of what was signed, or the mirror did not answer.
        MirrorUnusable: The mirror does not lead to its signed root.
        MirrorRefused: Its signed tree holds an entry that the rules refuse.

    """
    assert house.mirror is not None  # noqa: S101 - the caller names one
    standing = house.gate.look()
    if standing.klass is Class.FORKED or "reason" in standing.evidence:
        house.gate.admit_writing()
    reach(CrashPoint.RECOVERY_LOCKED)
    mirror = Mirror(house.mirror, house.vkey)
    healing = Healing(house.recorder, mirror, origin=house.origin, processes=processes)
    healed = healing.run(progress)
    reach(CrashPoint.RECOVERY_DONE)
    _remember(house, healed)
    house.runner.catch_up()
    lost = house.recorder.lost_bodies()
    record = None
    if healed.stop > healed.start:
        record = _record(house, healed, lost)
    return Recovery(healed, house.gate.look(), len(lost), record)


def _remember(house: House, healed: Healed) -> None:
    """Move the mark up to what the mirror showed to be signed; one that is missing stays so.

    A signer in a process of its own keeps its mark itself: it moves with the next signature.
    """
    if house.config.signer is not None:
        return
    marked = house.mark.read()
    if marked is not None and marked.size < healed.stop:
        house.mark.advance(Marked(healed.stop, healed.root, healed.edge), after=marked)


def _record(house: House, healed: Healed, lost: list[tuple[int, str, str]]) -> str:
    recovery: Mapping[str, Any] = {
        "at": format_time(house.clock.now()),
        "from": healed.start,
        "log": house.origin,
        "lost": [{"index": index, "name": name, "subject": who} for index, name, who in lost],
        "root": healed.root.hex(),
        "source": house.mirror,
        "to": healed.stop,
    }
    name = f"{healed.start}-{healed.stop}"
    return keep_record(house, name, "recovery", recovery, tag=RECOVERY_TAG)
