"""Parties as the views show them, and the key changes that wait for a timer."""

from __future__ import annotations

import json

from ledger.log.reader import LogReader
from projections.parties import Parties
from projections.runner import Runner
from tests.worlds import World

HOUR_US = 3600 * 1_000_000


def test_a_party_has_its_class_keys_and_roles(world: World, shown: LogReader) -> None:
    answer = Parties(shown).get("shop")

    assert answer.size == shown.size()
    assert answer.found is not None
    assert (answer.found.party_class, answer.found.attested, answer.found.founder) == (
        "merchant",
        0,
        0,
    )
    (key,) = json.loads(answer.found.keys)
    assert (key["id"], key["revoked"], key["since"]) == (world.key("shop").key_id, False, 5)
    assert json.loads(answer.found.roles) == [{"name": "importer", "single_handed": False}]


def test_a_class_declared_once_stays_when_later_chunks_change_the_party(reader: LogReader) -> None:
    Runner(reader, chunk=1).catch_up()

    found = Parties(reader).get("bob").found

    assert found is not None
    assert (found.party_class, found.head_index) == ("member", 30)
    assert len(json.loads(found.keys)) == 2


def test_founders_are_founders_and_strangers_are_nobody(shown: LogReader) -> None:
    operator = Parties(shown).get("operator").found

    assert operator is not None
    assert (operator.founder, operator.party_class) == (1, None)
    assert Parties(shown).get("nobody").found is None
    # Nobody has claimed it yet.
    assert Parties(shown).get("imported/cards/fay").found is None


def test_waiting_key_changes_are_found_when_they_are_due(world: World, shown: LogReader) -> None:
    parties, runner = Parties(shown), Runner(shown)
    world.clock.advance(2 * HOUR_US)
    asked = world.revoke_key("bob", "bob-2", by="bob")
    runner.catch_up()
    change = world.party("bob").change
    assert change is not None

    assert parties.due(change.due - 1) == []
    (bob,) = parties.due(change.due)
    assert (bob.party, bob.change_due, bob.change_digest) == ("bob", change.due, change.digest)
    assert bob.head_index == asked.index


def test_the_change_that_is_due_longest_comes_first(world: World, shown: LogReader) -> None:
    world.add_key("eve", "eve-2")
    world.add_key("guard", "guard-2")
    world.clock.advance(2 * HOUR_US)
    for name in ("guard", "bob", "eve"):
        world.revoke_key(name, f"{name}-2", by=name)
    Runner(shown).catch_up()
    far = world.clock.now() + 2 * HOUR_US

    assert [row.party for row in Parties(shown).due(far)] == ["guard", "bob", "eve"]
    assert [row.party for row in Parties(shown).due(far, limit=2)] == ["guard", "bob"]
