"""The load: traders who register items, pass them on and read, each at a steady rate.

Items are few and go round for ever, so that what the server has to remember is bounded, and what
still grows is a leak. Of what was sent only what is needed at the end is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from api.actors import Prepared
from api.desk import Hand, Order
from api.receipts import check_path, read_receipt
from tests.kills.customers import signed
from tests.kills.sites import Site

ITEMS = 40
"""Of each trader."""
SIZES = (1, 1, 1, 1, 1, 1, 1, 1, 12)
"""Commands of one request after the other."""
READ_EVERY = 3
_RING = ("shop", "ann", "bob")
_JSON = {"Content-Type": "application/json"}
_TIMEOUT_S = 60.0
_NOT_NOW = frozenset({429, 503})


@dataclass(frozen=True, slots=True)
class Promise:
    """What a receipt says: the command with this digest stands there, with this leaf."""

    index: int
    leaf: bytes
    digest: str


@dataclass
class Trader:
    """Sends request after request until told to stop, each when it is due."""

    site: Site
    url: str
    number: int
    rate: float
    promises: list[Promise] = field(default_factory=list)
    reads: int = 0
    put_off: int = 0
    """Requests that were answered with 429 or 503, and sent again."""
    faults: list[str] = field(default_factory=list)
    """Answers that should not have been."""
    _waits_s: list[float] = field(default_factory=list)

    def take_waits(self) -> list[float]:
        """Return how long each single command since the last call waited for its receipt."""
        taken, self._waits_s = self._waits_s, []
        return taken

    def run(self, done: threading.Event) -> None:
        """Trade until `done`; whatever goes wrong is a fault, and ends it."""
        try:
            self._trade(done)
        except Exception as error:  # it would be lost with the thread
            self.faults.append(f"{type(error).__name__}: {error}")

    def _trade(self, done: threading.Event) -> None:
        steps, sent = self._steps(), 0
        with httpx2.Client(base_url=self.url, timeout=_TIMEOUT_S) as http:
            began_s = time.monotonic()
            for number in self._numbers(done):
                request = [next(steps) for _ in range(SIZES[number % len(SIZES)])]
                if not self._send(http, request):
                    return
                sent += len(request)
                if number % READ_EVERY == 0:
                    self._read(http, number)
                # Late is late: what was missed is not caught up with, so the load stays steady.
                ahead_s = began_s + sent / self.rate - time.monotonic()
                if ahead_s < 0:
                    began_s -= ahead_s
                done.wait(max(0.0, ahead_s))

    def _numbers(self, done: threading.Event) -> Iterator[int]:
        number = 0
        while not done.is_set() and not self.faults:
            yield number
            number += 1

    def _send(self, http: httpx2.Client, request: Sequence[Prepared]) -> bool:
        body = request[0].body if len(request) == 1 else _array(request)
        began_s = time.monotonic()
        while True:
            answer = http.post("/v1/commands", content=body, headers=_JSON)
            if answer.status_code not in _NOT_NOW:
                break
            self.put_off += 1
            time.sleep(float(answer.headers.get("Retry-After", "1")))
        if len(request) == 1:
            self._waits_s.append(time.monotonic() - began_s)
        document = answer.json()
        results = document if isinstance(document, list) else [document]
        if len(results) != len(request) or any("receipt" not in each for each in results):
            self.faults.append(f"HTTP {answer.status_code}: {answer.text[:500]}")
            return False
        for prepared, result in zip(request, results, strict=True):
            self._keep(prepared, result["receipt"])
        return True

    def _keep(self, prepared: Prepared, document: dict[str, Any]) -> None:
        """Check a receipt as far as it goes without the entry, and keep what it promises."""
        receipt = read_receipt(document, self.site.log)
        check_path(receipt)
        leaf = bytes.fromhex(receipt["leaf"])
        self.promises.append(Promise(receipt["index"], leaf, prepared.digest))

    def _read(self, http: httpx2.Client, number: int) -> None:
        """Read an item, its history, the proof of one that never moves, a checkpoint, an entry."""
        still, moving = f"cards/still-{self.number}", f"cards/{self.number}-0"
        last = self.promises[-1].index
        paths = (
            f"/v1/items/{moving}?wait_for_index={self.promises[0].index}",
            f"/v1/items/{moving}/history?limit=20",
            f"/v1/items/{still}/proof",
            "/log/checkpoint",
            f"/v1/entries/{last}",
        )
        path = paths[number // READ_EVERY % len(paths)]
        answer = http.get(path)
        # A view may be a moment behind what was just acknowledged, and says so.
        if answer.status_code not in {httpx2.codes.OK, httpx2.codes.NOT_FOUND}:
            self.faults.append(f"GET {path}: HTTP {answer.status_code} {answer.text[:500]}")
        self.reads += 1

    def _steps(self) -> Iterator[Prepared]:
        """Sign one command after the other; each names the one before it on its item."""
        yield self._register(f"cards/still-{self.number}")
        items = [f"cards/{self.number}-{place}" for place in range(ITEMS)]
        before = {}
        for item in items:
            before[item] = prepared = self._register(item)
            yield prepared
        turn = 0
        while True:
            owner, to = _RING[turn % len(_RING)], _RING[(turn + 1) % len(_RING)]
            for item in items:
                keys = self.site.keys
                hands = [Hand(owner, "owner", keys[owner]), Hand(to, "recipient", keys[to])]
                body = {"item": item, "price": None}
                after = {f"item/{item}": before[item].digest}
                order = Order("transfer-item/1", hands, body, after=after)
                before[item] = prepared = signed(self.site, order)
                yield prepared
            turn += 1

    def _register(self, item: str) -> Prepared:
        order = Order(
            "register-item/1",
            [Hand("shop", "owner", self.site.keys["shop"])],
            {"class": "point-card", "item": item},
            seal={"name": ("shop", "gift card")},
        )
        return signed(self.site, order)


def _array(request: Sequence[Prepared]) -> bytes:
    return b"[" + b",".join(each.body for each in request) + b"]"
