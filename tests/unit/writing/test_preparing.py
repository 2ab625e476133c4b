"""Preparing a command that was composed here, and reading streams ahead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from ledger.application import Accepted
from ledger.errors import SignatureInvalid
from tests.databases import sqlite_file_url
from tests.worlds import World

ITEMS = [f"cards/{number}" for number in range(6)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "preparing") as made:
        for party in ("shop", "bob"):
            made.register(party)
        made.open_namespace("cards", "shop")
        for item in ITEMS:
            made.register_item(item)
        yield made


def test_a_command_that_was_read_when_it_was_composed_is_not_read_again(world: World) -> None:
    command = world.compose(world.transfer_draft(ITEMS[0], to="bob"))

    prepared = world.ledger.prepare(world.sign(command), command=command)

    assert prepared.command is command
    assert (prepared.fault, prepared.verified) == (None, True)
    (outcome,) = world.ledger.commit([prepared])
    assert isinstance(outcome, Accepted)


def test_of_two_commands_the_bytes_that_were_handed_in_count(world: World) -> None:
    one, other = (world.compose(world.transfer_draft(item, to="bob")) for item in ITEMS[:2])

    prepared = world.ledger.prepare(world.sign(one), command=other)

    assert prepared.command == one
    assert prepared.command is not one
    assert prepared.fault is None


def test_a_signature_is_checked_whoever_read_the_command(world: World) -> None:
    command = world.compose(world.transfer_draft(ITEMS[0], to="bob"))
    wrong = world.sign(command, world.key("shop"), world.key("shop"))

    prepared = world.ledger.prepare(wrong, command=command)

    assert isinstance(prepared.fault, SignatureInvalid)
    assert prepared.fault.evidence["command"] == command.digest


def test_streams_that_were_read_ahead_are_asked_for_no_more(world: World, tmp_path: Path) -> None:
    names = {f"item/{item}" for item in ITEMS} | {"item/cards/unknown"}
    heads = {name: world.head(name) for name in names}
    asked: list[Connection] = []

    with World.join(sqlite_file_url(tmp_path), "preparing", process="second") as second:
        engine = second.recorder.engine
        event.listen(engine, "begin", asked.append)
        second.ledger.read_ahead(names)
        ahead = len(asked)
        found = {name: second.head(name) for name in names}

    assert found == heads
    assert heads["item/cards/unknown"] is None
    assert 0 < len(asked) == ahead < len(names)
