"""The end of a seed: the independent verifier, the slow model, and what every client was told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ledger.proof.audit import audit
from ledger.proof.errors import Unverifiable
from ledger.proof.sources import check_tile
from ledger.proof.tiles import tiles_of
from ledger.proof.tree import MemoryTree
from ledger.record.facts import SealedEntry
from tests.determinism.judge import hold
from tests.determinism.simdb import SimDatabase
from tests.simulation.model import Model
from tests.simulation.oracle import canonical, us

if TYPE_CHECKING:
    from tests.determinism.world import Simulation


class SimSource:
    """A simulated database, as an auditor reads it."""

    # Sealed values that are known to be gone; here nothing ever is.
    lost = 0
    lost_parcels = 0

    def __init__(self, database: SimDatabase) -> None:
        self._database = database

    def checkpoint(self) -> bytes:
        latest = self._database.latest()
        if latest is None:
            raise Unverifiable("fetch", "there is no checkpoint", field="checkpoint")
        return latest.note

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        for size, (_, shown) in sorted(self._database.checkpoints.items()):
            yield size, shown.note

    def entries(self, size: int) -> Iterator[tuple[int, bytes]]:
        for row in self._database.entries:
            yield row.index, row.entry

    def references(self, size: int) -> Iterator[list[bytes]]:
        yield [row.leaf for row in self._database.entries[:size]]

    def observe(self, *_: object) -> None:
        pass

    def check_derived(self, tree: MemoryTree, size: int) -> None:
        for tile in tiles_of(size):
            found = self._database.tiles.get((tile.level or 0, tile.number))
            if tile.width == 256:
                hold(found is not None, "tile kept", tile)
                assert found is not None
                check_tile(tile, found.hashes, tree)


def check_end(sim: Simulation, *, halted: bool) -> None:
    """Check everything that is kept, once all is quiet."""
    database, judge = sim.server.database, sim.judge
    judge.stored(
        [
            (previous, size, shown.note)
            for size, (previous, shown) in sorted(database.checkpoints.items())
        ]
    )
    commands = {one.digest.hex(): one.index for one in database.commands.values()}
    judge.durable(database.entries, commands)
    for client in sim.clients:
        for digest, (index, leaf) in client.answered.items():
            hold(judge.acknowledged.get(digest) == (index, leaf), "an answer nobody gave", digest)
    check_model(sim)
    if not halted:
        report = audit(SimSource(database), sim.template.world.vkey)
        found = (report.verdict, report.derived, report.unpublished)
        hold(found == ("valid", "yes", 0), "audit", report)


def check_model(sim: Simulation) -> None:
    """Replay the log through the slow model of the rules: each command is accepted at its index."""
    entries = sim.server.database.entries
    model = Model(sim.template.world.origin)
    replay(model, entries)
    owners = {f"item/{name}": item["owner"] for name, item in model.items.items()}
    hold(owners == sim.judge.owners, "owners", sorted(set(owners) ^ set(sim.judge.owners)))
    sim.judge.checks["model"] += len(entries)


def replay(model: Model, entries: list[SealedEntry]) -> None:
    """Feed a log to the model."""
    for row in entries:
        document = json.loads(row.entry)
        if row.index >= model.size:
            raw, at = canonical(document["command"]), us(document["at"])
            if row.index == 0:
                model.open(raw, at)
            else:
                hold(model.submit(raw, now=at) == ("accepted", row.index), "model", row.index)
        written = (document["stream"], document["type"], document["data"])
        hold(written == model.entries[row.index], "model", written)
        model.heads[document["stream"]]["leaf"] = row.leaf.hex()
