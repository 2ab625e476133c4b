"""0001: the tables of the ledger, and the triggers that make evidence append-only.

Frozen: written out here and not taken from `ledger.record.tables`, which moves on.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None

POSITION: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
APPEND_ONLY: Final = ("entry", "command", "registered_key", "checkpoint", "tile")

FORWARD: Final = """NEW.size < OLD.size OR NEW.epoch < OLD.epoch
    OR (NEW.size = OLD.size AND NEW.leaf IS {distinct} OLD.leaf)"""

POSTGRESQL_FUNCTIONS: Final = """
CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE FUNCTION ledger_head_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'head only moves forward' USING ERRCODE = 'restrict_violation';
END $$;
"""


def upgrade() -> None:
    """Create the tables, the one head row and the triggers."""
    _create_log()
    _create_published()
    _create_disclosure()
    op.execute("INSERT INTO head (id, size, leaf, epoch) VALUES (1, 0, NULL, 0)")
    if op.get_bind().dialect.name == "postgresql":
        _guard_postgresql()
    else:
        _guard_sqlite()


def _create_log() -> None:
    op.create_table(
        "entry",
        sa.Column("index", POSITION, primary_key=True, autoincrement=False),
        sa.Column("stream", sa.Text, nullable=False),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("command", sa.LargeBinary, nullable=False),
        sa.Column("entry", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("stream", "seq", name="entry_stream_seq"),
        sa.UniqueConstraint("leaf", name="entry_leaf"),
        sa.CheckConstraint('"index" >= 0', name="entry_index_from_0"),
        sa.CheckConstraint("length(leaf) = 32 AND length(command) = 32", name="entry_hashes_32"),
        sa.CheckConstraint("length(entry) <= 65535", name="entry_bytes_max"),
    )
    op.create_table(
        "command",
        sa.Column("by", sa.Text, primary_key=True),
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("index", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("index", name="command_index"),
        sa.CheckConstraint("length(digest) = 32", name="command_digest_32"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "registered_key",
        sa.Column("id", sa.LargeBinary, primary_key=True),
        sa.Column("party", sa.Text, nullable=False),
        sa.Column("index", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("index", name="registered_key_index"),
        sa.CheckConstraint("length(id) = 32", name="registered_key_id_32"),
    )
    op.create_table(
        "head",
        sa.Column("id", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("leaf", sa.LargeBinary),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.CheckConstraint("id = 1", name="head_one_row"),
        sa.CheckConstraint("(size = 0) = (leaf IS NULL)", name="head_leaf_unless_empty"),
    )


def _create_published() -> None:
    op.create_table(
        "checkpoint",
        sa.Column("size", POSITION, primary_key=True, autoincrement=False),
        sa.Column("previous", sa.BigInteger, nullable=False),
        sa.Column("note", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("previous", name="checkpoint_previous"),
        sa.CheckConstraint("previous < size", name="checkpoint_forward"),
    )
    op.create_table(
        "tile",
        sa.Column("level", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hashes", sa.LargeBinary, nullable=False),
        sa.CheckConstraint("length(hashes) = 8192", name="tile_full"),
    )


def _create_disclosure() -> None:
    op.create_table(
        "disclosure",
        sa.Column("index", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("box", sa.LargeBinary, nullable=False),
    )


def _guard_sqlite() -> None:
    for table in APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER head_no_delete BEFORE DELETE ON head "
        "BEGIN SELECT RAISE(ABORT, 'head is append-only'); END"
    )
    op.execute(
        "CREATE TRIGGER head_forward BEFORE UPDATE ON head "
        f"WHEN {FORWARD.format(distinct='NOT')} "
        "BEGIN SELECT RAISE(ABORT, 'head only moves forward'); END"
    )


def _guard_postgresql() -> None:
    op.execute(POSTGRESQL_FUNCTIONS)
    # For each statement and not for each row: an UPDATE that matches nothing is refused too.
    for table in APPEND_ONLY:
        _trigger(table, "BEFORE UPDATE OR DELETE OR TRUNCATE", "", "ledger_append_only")
    _trigger("head", "BEFORE DELETE OR TRUNCATE", "", "ledger_append_only")
    forward = f"FOR EACH ROW WHEN ({FORWARD.format(distinct='DISTINCT FROM')})"
    _trigger("head", "BEFORE UPDATE", forward, "ledger_head_forward")


def _trigger(table: str, when: str, rows: str, function: str) -> None:
    name = f"{table}_{function}"
    op.execute(f"CREATE TRIGGER {name} {when} ON {table} {rows} EXECUTE FUNCTION {function}()")
    # ALWAYS: also in a session that plays a replica, which skips ordinary triggers.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
