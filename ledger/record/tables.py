"""The tables of one ledger, portable between SQLite and PostgreSQL.

`entry`, `command`, `registered_key`, `checkpoint`, `tile` and `parcel` are append-only inside the
database (triggers, see `migrations`); `head` holds one row that only moves forward;
`request_nonce` is no evidence, and old rows of it are deleted. Projections own their `view_` tables
and declare them in their own room; the migration that creates them lives beside the others in
`migrations/versions`.

`index` comes from the head row inside the append transaction, never from a sequence: sequences
burn numbers on rollback, and their order is not commit order.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
)

METADATA: Final = MetaData()

# SQLite makes a primary key the row id itself only when its type reads exactly INTEGER.
POSITION: Final = BigInteger().with_variant(Integer(), "sqlite")

ENTRY: Final = Table(
    "entry",
    METADATA,
    Column("index", POSITION, primary_key=True, autoincrement=False),
    Column("stream", Text, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("type", Text, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("command", LargeBinary, nullable=False),
    Column("entry", LargeBinary, nullable=False),
    UniqueConstraint("stream", "seq", name="entry_stream_seq"),
    CheckConstraint('"index" >= 0', name="entry_index_from_0"),
    CheckConstraint("length(leaf) = 32 AND length(command) = 32", name="entry_hashes_32"),
    CheckConstraint("length(entry) <= 65535", name="entry_bytes_max"),
)

COMMAND: Final = Table(
    "command",
    METADATA,
    Column("by", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("index", BigInteger, nullable=False),
    UniqueConstraint("index", name="command_index"),
    CheckConstraint("length(digest) = 32", name="command_digest_32"),
    sqlite_with_rowid=False,
)

REGISTERED_KEY: Final = Table(
    "registered_key",
    METADATA,
    Column("id", LargeBinary, primary_key=True),
    Column("party", Text, nullable=False),
    Column("index", BigInteger, nullable=False),
    UniqueConstraint("index", name="registered_key_index"),
    CheckConstraint("length(id) = 32", name="registered_key_id_32"),
)

HEAD: Final = Table(
    "head",
    METADATA,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("leaf", LargeBinary),
    Column("epoch", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="head_one_row"),
    CheckConstraint("(size = 0) = (leaf IS NULL)", name="head_leaf_unless_empty"),
)

CHECKPOINT: Final = Table(
    "checkpoint",
    METADATA,
    Column("size", POSITION, primary_key=True, autoincrement=False),
    # The size before, -1 for the first: unique, so that published checkpoints are one line.
    Column("previous", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
    UniqueConstraint("previous", name="checkpoint_previous"),
    CheckConstraint("previous < size", name="checkpoint_forward"),
)

TILE: Final = Table(
    "tile",
    METADATA,
    Column("level", SmallInteger, primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
    CheckConstraint("length(hashes) = 8192", name="tile_full"),
)

DISCLOSURE: Final = Table(
    "disclosure",
    METADATA,
    Column("index", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("box", LargeBinary, nullable=False),
)

PARCEL: Final = Table(
    "parcel",
    METADATA,
    Column("order_id", Text, primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False),
    Column("bytes", LargeBinary, nullable=False),
    CheckConstraint("length(digest) = 32", name="parcel_digest_32"),
    CheckConstraint("length(bytes) <= 32768", name="parcel_bytes_max"),
)

REQUEST_NONCE: Final = Table(
    "request_nonce",
    METADATA,
    Column("party", Text, primary_key=True),
    Column("nonce", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    # Old rows are found, and deleted, by it.
    Index("request_nonce_at", "at"),
    sqlite_with_rowid=False,
)
