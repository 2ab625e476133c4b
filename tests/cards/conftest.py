"""Fixtures of the tests of card keys."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.house import House
from tests.cards.selling import open_shop


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A ledger in which two merchants may sell card keys."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with open_shop(tmp_path / "ledger") as house:
        yield house
