"""The long run: thousands of seeds, in pieces that several processes share."""

from __future__ import annotations

from typing import ClassVar

import pytest

from tests.determinism.playing import lacking, play, tell

PIECES, SEEDS_EACH = 10, 500
# Not those of the short run.
FIRST = 1_000


class Piece:
    """One piece; a class of its own each, because the tests of a class stay in one process."""

    number: ClassVar[int]

    @pytest.mark.full
    def test_no_seed_fails_and_everything_is_reached(self) -> None:
        start = FIRST + self.number * SEEDS_EACH

        played = play(range(start, start + SEEDS_EACH))

        tell(played)
        assert played.failed == []
        assert lacking(played) == {}


for _number in range(PIECES):
    _name = f"TestPiece{_number}"
    globals()[_name] = type(_name, (Piece,), {"number": _number})
