"""0007: the parcels of cards, and the guards that keep them as they were delivered."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0007"
down_revision: Final = "0006"

_APPEND_ONLY: Final = "parcel_ledger_append_only"


def upgrade() -> None:
    """Create the table, append-only in the database like the tables of revision 0001."""
    op.create_table(
        "parcel",
        sa.Column("order_id", sa.Text, primary_key=True),
        sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("bytes", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("length(digest) = 32", name="parcel_digest_32"),
        sa.CheckConstraint("length(bytes) <= 32768", name="parcel_bytes_max"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER parcel_no_{verb.lower()} BEFORE {verb} ON parcel "
                "BEGIN SELECT RAISE(ABORT, 'parcel is append-only'); END"
            )
    else:
        op.execute(
            f"CREATE TRIGGER {_APPEND_ONLY} BEFORE UPDATE OR DELETE OR TRUNCATE ON parcel "
            "EXECUTE FUNCTION ledger_append_only()"
        )
        op.execute(f"ALTER TABLE parcel ENABLE ALWAYS TRIGGER {_APPEND_ONLY}")
