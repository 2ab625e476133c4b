"""A card shop behind its API, for the tests of what card shops are complained about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.revealed import register_real_card
from tests.api.serving import Served, serve
from tests.paying import set_up
from tests.regressions.shops import CARDS, SECRET, furnish


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Served]:
    """A shop behind its API, with eight cards that lie with the platform."""
    with serve(tmp_path) as opened:
        furnish(opened.world)
        for card in CARDS:
            register_real_card(opened.world, card, "mia", f"{SECRET}-{card[-1]}")
        (tmp_path / "keys").mkdir()
        for party in ("wex", "system"):
            opened.world.key(party).save(tmp_path / "keys" / f"{party}.pem")
        set_up(tmp_path)
        opened.catch_up()
        yield opened
