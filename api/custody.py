"""Custody: who holds the checkpoint key of a ledger, and where its mark lies."""

from __future__ import annotations

from api.config import PRIVATE_FOLDER, mark_of
from ledger.log.mark import Mark

# Beside the claim of the origin: what was signed is remembered outside the ledger's folder.
MARK_FILE = "mark"
_OLDER_MARK_FILE = "signed"


def own_mark(origin: str) -> Mark:
    """Name the mark of a log on this machine, taking over that of an earlier version.

    Raises:
        MarkDamaged: A mark cannot be read.
        RootDiffers: Two marks name one size with two roots.

    """
    folder = mark_of(origin)
    folder.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
    mark = Mark(folder / MARK_FILE)
    mark.take_over(folder / _OLDER_MARK_FILE)
    return mark
