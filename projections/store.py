"""The stored rows: written with the position in one transaction, read in one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from operator import attrgetter
from typing import Final

from sqlalchemy import Connection, Engine, bindparam, delete, insert, select, text, update

from ledger.crashpoints import CrashPoint, reach
from ledger.log.database import (
    Change,
    IntegrityError,
    change,
    insert_rows,
    reading,
    update_rows,
    writing,
)
from ledger.rules.views import TABLES, VIEW, PartyRow, Row, Views
from ledger.rules.views_goods import GoodsRow
from ledger.rules.views_orders import OrderRow
from projections.errors import ViewsDamaged
from projections.tables import GOODS, HISTORY, ORDER, OWNERSHIP, PARTY, POSITION, ROWS

_READ_AT_ONCE: Final = 1000
_OURS: Final = POSITION.c.view == VIEW
_MOVE: Final = (
    update(POSITION)
    .where(_OURS, POSITION.c.size == bindparam("start"))
    .values(size=bindparam("stop"))
)
_END: Final = Change(OWNERSHIP, ("to_index",), key="item", while_null="to_index")
# The class is declared once; a party's later entries do not repeat it.
_REPLACED: Final = tuple(name for name in PartyRow._fields if name not in {"party", "party_class"})
_REPLACE: Final = Change(PARTY, _REPLACED, key="party")
_replacing: Final = attrgetter(*_REPLACED, "party")
_CHANGED: Final = tuple(name for name in OrderRow._fields if name != "order_id")
_CHANGE: Final = Change(ORDER, _CHANGED, key="order_id")
_changing: Final = attrgetter(*_CHANGED, "order_id")
_MOVED: Final = tuple(name for name in GoodsRow._fields if name != "item")
_MOVE_GOODS: Final = Change(GOODS, _MOVED, key="item")
_moving: Final = attrgetter(*_MOVED, "item")

Tables = Iterator[tuple[str, Iterable[Row]]]


class ViewStore:
    """The tables of the views in the database of the log."""

    def __init__(self, engine: Engine) -> None:
        """Take a database with an up-to-date schema."""
        self._engine = engine

    def position(self) -> int:
        """Return how many entries the views show.

        Raises:
            ViewsDamaged: There is no position.

        """
        found = self.positions().get(VIEW)
        if found is None:
            raise ViewsDamaged("they have no position")
        return found

    def positions(self) -> dict[str, int]:
        """Return how many entries each view shows."""
        with reading(self._engine) as connection:
            return _positions(connection)

    def write(self, views: Views, *, start: int, stop: int) -> bool:
        """Write what entries `start` to `stop` change, if the position is `start`.

        Returns:
            False if the position is another one by now; then nothing was written.

        Raises:
            ViewsDamaged: The stored rows are not those that belong to `start`; nothing was written.

        """
        try:
            with writing(self._engine) as connection:
                if not _move(connection, start=start, stop=stop):
                    return False
                _end(connection, views.ended)
                insert_rows(connection, OWNERSHIP, views.ownership)
                insert_rows(connection, HISTORY, views.history)
                _write_parties(connection, views)
                _write_orders(connection, views)
                _write_goods(connection, views)
                reach(CrashPoint.PROJECTED)
        except IntegrityError as error:
            raise ViewsDamaged(f"rows of entry {start} or later are there already") from error
        return True

    def drop(self) -> None:
        """Drop every row and set the position to 0."""
        with writing(self._engine) as connection:
            # The position first: whoever writes waits for it, and then finds it moved.
            moved = connection.execute(update(POSITION).where(_OURS).values(size=0))
            if moved.rowcount == 0:
                connection.execute(insert(POSITION).values(view=VIEW, size=0))
            for table in ROWS:
                connection.execute(delete(table))

    @contextmanager
    def snapshot(self) -> Iterator[tuple[dict[str, int], Tables]]:
        """Give positions and rows of one moment, rows in the order of `Views.tables`."""
        with reading(self._engine) as connection:
            if self._engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ")
            yield _positions(connection), _tables(connection)


def _positions(connection: Connection) -> dict[str, int]:
    query = select(POSITION.c.view, POSITION.c.size).order_by(POSITION.c.view)
    return {row.view: row.size for row in connection.execute(query)}


def _tables(connection: Connection) -> Tables:
    for table in TABLES:
        query = text(table.select).execution_options(yield_per=_READ_AT_ONCE)
        yield table.name, (tuple(row) for row in connection.execute(query))


def _move(connection: Connection, *, start: int, stop: int) -> bool:
    return change(connection, _MOVE, {"start": start, "stop": stop}) == 1


def _end(connection: Connection, ended: dict[str, int]) -> None:
    rows = [(index, item) for item, index in ended.items()]
    if update_rows(connection, _END, rows) != len(rows):
        raise ViewsDamaged("an item that changes hands has no ownership row that lasts")


def _write_parties(connection: Connection, views: Views) -> None:
    insert_rows(connection, PARTY, [views.parties[party] for party in views.born])
    rows = [_replacing(row) for party, row in views.parties.items() if party not in views.born]
    if update_rows(connection, _REPLACE, rows) != len(rows):
        raise ViewsDamaged("a party that changes has no row")


def _write_orders(connection: Connection, views: Views) -> None:
    insert_rows(connection, ORDER, [views.orders[order] for order in views.placed])
    rows = [_changing(row) for order, row in views.orders.items() if order not in views.placed]
    if update_rows(connection, _CHANGE, rows) != len(rows):
        raise ViewsDamaged("an order that changes has no row")


def _write_goods(connection: Connection, views: Views) -> None:
    insert_rows(connection, GOODS, [views.goods[item] for item in views.stocked])
    rows = [_moving(row) for item, row in views.goods.items() if item not in views.stocked]
    if update_rows(connection, _MOVE_GOODS, rows) != len(rows):
        raise ViewsDamaged("goods that change have no row")
