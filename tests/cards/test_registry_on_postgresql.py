"""Card keys are told apart in the same way where the log lies in PostgreSQL and the index does not.

The tests are those of `tests.cards.test_registry` that write or read the log; only the shop is
another one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from api.house import House
from tests.cards.selling import open_shop
from tests.cards.test_registry import (  # noqa: F401 - these are the tests
    disarmed,
    test_a_key_is_registered_once_in_a_product,
    test_a_key_that_was_sold_twice_is_found_afterwards,
    test_a_lost_race_decides_again_and_finds_its_own_reservation,
    test_a_new_pepper_gives_every_card_another_fingerprint,
    test_a_reservation_without_a_command_in_the_log_is_taken_over_when_it_is_stale,
    test_after_a_crash_the_same_command_passes_and_nobody_elses,
    test_an_index_of_a_longer_log_is_not_believed,
    test_an_index_that_was_lost_is_made_again_from_the_vault,
    test_the_keys_of_one_batch_see_each_other,
    test_two_processes_register_each_key_once,
)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> Iterator[House]:
    """A ledger on PostgreSQL in which two merchants may sell card keys."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with open_shop(tmp_path / "ledger", database_url=postgres_url) as house:
        yield house
