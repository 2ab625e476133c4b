"""The tables of the views, portable between SQLite and PostgreSQL.

What a row means is said once, in `ledger.rules.views`; here are types and indexes only. Every
question that `ownership`, `history`, `parties`, `orders` and `stock` ask is one descent of one
index. The migrations that make the tables are `r0002_views.py`, `r0005_orders.py` and
`r0006_goods.py` in `ledger/record/migrations/versions/`.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    literal_column,
)

from ledger.rules import views
from ledger.rules.timers import ORDER_UNPAID

METADATA: Final = MetaData()

# SQLite makes a primary key the row id itself only when its type reads exactly INTEGER.
_ROW_ID: Final = BigInteger().with_variant(Integer(), "sqlite")

POSITION: Final = Table(
    views.POSITION.name,
    METADATA,
    Column("view", Text, primary_key=True),
    Column("size", BigInteger, nullable=False),
    CheckConstraint("size >= 0", name="view_position_from_0"),
)

HISTORY: Final = Table(
    views.HISTORY.name,
    METADATA,
    Column("item", Text, nullable=False),
    Column("entry_index", _ROW_ID, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("from_party", Text),
    Column("to_party", Text),
    Column("amount", Text),
    Column("currency", Text),
    Column("source_time", BigInteger),
    Column("source_file", Text),
    Column("source_row", BigInteger),
    Column("word", Text, nullable=False),
    Column("signers", Text, nullable=False),
    Column("reason", Text),
    Column("ground", Text),
    Column("item_class", Text),
    Index("view_history_item", "item", "entry_index"),
)

OWNERSHIP: Final = Table(
    views.OWNERSHIP.name,
    METADATA,
    Column("item", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("frozen", SmallInteger, nullable=False),
    Column("from_index", BigInteger, primary_key=True, autoincrement=False),
    Column("to_index", BigInteger),
    Column("from_at", BigInteger, nullable=False),
    Column("source_time", BigInteger),
    CheckConstraint("from_index < to_index", name="view_ownership_forward"),
    sqlite_with_rowid=False,
)
_lasting: Final = OWNERSHIP.c.to_index.is_(None)
_imported: Final = OWNERSHIP.c.source_time.is_not(None)
Index("view_ownership_at", OWNERSHIP.c.item, OWNERSHIP.c.from_at, OWNERSHIP.c.from_index)
# An item has one owner: the database itself refuses a second row that lasts.
Index(
    "view_ownership_lasting",
    OWNERSHIP.c.item,
    unique=True,
    sqlite_where=_lasting,
    postgresql_where=_lasting,
)
Index(
    "view_ownership_source",
    OWNERSHIP.c.item,
    OWNERSHIP.c.source_time,
    OWNERSHIP.c.from_index,
    sqlite_where=_imported,
    postgresql_where=_imported,
)

PARTY: Final = Table(
    views.PARTY.name,
    METADATA,
    Column("party", Text, primary_key=True),
    Column("party_class", Text),
    Column("attested", SmallInteger, nullable=False),
    Column("founder", SmallInteger, nullable=False),
    Column("keys", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("change_due", BigInteger),
    Column("change_digest", Text),
    Column("head_index", BigInteger, nullable=False),
)
_waiting: Final = PARTY.c.change_due.is_not(None)
Index(
    "view_party_due",
    PARTY.c.change_due,
    PARTY.c.head_index,
    sqlite_where=_waiting,
    postgresql_where=_waiting,
)

ORDER: Final = Table(
    views.ORDER.name,
    METADATA,
    Column("order_id", Text, primary_key=True),
    Column("buyer", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("total", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("lines", BigInteger, nullable=False),
    Column("next_rule", Text),
    Column("next_due", BigInteger),
    Column("head_index", BigInteger, nullable=False),
    Index("view_order_buyer", "buyer", "order_id"),
    CheckConstraint("(next_rule IS NULL) = (next_due IS NULL)", name="view_order_rule_and_due"),
)
_unpaid: Final = ORDER.c.next_rule == literal_column(f"'{ORDER_UNPAID}'")
Index(
    "view_order_unpaid",
    ORDER.c.buyer,
    ORDER.c.next_due,
    sqlite_where=_unpaid,
    postgresql_where=_unpaid,
)
_falling: Final = ORDER.c.next_due.is_not(None)
Index(
    "view_order_due",
    ORDER.c.next_due,
    ORDER.c.head_index,
    sqlite_where=_falling,
    postgresql_where=_falling,
)

GOODS: Final = Table(
    views.GOODS.name,
    METADATA,
    Column("item", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("item_class", Text, nullable=False),
    Column("product", Text, nullable=False),
    Column("agent", Text),
    Column("order_id", Text),
    Column("frozen", SmallInteger, nullable=False),
    Column("head_index", BigInteger, nullable=False),
)
_free: Final = GOODS.c.agent.is_not(None) & GOODS.c.order_id.is_(None) & (GOODS.c.frozen == 0)
Index(
    "view_goods_free",
    GOODS.c.owner,
    GOODS.c.item_class,
    GOODS.c.product,
    GOODS.c.head_index,
    sqlite_where=_free,
    postgresql_where=_free,
)

ROWS: Final = (HISTORY, OWNERSHIP, PARTY, ORDER, GOODS)
"""What a rebuild drops: everything but the position."""
