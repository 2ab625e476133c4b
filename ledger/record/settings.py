"""How a database is set up, as it says itself: for `yinzheng doctor`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, text

from ledger.record.database import reading

_SERVER: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "data_sync_retry",
    "data_checksums",
    "server_version",
)
_FILE: Final = ("journal_mode", "synchronous", "page_size")


def settings_of(engine: Engine) -> Mapping[str, str | None]:
    """Read the settings on which durability depends.

    Returns:
        Name to value as the database spells it; None for one that it does not know.

    Raises:
        DatabaseUnavailable: It cannot be read.

    """
    with reading(engine) as connection:
        if engine.dialect.name == "postgresql":
            return {name: _server(connection, name) for name in _SERVER}
        return {
            name: str(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()) for name in _FILE
        }


def _server(connection: Connection, name: str) -> str | None:
    query = text("SELECT current_setting(:name, true)")
    found = connection.execute(query, {"name": name}).scalar_one()
    return None if found is None else str(found)
