"""Four processes, each with a ledger of its own on one database, compete for the same items."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from ledger.record.recorder import LedgerRecorder
from ledger.rules.entries import read_entry
from tests import figures
from tests.nodes.judging import check_log
from tests.nodes.rival import OWNERS, SEED
from tests.worlds import World

ROOT = Path(__file__).parents[2]
RIVALS, ITEMS, STEPS = 4, 50, 20


def start(url: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.nodes.rival", url, name, str(ITEMS), str(STEPS)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def compete(url: str) -> list[dict[str, Any]]:
    """Let all rivals begin at once, and return what each of them says."""
    rivals = [start(url, f"rival-{number}") for number in range(RIVALS)]
    try:
        for rival in rivals:
            assert rival.stdout is not None
            assert rival.stdout.readline() == "ready\n"
        for rival in rivals:
            assert rival.stdin is not None
            rival.stdin.write("go\n")
            rival.stdin.flush()
        return [json.loads(rival.communicate(timeout=300)[0]) for rival in rivals]
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()


def test_of_four_processes_one_wins_each_step_of_each_item(postgres_url: str) -> None:
    with World.create(postgres_url, SEED) as world:
        for party in OWNERS:
            world.register(party)
        world.open_namespace("cards", "shop")
        world.send(*(world.submission(world.item_draft(f"cards/{n}")) for n in range(ITEMS)))
        begun = world.size()

        started = time.monotonic()
        told = compete(postgres_url)
        seconds = time.monotonic() - started

        while world.publish() is not None:
            pass
        size = check_log(postgres_url, world.vkey, {})
        streams = {n: steps_of(world.recorder, n) for n in range(ITEMS)}
    outcomes = [(item, step, what) for each in told for item, step, what in each["results"]]
    winners = Counter((item, step) for item, step, what in outcomes if what == "won")
    assert len(outcomes) == RIVALS * ITEMS * STEPS
    assert winners == {(item, step): 1 for item in range(ITEMS) for step in range(STEPS)}
    assert {what for _, _, what in outcomes} == {"won", "stale-expectation"}
    assert size == begun + ITEMS * STEPS
    assert set(map(tuple, streams.values())) == {tuple(range(STEPS + 1))}
    again = sum(each["decided again"] for each in told)
    assert [each["contended"] for each in told] == [0] * RIVALS, "a batch gave up"
    figures.record("four processes compete: commands", len(outcomes), unit="commands")
    figures.record("four processes compete: decided again", again, unit="batches")
    figures.record(
        "four processes compete: rate", round(len(outcomes) / seconds), unit="commands/s"
    )


def steps_of(recorder: LedgerRecorder, item: int) -> list[int]:
    return [read_entry(row.entry).seq for row in recorder.stream_entries(f"item/cards/{item}")]
