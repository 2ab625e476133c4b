"""Markets to begin histories with: copies of one on SQLite, or new ones on each database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.databases import fresh_postgres_database, sqlite_file_url
from tests.simulation.market import Market, Template, open_market


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """A market set up once."""
    return Template(tmp_path_factory.mktemp("market"))


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh_market(request: pytest.FixtureRequest) -> Callable[[], AbstractContextManager[Market]]:
    """Opens a market in an empty database, anew for each history."""
    if request.param == "sqlite":

        @contextmanager
        def opened():
            with (
                TemporaryDirectory(prefix="yz-history-") as folder,
                open_market(sqlite_file_url(Path(folder))) as market,
            ):
                yield market

        return opened
    server = request.getfixturevalue("postgres_server_url")

    @contextmanager
    def opened_there():
        with fresh_postgres_database(server) as url, open_market(url) as market:
            yield market

    return opened_there
