"""The ledger that most tests of the log room damage; modules that need another define their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.log.damaged import LAST, PUBLISHED
from tests.worlds import World


@pytest.fixture
def world(sqlite_url: str) -> Iterator[World]:
    with World.create(sqlite_url, "reread") as opened:
        opened.register("shop")
        opened.register("bob")
        opened.open_namespace("cards", "shop")
        opened.grant("shop", "importer", second="bob")
        opened.register_item("cards/1")
        opened.transfer("cards/1", to="bob")
        opened.add_key("bob", "bob-2")
        assert opened.publish() is not None
        assert opened.size() == PUBLISHED
        opened.import_sale("cards/2", seller="ann", buyer="joe")
        opened.transfer("cards/1", to="shop")
        assert opened.size() == LAST + 1
        yield opened
