"""One of several processes that want the same items.

    python -m tests.nodes.rival URL NAME ITEMS STEPS

At step s every rival sends, for every item, the transfer from the party that owns it after s steps
to the next one, naming the head that it had then: of the rivals' commands one can be accepted. It
starts when its stdin says so and prints one JSON line: what came of each, and how often the head
had moved.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from random import Random
from typing import Any

from sqlalchemy import select

from ledger.application import Accepted, Outcome, Submission
from ledger.crashpoints import CrashPoint, arm
from ledger.errors import WriteContended
from ledger.record.database import reading
from ledger.record.tables import ENTRY
from ledger.rules.compose import Draft
from tests.worlds import World

SEED = "rivals"
OWNERS = ("shop", "ann", "bob")
BATCH_MAX = 20


class Rival:
    """One process."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.random = Random(name)  # noqa: S311 - the same batches in every run
        self.results: list[tuple[int, int, str]] = []
        self.heads: dict[str, str] = {}
        self.decided = 0
        self.contended = 0
        for party in OWNERS:
            world.key(party)
        # As the served ledger does: who lost a race waits for its turn at the head.
        world.ledger = world.open_ledger(takes_turns=True)

    def reached(self, point: CrashPoint) -> None:
        self.decided += point is CrashPoint.DECIDED

    def compete(self, items: int, steps: int) -> dict[str, Any]:
        batches = 0
        for step in range(steps):
            self.heads = self._heads_at(step)
            for numbers in self._batches(items):
                batches += 1
                submissions = [self._transfer(number, step) for number in numbers]
                for number, outcome in zip(numbers, self._send(submissions), strict=True):
                    told = "won" if isinstance(outcome, Accepted) else outcome.code
                    self.results.append((number, step, told))
        return {
            "results": self.results,
            "decided again": self.decided - batches,
            "contended": self.contended,
        }

    def _heads_at(self, step: int) -> dict[str, str]:
        """Read the head that each item has, or had, after so many steps."""
        query = select(ENTRY.c.stream, ENTRY.c.leaf).where(
            ENTRY.c.seq == step, ENTRY.c.stream.startswith("item/")
        )
        with reading(self.world.recorder.engine) as connection:
            return {stream: leaf.hex() for stream, leaf in connection.execute(query)}

    def _batches(self, items: int) -> Iterator[list[int]]:
        """Every item once, in an order and in batches of this process's own."""
        numbers = self.random.sample(range(items), items)
        while numbers:
            size = self.random.randint(1, BATCH_MAX)
            yield numbers[:size]
            del numbers[:size]

    def _send(self, submissions: list[Submission]) -> list[Outcome]:
        while True:
            try:
                return self.world.send(*submissions)
            except WriteContended:
                self.contended += 1

    def _transfer(self, number: int, step: int) -> Submission:
        item, stream = f"cards/{number}", f"item/cards/{number}"
        owner, recipient = OWNERS[step % len(OWNERS)], OWNERS[(step + 1) % len(OWNERS)]
        places = [self.world.signs(owner, "owner"), self.world.signs(recipient, "recipient")]
        body = {"item": item, "price": None}
        expect = {stream: self.heads[stream]}
        return self.world.submission(Draft("transfer-item/1", owner, places, body, expect))


def main() -> None:
    url, name, items, steps = sys.argv[1:]
    with World.join(url, SEED, process=name) as world:
        rival = Rival(world, name)
        arm(rival.reached)
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(rival.compete(int(items), int(steps))), flush=True)


if __name__ == "__main__":
    main()
