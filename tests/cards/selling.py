"""A ledger in a folder with two merchants that may sell card keys, and what they upload."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from api.cards import Goods, Row, Upload, card_order
from api.cards import upload as hand_in
from api.desk import Hand, Order, send, write
from api.enrolment import enrol, grant, open_namespace
from api.folder import LedgerFolder
from api.house import House
from api.policies.publishing import publish, terms_recorded
from ledger.application import Outcome
from ledger.clock import FixedClock
from ledger.rules.text import format_time, time_us
from ledger.submission import Submission
from tests.shops import DAY_US
from tests.terms import item_class, terms

START_US = time_us("2026-11-23T09:00:00.000000Z", field="start")
CLASS, SHARED_CLASS, PRODUCT = "game-card", "loop-card", "steam-100"
MERCHANTS = ("shop", "rival")
CHECKS = {"lock_after": 5, "lock_s": 7200, "per_hour": 100}


def open_shop(
    folder: Path,
    *,
    clock: FixedClock | None = None,
    checks: dict[str, int] = CHECKS,
    **options: Any,
) -> House:
    """Make a ledger with a trade policy, a reviewer, and two merchants with a namespace each."""
    house = LedgerFolder.create(
        folder,
        clock=clock or FixedClock(START_US),
        origin=f"cards.test/{os.urandom(8).hex()}",
        **options,
    )
    classes = [item_class(CLASS), item_class(SHARED_CLASS, reusable="yes")]
    publish(house, terms(classes=classes, checks=checks), effective_at=None)
    enrol(house, "judge", class_="member")
    grant(house, "judge", "reviewer")
    for merchant in MERCHANTS:
        enrol(house, merchant, class_="merchant")
        open_namespace(house, f"{merchant}-cards", merchant)
        for each in (CLASS, SHARED_CLASS):
            _qualify(house, merchant, each)
    return house


def _qualify(house: House, merchant: str, class_: str) -> None:
    streams = (f"merchant/{merchant}", f"namespace/{merchant}-cards")
    body = {
        "class": class_,
        "merchant": merchant,
        "namespace": f"{merchant}-cards",
        "origin": None,
        "until": format_time(house.clock.now() + 365 * DAY_US),
    }
    hands = [
        Hand(merchant, "merchant", house.signer(merchant)),
        Hand("judge", "reviewer", house.signer("judge")),
    ]
    seal = {"documents": (merchant, "a licence"), "issuer": (merchant, "the publisher")}
    expect = {stream: house.head_of(stream) for stream in streams}
    send(house, Order("qualify-merchant/1", hands, body, expect=expect, seal=seal))


def goods(house: House, merchant: str = "shop", **changes: Any) -> Goods:
    """What an upload of a merchant has in common."""
    published = terms_recorded(house.reader)
    assert published is not None
    given = {
        "merchant": merchant,
        "namespace": f"{merchant}-cards",
        "product": PRODUCT,
        "item_class": CLASS,
        "agent": "system",
        "terms": published.in_force.digest,
        **changes,
    }
    return Goods(**given)


def upload(house: House, keys: Sequence[str], merchant: str = "shop", **changes: Any) -> Upload:
    """Upload keys as the merchant's own program does."""
    rows = [Row(number, key) for number, key in enumerate(keys, start=1)]
    own = goods(house, merchant, **changes)
    return hand_in(house, own, house.signer(merchant), rows, lambda _done, _all: None)


def signed(house: House, key: str, merchant: str = "shop", **changes: Any) -> Submission:
    """Sign the registration of one key, to be handed in by the test."""
    own = goods(house, merchant, **changes)
    order = card_order(own, Hand(merchant, "owner", house.signer(merchant)), key, os.urandom)
    return write(house.context(), order, random=os.urandom)[1]


def submit(house: House, *submissions: Submission) -> list[Outcome]:
    return house.ledger.submit(submissions)
