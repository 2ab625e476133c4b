"""Customers of a server that dies: what has no receipt they send again, with the same bytes.

Each customer registers items of its own and passes them on; a step names the command before it, so
that many can be signed ahead and none is ever refused. Whatever it has a receipt for it will ask
about after every crash.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from api.actors import Prepared
from api.desk import Hand, Order, write
from api.receipts import read_receipt
from ledger.clock import SystemClock
from ledger.rules.compose import Context
from tests.api.serving import body_of
from tests.kills.sites import Site
from tests.waiting import PATIENCE_S

STEPS = ("register", "shop ann", "ann bob", "bob shop")
NOT_NOW = {429, 503}
PAUSE_S = 0.05


@dataclass
class Customer:
    """One after the other: requests of one or more commands, each sent until it is answered."""

    site: Site
    number: int
    waiting: list[list[Prepared]] = field(default_factory=list)
    """Requests that were sent, or will be, and were not answered: oldest first."""
    receipts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Command digest to receipt, as soon as its answer arrived."""
    sent: dict[str, Prepared] = field(default_factory=dict)
    again: int = 0
    """How many single commands were answered as recorded before."""
    errors: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._steps = self._endless()

    def shop(self, url: str, sizes: Sequence[int], *, until_death: bool) -> None:
        """Send what waits, then a request of each size; then small ones, if to its death."""
        with httpx2.Client(base_url=url, timeout=30) as http:
            if not self._send_waiting(http):
                return
            for size in sizes:
                self.waiting.append([self.next() for _ in range(size)])
                if not self._send_waiting(http):
                    return
            give_up = time.monotonic() + PATIENCE_S
            while until_death and not self.errors and time.monotonic() < give_up:
                time.sleep(PAUSE_S)
                self.waiting.append([self.next()])
                if not self._send_waiting(http):
                    return

    def next(self) -> Prepared:
        """Sign the next command."""
        return next(self._steps)

    def _send_waiting(self, http: httpx2.Client) -> bool:
        while self.waiting:
            if not self._send(http, self.waiting[0]):
                return False
            self.waiting.pop(0)
        return True

    def _send(self, http: httpx2.Client, request: list[Prepared]) -> bool:
        """Send one request; False when the connection broke, and nothing is known."""
        self.sent.update((each.digest, each) for each in request)
        body = request[0].body if len(request) == 1 else _array(request)
        try:
            while True:
                answer = http.post("/v1/commands", content=body, headers=_JSON)
                if answer.status_code not in NOT_NOW:
                    break
                time.sleep(PAUSE_S)
        except httpx2.TransportError:
            return False
        self._take(request, answer)
        return True

    def _take(self, request: list[Prepared], answer: httpx2.Response) -> None:
        document = answer.json()
        results = document if isinstance(document, list) else [document]
        if answer.status_code not in {200, 201} or len(results) != len(request):
            self.errors.append(f"{answer.status_code} {answer.text}")
            return
        self.again += len(request) == 1 and answer.status_code == 200
        for each, result in zip(request, results, strict=True):
            if "receipt" not in result:
                self.errors.append(str(result))
                continue
            receipt = read_receipt(result["receipt"], self.site.log)
            self.receipts[each.digest] = receipt

    def _endless(self) -> Iterator[Prepared]:
        number = 0
        while True:
            item, before = f"cards/{self.number}-{number}", ""
            for step in STEPS:
                prepared = self._prepare(item, step, before)
                before = prepared.digest
                yield prepared
            number += 1

    def _prepare(self, item: str, step: str, before: str) -> Prepared:
        keys = self.site.keys
        if step == "register":
            order = Order(
                "register-item/1",
                [Hand("shop", "owner", keys["shop"])],
                {"class": "point-card", "item": item},
                seal={"name": ("shop", "gift card")},
            )
        else:
            owner, recipient = step.split()
            hands = [Hand(owner, "owner", keys[owner])]
            hands.append(Hand(recipient, "recipient", keys[recipient]))
            body = {"item": item, "price": None}
            order = Order("transfer-item/1", hands, body, after={f"item/{item}": before})
        return signed(self.site, order)


def signed(site: Site, order: Order) -> Prepared:
    """Compose and sign a command for the log of a site, dated now."""
    context = Context(site.log.origin, site.policy, SystemClock().now())
    command, submission = write(context, order, random=os.urandom)
    return Prepared(command.raw, command.digest, submission.sigs, body_of(submission))


class Watcher:
    """Keeps every checkpoint that a server ever shows."""

    def __init__(self) -> None:
        self.notes: set[bytes] = set()

    def watch(self, url: str, done: threading.Event) -> None:
        """Look at the latest checkpoint again and again, until all is done or nobody answers."""
        with httpx2.Client(base_url=url, timeout=30) as http:
            while not done.wait(0.01):
                try:
                    answer = http.get("/log/checkpoint")
                except httpx2.TransportError:
                    return
                if answer.status_code == 200:
                    self.notes.add(answer.content)


def trade(
    url: str,
    customers: Sequence[Customer],
    watcher: Watcher,
    sizes: Sequence[Sequence[int]],
    *,
    until_death: bool,
) -> None:
    """Let all customers send at once, each requests of its sizes, while the log is watched."""
    done = threading.Event()
    watching = threading.Thread(target=watcher.watch, args=(url, done))
    trading = [
        threading.Thread(target=customer.shop, args=(url, own), kwargs={"until_death": until_death})
        for customer, own in zip(customers, sizes, strict=True)
    ]
    for thread in (watching, *trading):
        thread.start()
    for thread in trading:
        thread.join()
    done.set()
    watching.join()
    assert [error for customer in customers for error in customer.errors] == []


_JSON = {"Content-Type": "application/json"}


def _array(request: list[Prepared]) -> bytes:
    return b"[" + b",".join(each.body for each in request) + b"]"
