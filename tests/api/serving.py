"""A small real ledger behind a real application, for the tests of the API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.testclient import TestClient

from api.app import create_app
from api.config import Config
from api.house import House
from api.settings import Settings
from ledger.log.gate import Gate
from ledger.log.publisher import Publisher
from ledger.rules.canonical import decode, encode
from ledger.submission import Submission
from tests.databases import sqlite_file_url
from tests.worlds import POLICY, World

JSON = {"Content-Type": "application/json"}


def house_of(world: World, folder: Path) -> House:
    """A house whose rooms are those of a world, keys and clock included."""
    house = House(
        folder=folder,
        config=Config(world.origin, None),
        recorder=world.recorder,
        clock=world.clock,
        vkey=world.vkey,
        random=world.dice,
    )
    house.ledger = world.ledger
    house.vault = world.vault
    house.gate = Gate(world.recorder, world.mark, world.vkey)
    house.publisher = Publisher(world.recorder, world.tree_signer(), world.origin, world.vkey)
    return house


def house_with_keys(world: World, folder: Path) -> House:
    """A house whose server signs with the world's keys, of which none lies in a file."""
    house = house_of(world, folder)
    house.signer = world.key  # type: ignore[method-assign]
    return house


class Served:
    """A world, its application and a client of it."""

    def __init__(self, world: World, app: FastAPI, client: TestClient) -> None:
        self.world, self.app, self.client = world, app, client

    def post(self, body: bytes, **headers: str) -> Any:
        """Send bytes as a body; the clock moves a second, as between the world's own batches."""
        self.world.clock.advance(1_000_000)
        return self.client.post("/v1/commands", content=body, headers={**JSON, **headers})

    def catch_up(self) -> int:
        """Bring views and checkpoint up to the head, and return the size of the log."""
        size = self.world.size()
        house = self.app.state.rooms.house
        house.runner.catch_up()
        house.publisher.publish()
        return size


@contextmanager
def serve(
    folder: Path,
    *,
    seed: str = "api",
    policy: Mapping[str, Any] = POLICY,
    settings: Settings | None = None,
) -> Iterator[Served]:
    """Open a new world on SQLite and serve it; checkpoints follow every write."""
    with World.create(sqlite_file_url(folder), seed, policy=policy) as world:
        app = create_app(house_of(world, folder), publish_every_s=0, settings=settings)
        with TestClient(app, client=("127.0.0.1", 50_000)) as client:
            yield Served(world, app, client)


def document_of(submission: Submission) -> dict[str, Any]:
    """Write a submission as the document that a client sends."""
    return {
        "command": decode(submission.command, limit=1 << 20),
        "disclosures": [
            {"name": one.name, "salt": one.salt, "value": one.value}
            for one in submission.disclosures
        ],
        "sigs": list(submission.sigs),
    }


def body_of(*submissions: Submission) -> bytes:
    """Write one submission, or an array of several, as a request's body."""
    documents = [document_of(submission) for submission in submissions]
    return encode(documents[0] if len(documents) == 1 else documents)


def furnish(world: World) -> None:
    """Two members, a freezer, a merchant with a namespace, and two items that moved."""
    for party in ("ann", "bob", "shop", "fay"):
        world.register(party)
    world.grant("fay", "freezer")
    world.open_namespace("cards", "shop")
    world.register_item("cards/1")
    world.register_item("cards/2")
    world.transfer("cards/1", to="ann", price={"amount": "9900", "currency": "CNY"})
    world.transfer("cards/1", to="bob")
