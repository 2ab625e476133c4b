"""In this folder the event library's own clock and dice are broken, so nobody can lean on them."""

import eventsourcing.domain
import pytest

from tests.plugin import HIDDEN_CLOCK_AND_DICE


@pytest.mark.parametrize("name", HIDDEN_CLOCK_AND_DICE)
def test_the_librarys_defaults_are_out_of_reach(name: str) -> None:
    default = getattr(eventsourcing.domain, name)

    with pytest.raises(AssertionError, match="took the time or an id"):
        default()
