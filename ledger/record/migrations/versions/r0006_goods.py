"""0006: the view of goods, which is folded anew: cards may be registered already.

Frozen: written out here and not taken from `projections.tables`, which moves on.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0006"
down_revision: Final = "0005"

_EMPTIED: Final = ("view_history", "view_ownership", "view_party", "view_order")


def upgrade() -> None:
    """Create the table and the index of what is free, and have all views folded from entry 0."""
    op.create_table(
        "view_goods",
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("item_class", sa.Text, nullable=False),
        sa.Column("product", sa.Text, nullable=False),
        sa.Column("agent", sa.Text),
        sa.Column("order_id", sa.Text),
        sa.Column("frozen", sa.SmallInteger, nullable=False),
        sa.Column("head_index", sa.BigInteger, nullable=False),
    )
    free = sa.text("agent IS NOT NULL AND order_id IS NULL AND frozen = 0")
    op.create_index(
        "view_goods_free",
        "view_goods",
        ["owner", "item_class", "product", "head_index"],
        sqlite_where=free,
        postgresql_where=free,
    )
    for table in _EMPTIED:
        op.execute(f"DELETE FROM {table}")  # noqa: S608 - names of this file
    op.execute("UPDATE view_position SET size = 0")
