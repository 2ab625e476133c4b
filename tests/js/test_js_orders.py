"""Two verifiers, one log of orders: honest or forged, they name the same first entry.

The forgeries are those that only meaning would find if the rules said yes
(`tests.tamper.order_cases`); here the rules say what they say, in both hands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.rules.kinds import kind_of
from ledger.rules.model import Fact
from tests.databases import sqlite_file_url
from tests.golden_trade import play
from tests.js.exports import Forger
from tests.js.test_js_verifier import NODE, ours, publish, said, theirs
from tests.tamper.label_cases import DIRECT, DIRECT_SOURCE, LABEL_CASES, order
from tests.tamper.order_cases import (
    ESCROW,
    EXPIRED,
    FREE,
    ORDER_CASES,
    PAID,
    WAITING,
    card,
    confirm,
    pay,
    place,
)
from tests.tamper.trade_cases import Step
from tests.worlds import World

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node 20 or newer on the path")

Steps = list[Callable[[World], Step]]
HELD = 12_500


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The ledger behind the golden log of trade, with every key in hand."""
    url = sqlite_file_url(tmp_path_factory.mktemp("trade"))
    with World.create(url, "js-orders") as opened:
        play(opened)
        yield opened


def ben_holds(amount: int) -> Fact:
    after = {"after": [{"amount": str(amount), "currency": "CNY"}] if amount else []}
    return Fact("balance/ben", "balance-changed/1", after)


def and_ben_holds(step: Callable[[World], Step], amount: int) -> Callable[[World], Step]:
    def with_effect(world: World) -> Step:
        draft, facts = step(world)
        return draft, [*facts, ben_holds(amount)]

    return with_effect


HONEST: dict[str, Steps] = {
    "a card is registered and ordered": [card, lambda w: place(w, FREE)],
    "a merchant gets a label, which its order copies": [
        *DIRECT_SOURCE,
        card,
        lambda w: order(w, DIRECT),
    ],
    "an order is paid from outside": [
        lambda w: confirm(w, WAITING, "funded", *ESCROW, amount=19_800)
    ],
    "an order is paid with too much": [
        and_ben_holds(
            lambda w: confirm(w, WAITING, "funded", *ESCROW, ("balance/ben", 7), amount=19_807),
            HELD + 7,
        )
    ],
    "an order is paid with too little": [
        and_ben_holds(
            lambda w: confirm(w, WAITING, "short", ("balance/ben", 19_799), amount=19_799),
            HELD + 19_799,
        )
    ],
    "an order is paid twice": [
        and_ben_holds(lambda w: confirm(w, PAID, "surplus", ("balance/ben", 5), amount=5), HELD + 5)
    ],
}
FORGED: dict[str, Steps] = {
    **{name: steps for name, (_, steps) in ORDER_CASES.items()},
    **{name: steps for name, (_, steps) in LABEL_CASES.items()},
    "a balance pays more than it holds": [and_ben_holds(lambda w: pay(w, WAITING, "ben"), 0)],
    "a balance that holds another amount afterwards": [
        and_ben_holds(lambda w: confirm(w, PAID, "surplus", ("balance/ben", 5), amount=5), HELD)
    ],
    "a late payment that says nothing of the balance": [
        lambda w: confirm(w, EXPIRED, "late", ("balance/zoe", 5), amount=5)
    ],
    "a funding that is called late": [
        and_ben_holds(
            lambda w: confirm(w, WAITING, "late", ("balance/ben", 19_800), amount=19_800),
            HELD + 19_800,
        )
    ],
}


def forged(world: World, folder: Path, steps: Steps) -> tuple[Path, int]:
    """Publish the log with these steps after it, each expecting what its kind asks for."""
    entries = [row.entry for row in world.reader.entries(0, world.size())]
    forger = Forger(world, entries, world.clock.now())
    for step in steps:
        draft, facts = step(world)
        names = kind_of(draft.kind).expects(world.compose(draft))
        heads = {name: forger.heads.get(name) for name in names}
        expect = {name: head.leaf if head else None for name, head in heads.items()}
        forger.append(world.submission(replace(draft, expect=expect)), *facts)
    return publish(world, folder, forger.entries), len(entries)


@pytest.mark.parametrize("name", HONEST)
def test_what_is_in_order_is_valid_to_both(world: World, tmp_path: Path, name: str) -> None:
    folder, _ = forged(world, tmp_path / "log", HONEST[name])
    report = ours(folder, world.vkey)
    (other,) = theirs([folder], world.vkey)

    assert (report.verdict, other["verdict"], other["fault"]) == ("valid", "valid", None)
    assert other["root"] == report.root


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_is_found_by_both_at_the_same_entry(
    world: World, tmp_path: Path, name: str
) -> None:
    folder, size = forged(world, tmp_path / "log", FORGED[name])
    mine = said(ours(folder, world.vkey).document())
    (other,) = theirs([folder], world.vkey)

    assert mine == said(other), other
    assert mine.verdict == "tampered"
    assert mine.index is not None
    assert mine.index >= size
