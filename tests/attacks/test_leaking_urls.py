"""A database's URL holds secrets: no error repeats them, however the URL is mistyped."""

from __future__ import annotations

import traceback

import pytest

from ledger.record.database import open_engine
from ledger.record.errors import DatabaseUnavailable

HUNTER = "hunter2"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://u:{HUNTER}@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?password={HUNTER}",
        f"postgresql://127.0.0.1:1/db?sslpassword={HUNTER}&user=u",
        f"mysql://u@h/db?password={HUNTER}",
        f"sqlite:///x.sqlite?key={HUNTER}",
        # Signs that should have been percent-encoded.
        f"postgresql://u:x@{HUNTER}@127.0.0.1:1/db",
        f"postgresql://u:x@h:{HUNTER}/db",
    ],
)
def test_no_error_repeats_a_part_of_the_password(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        open_engine(url)

    shown = traceback.format_exception(refused.value)
    told = [str(refused.value), repr(vars(refused.value)), shown[-1]]
    assert not [text for text in told if HUNTER in text]


@pytest.mark.parametrize("url", ["postgresql://u:p@h:port/db", "postgresql://u:p@[::1/db", "", "x"])
def test_what_is_no_url_is_told_as_such(url: str) -> None:
    with pytest.raises(DatabaseUnavailable) as refused:
        open_engine(url)

    assert refused.value.reason == "not a database URL"
    assert refused.value.__cause__ is None
