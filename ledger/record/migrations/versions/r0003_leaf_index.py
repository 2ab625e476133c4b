"""0003: no unique index over leaf hashes.

An entry's bytes hold its index, so that two entries with one leaf hash would have one index, which
is the primary key. The index guarded nothing else, was never asked, and cost a random page a row.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003"
down_revision: Final = "0002"

_COLUMNS: Final = '"index", stream, seq, type, leaf, command, entry'


def upgrade() -> None:
    """Drop the index; on SQLite by copying the table: its constraints cannot change."""
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("entry_leaf", "entry", type_="unique")
    else:
        _rebuild_sqlite()


def _rebuild_sqlite() -> None:
    found = op.get_bind().exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'entry'"
    )
    triggers = [row[0] for row in found]
    op.create_table(
        "entry_rebuilt",
        sa.Column("index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("command", sa.LargeBinary, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("stream", "seq", name="entry_stream_seq"),
        sa.CheckConstraint('"index" >= 0', name="entry_index_from_0"),
        sa.CheckConstraint("length(leaf) = 32 AND length(command) = 32", name="entry_hashes_32"),
        sa.CheckConstraint("length(entry) <= 65535", name="entry_bytes_max"),
    )
    copy = f"INSERT INTO entry_rebuilt ({_COLUMNS}) SELECT {_COLUMNS} FROM entry"  # noqa: S608
    op.execute(f'{copy} ORDER BY "index"')
    # A DROP fires no triggers; they go with the table and come back with its successor.
    op.execute("DROP TABLE entry")
    op.execute("ALTER TABLE entry_rebuilt RENAME TO entry")
    for trigger in triggers:
        op.execute(trigger)
