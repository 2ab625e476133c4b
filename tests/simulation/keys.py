"""Looking for card keys where none may stand: in files, and in every row of a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sqlalchemy import Engine, inspect

from ledger.record.database import reading
from tests.attacks.needles import spellings


def check_absent(keys: Iterable[str], stored: bytes) -> None:
    """Check that no key is stored, as it is or in small letters, in any spelling of bytes."""
    for key in keys:
        for text in (key, key.lower()):
            for form, needle in spellings(text.encode()):
                assert needle not in stored, f"{text} is stored in {form}"


def rows(engine: Engine) -> Iterator[bytes]:
    """Yield each value of each row; a file of a database may hold them in pieces."""
    with reading(engine) as connection:
        for table in inspect(connection).get_table_names():
            for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):
                yield from (one if isinstance(one, bytes) else str(one).encode() for one in row)
