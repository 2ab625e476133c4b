"""A served shop whose cards are issued with codes that the tests know."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from api.app import create_app
from api.cards import card_order
from api.codes import ask
from api.desk import Hand, Order, send, write
from api.enrolment import enrol
from api.house import House
from api.settings import Settings
from ledger.application import Accepted
from ledger.cards.codes import new_code
from ledger.cards.commitments import Opening, Place, commit, write_opening
from ledger.clock import FixedClock
from ledger.rules.codes import REVOKE
from ledger.rules.items import item_stream
from ledger.submission import Submission
from tests.api.serving import JSON, body_of
from tests.cards.selling import PRODUCT, goods, open_shop

MEMBERS = ("ann", "bob")


class Shop:
    """A shop behind an application."""

    def __init__(self, house: House, client: TestClient) -> None:
        self.house, self.client = house, client

    def issue(self, code: str | None = None) -> tuple[str, str]:
        """Register a card of the merchant; its item and its code."""
        code = code or new_code(os.urandom)
        hand = Hand("shop", "owner", self.house.signer("shop"))
        order = card_order(goods(self.house, agent=None, terms=None), hand, "K", os.urandom)
        item, opening = order.body["item"], Opening(code, os.urandom(32))
        card = Opening(os.urandom(10).hex(), os.urandom(32))
        body = {
            **order.body,
            "card": commit(Place("card", item, PRODUCT), card),
            "code": commit(Place("code", item, PRODUCT), opening),
        }
        seal = {
            "card": ("shop", write_opening("card", card)),
            "code": ("shop", write_opening("code", opening)),
        }
        send(self.house, replace(order, body=body, seal=seal))
        return item, code

    def give(self, item: str, party: str, to: str) -> None:
        """Let the owner of an item give it away."""
        stream = item_stream(item)
        hands = [
            Hand(party, "owner", self.house.signer(party)),
            Hand(to, "recipient", self.house.signer(to)),
        ]
        expect = {stream: self.house.head_of(stream)}
        body = {"item": item, "price": None}
        send(self.house, Order("transfer-item/1", hands, body, expect))

    def revoke(self, item: str, party: str = "shop") -> Accepted:
        """Let the owner of an item revoke its code."""
        stream, hand = item_stream(item), Hand(party, "owner", self.house.signer(party))
        expect = {stream: self.house.head_of(stream)}
        return send(self.house, Order(REVOKE, [hand], {"item": item}, expect))

    def asking(self, party: str, item: str, code: str) -> Submission:
        """Sign a question, to be sent by the test."""
        order = ask(Hand(party, "party", self.house.signer(party)), item, code)
        return write(self.house.context(), order)[1]

    def wait(self, for_us: int) -> None:
        """Let time pass."""
        clock = self.house.clock
        assert isinstance(clock, FixedClock)
        clock.advance(for_us)

    def post(self, asked: Submission) -> Any:
        """Send a question."""
        return self.client.post("/v1/checks", content=body_of(asked), headers=JSON)

    def check(self, party: str, item: str, code: str) -> tuple[str, str | None]:
        """Ask, and return what was answered."""
        told = self.post(self.asking(party, item, code))
        assert told.status_code == 200, told.text
        document = told.json()
        return document["result"], document["first_at"]


@contextmanager
def serve_shop(folder: Path, *, settings: Settings | None = None, **options: Any) -> Iterator[Shop]:
    """Open a ledger with two merchants and two members, and serve it."""
    with open_shop(folder, **options) as house:
        for member in MEMBERS:
            enrol(house, member, class_="member")
        app = create_app(house, publish_every_s=0, settings=settings)
        with TestClient(app, client=("127.0.0.1", 50_000)) as client:
            yield Shop(house, client)
