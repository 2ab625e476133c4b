"""Ledgers behind applications: one a test that writes, one a module that only reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.serving import Served, furnish, serve


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A furnished ledger of the test's own."""
    with serve(tmp_path) as opened:
        furnish(opened.world)
        opened.catch_up()
        yield opened


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A furnished ledger that the tests of a module only read, or fail to write to."""
    with serve(tmp_path_factory.mktemp("shared"), seed="shared") as opened:
        furnish(opened.world)
        opened.catch_up()
        yield opened
