"""The search for card keys in what histories stored finds each key that stands there."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.simulation.keys import check_absent, rows

KEY = "CANARY000007"
AROUND = b"a key is here: ", b", and this follows"


def test_what_holds_no_key_passes() -> None:
    check_absent([KEY], b"CANARY00000")
    check_absent([], KEY.encode())


@pytest.mark.parametrize("text", [KEY, KEY.lower()])
@pytest.mark.parametrize("form", ["raw", "hex", "HEX", "base64+0", "base64+1", "base64+2"])
def test_a_key_is_found_in_each_form(text: str, form: str) -> None:
    coded = {
        "raw": text.encode(),
        "hex": text.encode().hex().encode(),
        "HEX": text.encode().hex().upper().encode(),
    }.get(form)
    if coded is None:
        # The key begins at each place of a group of three bytes.
        before = b"x" * int(form[-1])
        coded = base64.b64encode(before + text.encode() + b"and more")
    with pytest.raises(AssertionError, match=f"^{text} is stored in {form.replace('+', '.')}$"):
        check_absent(["OTHER000001", KEY], coded.join(AROUND))


def test_a_row_that_its_file_holds_in_pieces_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.exec_driver_sql("PRAGMA page_size = 512")
        connection.exec_driver_sql("CREATE TABLE things (number INTEGER, text TEXT, bytes BLOB)")
        for number in range(250):
            value = (b"." * number + KEY.encode()).ljust(700, b".")
            connection.exec_driver_sql("INSERT INTO things VALUES (?, ?, ?)", (number, "x", value))

    found = list(rows(engine))

    assert sum(KEY.encode() in one for one in found) == 250
    assert 0 < path.read_bytes().count(KEY.encode()) < 250
    engine.dispose()
