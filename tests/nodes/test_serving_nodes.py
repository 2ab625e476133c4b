"""Two real servers on one PostgreSQL, many clients: one log, and everybody is in it once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.desk import Hand, Order, send, write
from api.folder import LedgerFolder
from api.house import House, own_key
from api.receipts import check_entry, pin_log, read_receipt
from ledger.rules.canonical import encode
from tests import figures
from tests.nodes.judging import check_log

ROOT = Path(__file__).parents[2]
NODES, CLIENTS, REQUESTS = 2, 8, 12
SHOP = "shop"
Job = tuple[bytes, list[str], bytes]
"""A command's bytes, its signatures, and the body of its request."""


@contextmanager
def node(folder: Path) -> Iterator[str]:
    """Run `yinzheng serve` and give its address."""
    command = [sys.executable, "-m", "api.cli.main", "serve", "--dir", str(folder), "--json"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())["url"]
        running.terminate()
        assert running.wait(timeout=60) == 0
    finally:
        running.kill()
        running.wait()
        if running.stdout is not None:
            running.stdout.close()


def furnish(house: House) -> None:
    """A merchant with a namespace."""
    operator, shop = house.signer("operator"), own_key(house.folder, SHOP, random=os.urandom)
    body = {"class": "merchant", "key": shop.key(), "party": SHOP}
    hands = [Hand(SHOP, "party", shop), Hand("operator", "registrar", operator)]
    send(house, Order("register-party/1", hands, body))
    hands = [Hand("operator", "root", operator), Hand(SHOP, "owner", shop)]
    expect: dict[str, str | None] = {"namespace/cards": None}
    send(house, Order("open-namespace/1", hands, {"namespace": "cards"}, expect=expect))


def job(house: House, number: int) -> Job:
    """The registration of an item, ready to be sent."""
    hand = Hand(SHOP, "owner", house.signer(SHOP))
    body = {"class": "other", "item": f"cards/{number}"}
    seal = {"name": (SHOP, f"card {number}")}
    order = Order("register-item/1", [hand], body, seal=seal)
    command, submission = write(house.context(), order, random=os.urandom)
    opened = [
        {"name": one.name, "salt": one.salt, "value": one.value} for one in submission.disclosures
    ]
    document = {"command": command.document, "disclosures": opened, "sigs": list(submission.sigs)}
    return command.raw, list(submission.sigs), encode(document)


def entry_at(house: House, index: int) -> bytes:
    found = house.reader.entry(index)
    assert found is not None, index
    return found.entry


def trade(urls: list[str], jobs: list[Job], receipts: dict[bytes, Any], codes: list[int]) -> None:
    """Send every command to one node and then the same bytes to the next one."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx2.Client(base_url=url, timeout=60.0)) for url in urls]
        for place, (command, _, body) in enumerate(jobs):
            answers = []
            for turn in range(len(urls)):
                client = clients[(place + turn) % len(urls)]
                headers = {"Content-Type": "application/json"}
                answer = client.post("/v1/commands", content=body, headers=headers)
                codes.append(answer.status_code)
                answers.append(answer.json()["receipt"])
            receipts[command] = answers


def test_two_servers_on_one_database_write_one_log(
    tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "ledger"
    with LedgerFolder.create(folder, database_url=postgres_url) as house:
        furnish(house)
        begun = house.recorder.head().size
        jobs = [job(house, number) for number in range(CLIENTS * REQUESTS)]
        vkey = house.vkey
    receipts: dict[bytes, Any] = {}
    codes: list[int] = []
    with ExitStack() as stack:
        urls = [stack.enter_context(node(folder)) for _ in range(NODES)]
        # Half of the clients begin at the other node.
        orders = [urls, urls[::-1]]
        threads = [
            threading.Thread(
                target=trade, args=(orders[number % 2], jobs[number::CLIENTS], receipts, codes)
            )
            for number in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        metrics = [httpx2.get(f"{url}/metrics").text for url in urls]

    assert sorted(codes) == [200] * len(jobs) + [201] * len(jobs)
    with LedgerFolder.open(folder) as house:
        log = pin_log(entry_at(house, 0), vkey=vkey)
        for command, sigs, _ in jobs:
            first, second = (read_receipt(each, log) for each in receipts[command])
            assert first["index"] == second["index"]
            raw = entry_at(house, first["index"])
            check_entry(first, raw, command=command, sigs=tuple(sigs))
        indices = sorted(receipts[command][0]["index"] for command, _, _ in jobs)
        assert indices == list(range(begun, begun + len(jobs)))
        assert house.reader.published_size() == begun + len(jobs)
    assert check_log(postgres_url, vkey, {}) == begun + len(jobs)
    shares = [_accepted(text) for text in metrics]
    assert sum(shares) == len(jobs)
    assert min(shares) >= len(jobs) // 4, "one of the nodes starved"
    figures.record("two servers on one PostgreSQL: commands", 2 * len(jobs), unit="commands")


def _accepted(text: str) -> int:
    name = 'yinzheng_commands_total{outcome="accepted"} '
    return int(float(next(line for line in text.splitlines() if line.startswith(name)).split()[1]))
