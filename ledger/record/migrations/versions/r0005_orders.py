"""0005: the view of orders. No ledger of an older schema holds an order, so it begins empty.

Frozen: written out here and not taken from `projections.tables`, which moves on.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"


def upgrade() -> None:
    """Create the table, and the indexes by which buyers and due times are found."""
    op.create_table(
        "view_order",
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("buyer", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("total", sa.Text, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("lines", sa.BigInteger, nullable=False),
        sa.Column("next_rule", sa.Text),
        sa.Column("next_due", sa.BigInteger),
        sa.Column("head_index", sa.BigInteger, nullable=False),
        sa.CheckConstraint(
            "(next_rule IS NULL) = (next_due IS NULL)", name="view_order_rule_and_due"
        ),
    )
    op.create_index("view_order_buyer", "view_order", ["buyer", "order_id"])
    unpaid = sa.text("next_rule = 'order-unpaid'")
    op.create_index(
        "view_order_unpaid",
        "view_order",
        ["buyer", "next_due"],
        sqlite_where=unpaid,
        postgresql_where=unpaid,
    )
    falling = sa.text("next_due IS NOT NULL")
    op.create_index(
        "view_order_due",
        "view_order",
        ["next_due", "head_index"],
        sqlite_where=falling,
        postgresql_where=falling,
    )
