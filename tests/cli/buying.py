"""A ledger with cards for sale and buyers with money, for tests of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api.desk import Hand, Order, send
from api.enrolment import enrol, grant
from api.house import House
from ledger.clock import SystemClock
from tests.cards.selling import CLASS, PRODUCT, open_shop, upload
from tests.cli.running import Program
from tests.shops import listing_body

LISTING = "shop-cards/gift"
KEYS = ("STEAM-AAAA-0001", "STEAM-BBBB-0002", "STEAM-CCCC-0003")
PRICE = 9_900
NEVER = "01930000-0000-7000-8000-0000000000fe"


def make_shop(program: Program, folder: Path) -> Path:
    """Make a folder with three cards for sale, ann who can pay for two, and bob."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", program.env["XDG_STATE_HOME"])
        with open_shop(folder, clock=SystemClock()) as house:
            for party in ("ann", "bob", "kay"):
                enrol(house, party, class_="member")
            grant(house, "kay", "cashier")
            publish_listing(house)
            upload(house, KEYS)
            top_up(house, "ann", 2 * PRICE)
            house.publisher.publish()
    return folder


def publish_listing(house: House) -> None:
    """List cards of the shop."""
    body = listing_body(LISTING, "shop", **{"class": CLASS, "product": PRODUCT})
    streams = (f"listing/{LISTING}", "merchant/shop")
    expect = {stream: house.head_of(stream) for stream in streams}
    hands = [Hand("shop", "merchant", house.signer("shop"))]
    send(house, Order("publish-listing/1", hands, body, expect=expect))


def top_up(house: House, party: str, amount: int) -> None:
    """Let money come in for a party."""
    money = {"amount": str(amount), "currency": "CNY"}
    body = {"amount": money, "party": party, "provider": "internal"}
    hands = [Hand("kay", "cashier", house.signer("kay"))]
    send(house, Order("top-up/1", hands, body, seal={"transaction": (party, "T-1")}))


def placed(program: Program, ledger: Path, *more: object, buyer: str = "ann") -> dict[str, Any]:
    """Order from the listing."""
    return program.json("order", "place", LISTING, "--dir", ledger, "--as", buyer, *more)


def on(program: Program, ledger: Path, what: str, *more: object) -> dict[str, Any]:
    """Do something with an order."""
    return program.json("order", what, *more, "--dir", ledger)
