"""A busy rival is always first, until the loser waits for its turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ledger.application import ATTEMPTS, TURNS, Accepted, Outcome
from ledger.errors import WriteContended
from ledger.record.facts import Batch
from ledger.rules.compose import Draft
from ledger.rules.errors import ItemExists, NotOwner, StaleExpectation
from tests.databases import sqlite_file_url
from tests.worlds import SECOND_US, World

ITEM, STREAM = "cards/1", "item/cards/1"


class Pair:
    """A ledger whose rival commits something just before each of its commits, if it can."""

    def __init__(self, rival: World, world: World, *, takes_turns: bool) -> None:
        self.rival, self.world = rival, world
        self.ledger = world.open_ledger(takes_turns=takes_turns)
        self.races = self.turns = 0
        self._held = False
        self._append, self._in_turn = world.recorder.append, world.recorder.in_turn
        world.recorder.append = self._race  # type: ignore[method-assign]
        world.recorder.in_turn = self._hold  # type: ignore[method-assign]

    def send(self, draft: Draft) -> Outcome:
        self.world.clock.advance(SECOND_US)
        (outcome,) = self.ledger.submit([self.world.submission(draft)])
        return outcome

    def _race(self, batch: Batch) -> None:
        # In a turn the rival would have to wait for its end.
        if not self._held:
            self.races += 1
            self.rival.register(f"rival-{self.races}")
        self._append(batch)

    @contextmanager
    def _hold(self) -> Iterator[None]:
        self.turns += 1
        with self._in_turn():
            self._held = True
            try:
                yield
            finally:
                self._held = False


@contextmanager
def pair(folder: Path, *, takes_turns: bool) -> Iterator[Pair]:
    url = sqlite_file_url(folder)
    with World.create(url, "turns") as rival:
        for party in ("shop", "ann", "bob"):
            rival.register(party)
        rival.open_namespace("cards", "shop")
        rival.register_item(ITEM)
        with World.join(url, "turns", process="second") as world:
            for name in ("shop", "ann", "bob"):
                world.key(name)
            world.clock.advance(3600 * SECOND_US)
            rival.clock.advance(3600 * SECOND_US)
            yield Pair(rival, world, takes_turns=takes_turns)


def transfer(world: World, owner: str, *, to: str, expect: str | None) -> Draft:
    places = [world.signs(owner, "owner"), world.signs(to, "recipient")]
    return Draft("transfer-item/1", owner, places, {"item": ITEM, "price": None}, {STREAM: expect})


def test_who_never_waits_is_beaten_every_time(tmp_path: Path) -> None:
    with pair(tmp_path, takes_turns=False) as both, pytest.raises(WriteContended) as refused:
        both.send(both.world.item_draft("cards/2"))

    assert refused.value.evidence == {"attempts": ATTEMPTS}
    assert (both.races, both.turns) == (ATTEMPTS, 0)


def test_who_lost_once_waits_for_a_turn_and_is_served(tmp_path: Path) -> None:
    with pair(tmp_path, takes_turns=True) as both:
        outcome = both.send(both.world.item_draft("cards/2"))
        size = both.world.size()

        assert isinstance(outcome, Accepted)
        assert (outcome.index, size) == (size - 1, size)
        assert (both.races, both.turns) == (1, 1)


def test_after_some_turns_luck_is_tried_again(tmp_path: Path) -> None:
    with pair(tmp_path, takes_turns=True) as both:
        drafts = [both.world.item_draft(f"cards/{number}") for number in range(2, TURNS + 4)]
        outcomes = [both.send(draft) for draft in drafts]

        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert (both.races, both.turns) == (2, TURNS + 2)


def test_in_a_turn_too_nothing_is_decided_on_what_another_changed(tmp_path: Path) -> None:
    """Only what the rival touched is read again: his transfer must be seen, and nothing is lost."""
    with pair(tmp_path, takes_turns=True) as both:
        world, rival = both.world, both.rival
        assert isinstance(both.send(world.item_draft("cards/2")), Accepted)
        old = world.head(STREAM)
        first = rival.transfer(ITEM, to="ann")

        stale = both.send(transfer(world, "shop", to="bob", expect=old))
        thief = both.send(transfer(world, "shop", to="bob", expect=first.leaf.hex()))
        second = both.send(transfer(world, "ann", to="bob", expect=first.leaf.hex()))

        assert isinstance(stale, StaleExpectation)
        assert stale.evidence["found"] == first.leaf.hex()
        assert isinstance(thief, NotOwner)
        assert thief.evidence["owner"] == "ann"
        assert isinstance(second, Accepted)
        assert (both.races, both.turns) == (1, 4)


def test_who_was_away_for_long_reads_everything_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ledger.record.draft._CAUGHT_UP_MAX", 2)
    with pair(tmp_path, takes_turns=True) as both:
        assert isinstance(both.send(both.world.item_draft("cards/2")), Accepted)
        accepted = both.rival.transfer(ITEM, to="ann")
        for number in range(5):
            both.rival.register(f"party-{number}")

        draft = transfer(both.world, "ann", to="bob", expect=accepted.leaf.hex())

        assert isinstance(both.send(draft), Accepted)


def test_what_is_in_the_log_already_is_found_in_a_turn(tmp_path: Path) -> None:
    with pair(tmp_path, takes_turns=True) as both:
        assert isinstance(both.send(both.world.item_draft("cards/2")), Accepted)
        submission = both.world.submission(both.world.item_draft("cards/3"))
        (before,) = both.rival.send(submission)

        (again,) = both.ledger.submit([submission])

        assert isinstance(before, Accepted)
        assert isinstance(again, Accepted)
        assert (again.again, again.index) == (True, before.index)


def test_a_refusal_in_a_turn_holds_whatever_happens_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody else could write while it was decided: it need not be decided again."""
    with pair(tmp_path, takes_turns=True) as both:
        assert isinstance(both.send(both.world.item_draft("cards/2")), Accepted)
        hold, turns = both.world.recorder.in_turn, both.turns

        @contextmanager
        def then_the_rival() -> Iterator[None]:
            with hold():
                yield
            both.rival.register(f"after-{both.turns}")

        monkeypatch.setattr(both.world.recorder, "in_turn", then_the_rival)
        refused = both.send(both.world.item_draft("cards/2"))

        assert isinstance(refused, ItemExists)
        assert both.turns == turns + 1
