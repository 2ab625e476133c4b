"""Asking the views: every answer is one statement and says how far the views have come.

The position is read by the same statement as the rows, so that they are of one moment even while a
rebuild is going on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine, Select, select, true

from ledger.log.database import reading
from ledger.rules.views import VIEW
from projections.errors import ViewBehind, ViewsDamaged
from projections.tables import POSITION

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Answer(Generic[T_co]):
    """What the views say after `size` entries of the log; `found` is None for nothing."""

    size: int
    found: T_co | None


def ask(engine: Engine, question: Select[Any]) -> tuple[int, list[tuple[Any, ...]]]:
    """Run a question together with the position.

    Args:
        engine: The database of the log.
        question: A selection from one table of the views, its order and limit included.

    Returns:
        How many entries the views show, and the rows found, in no promised order.

    Raises:
        ViewsDamaged: There is no position.

    """
    rows = question.subquery("found")
    # No row of a view is without its first column, so that a lone position is told apart.
    joined = POSITION.outerjoin(rows, true())
    query = select(POSITION.c.size, rows).select_from(joined).where(POSITION.c.view == VIEW)
    with reading(engine) as connection:
        found = connection.execute(query).all()
    if not found:
        raise ViewsDamaged("they have no position")
    size: int = found[0][0]
    return size, [tuple(row[1:]) for row in found if row[1] is not None]


def check_reached(*, size: int, wanted: int) -> None:
    """Accept a question about the first `wanted` entries. Raises `ViewBehind` beyond `size`."""
    if wanted > size:
        raise ViewBehind(size=size, wanted=wanted)
