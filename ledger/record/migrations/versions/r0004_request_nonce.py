"""0004: nonces of signed requests.

The one table of the record that is no evidence: its rows live for minutes and are deleted.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"


def upgrade() -> None:
    """Create the table, and the index by which old rows are found."""
    op.create_table(
        "request_nonce",
        sa.Column("party", sa.Text, primary_key=True),
        sa.Column("nonce", sa.Text, primary_key=True),
        sa.Column("at", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("request_nonce_at", "request_nonce", ["at"])
