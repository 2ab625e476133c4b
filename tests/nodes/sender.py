"""A process that hands in commands which somebody else has signed.

    python -m tests.nodes.sender URL NAME NOW FILE

FILE holds a JSON array of [command, sigs, disclosures]; they go in one by one, in the order of the
file, at NOW. It starts when its stdin says so and prints one JSON line: what came of each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ledger.application import Accepted
from ledger.submission import SealedValue, Submission
from tests.worlds import World

SEED = "two processes"


def packed(submission: Submission) -> list[Any]:
    """Write a submission for FILE."""
    sealed = [(one.name, one.salt, one.value) for one in submission.disclosures]
    return [submission.command.decode(), list(submission.sigs), sealed]


def unpacked(command: str, sigs: list[str], sealed: list[list[str]]) -> Submission:
    """Read a submission of FILE."""
    return Submission(command.encode(), tuple(sigs), tuple(SealedValue(*one) for one in sealed))


def main() -> None:
    url, name, now, file = sys.argv[1:]
    with World.join(url, SEED, process=name) as world:
        world.clock.advance(int(now) - world.clock.now())
        ledger = world.open_ledger(takes_turns=True)
        waiting = [unpacked(*one) for one in json.loads(Path(file).read_bytes())]
        print("ready", flush=True)
        sys.stdin.readline()
        told = []
        for each in waiting:
            (outcome,) = ledger.submit([each])
            told.append("won" if isinstance(outcome, Accepted) else outcome.code)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
