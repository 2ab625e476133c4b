"""0002: the tables of the views. Their rows follow from the log and can be dropped at any time.

Frozen: written out here and not taken from `projections.tables`, which moves on.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"

ROW_ID: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Create the tables, empty, and the one position row at 0."""
    op.create_table(
        "view_position",
        sa.Column("view", sa.Text, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.CheckConstraint("size >= 0", name="view_position_from_0"),
    )
    op.execute("INSERT INTO view_position (view, size) VALUES ('provenance', 0)")
    _create_history()
    _create_ownership()
    _create_party()


def _create_history() -> None:
    op.create_table(
        "view_history",
        sa.Column("item", sa.Text, nullable=False),
        sa.Column("entry_index", ROW_ID, primary_key=True, autoincrement=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("from_party", sa.Text),
        sa.Column("to_party", sa.Text),
        sa.Column("amount", sa.Text),
        sa.Column("currency", sa.Text),
        sa.Column("source_time", sa.BigInteger),
        sa.Column("source_file", sa.Text),
        sa.Column("source_row", sa.BigInteger),
        sa.Column("word", sa.Text, nullable=False),
        sa.Column("signers", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("ground", sa.Text),
        sa.Column("item_class", sa.Text),
    )
    op.create_index("view_history_item", "view_history", ["item", "entry_index"])


def _create_ownership() -> None:
    op.create_table(
        "view_ownership",
        sa.Column("item", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("frozen", sa.SmallInteger, nullable=False),
        sa.Column("from_index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("to_index", sa.BigInteger),
        sa.Column("from_at", sa.BigInteger, nullable=False),
        sa.Column("source_time", sa.BigInteger),
        sa.CheckConstraint("from_index < to_index", name="view_ownership_forward"),
        sqlite_with_rowid=False,
    )
    op.create_index("view_ownership_at", "view_ownership", ["item", "from_at", "from_index"])
    _create_partial("view_ownership_lasting", ["item"], "to_index IS NULL", unique=True)
    _create_partial(
        "view_ownership_source", ["item", "source_time", "from_index"], "source_time IS NOT NULL"
    )


def _create_party() -> None:
    op.create_table(
        "view_party",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("party_class", sa.Text),
        sa.Column("attested", sa.SmallInteger, nullable=False),
        sa.Column("founder", sa.SmallInteger, nullable=False),
        sa.Column("keys", sa.Text, nullable=False),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("change_due", sa.BigInteger),
        sa.Column("change_digest", sa.Text),
        sa.Column("head_index", sa.BigInteger, nullable=False),
    )
    _create_partial(
        "view_party_due", ["change_due", "head_index"], "change_due IS NOT NULL", table="view_party"
    )


def _create_partial(
    name: str,
    columns: list[str],
    where: str,
    *,
    unique: bool = False,
    table: str = "view_ownership",
) -> None:
    op.create_index(
        name,
        table,
        columns,
        unique=unique,
        sqlite_where=sa.text(where),
        postgresql_where=sa.text(where),
    )
