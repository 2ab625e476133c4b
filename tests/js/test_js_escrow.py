"""Two verifiers, one log of paid lines: honest or forged, they name the same first entry.

As `tests.js.test_js_orders`; the forgeries are those of `tests.tamper.escrow_cases`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.rules.model import Fact
from ledger.rules.text import format_time
from tests.databases import sqlite_file_url
from tests.golden_trade import play
from tests.js.test_js_orders import forged
from tests.js.test_js_verifier import NODE, ours, said, theirs
from tests.orders import order_of
from tests.tamper.chargeback_cases import ALL, CHARGEBACK_CASES, GIVEN, charge, end
from tests.tamper.code_cases import CODE_CASES, HONEST_CODES
from tests.tamper.credit_cases import CREDIT_CASES
from tests.tamper.deposit_cases import DEPOSIT_CASES
from tests.tamper.duplicate_cases import DUPLICATE_CASES
from tests.tamper.escrow_cases import (
    AWAITED,
    BUYER,
    DAY_US,
    DELIVERED,
    ESCROW_CASES,
    FEE,
    PRICE,
    Steps,
    activate,
    back,
    close,
    deliver,
    order,
    refund,
    release,
    released,
)
from tests.tamper.recourse_cases import LOST, RECOURSE_CASES
from tests.tamper.trade_cases import Step
from tests.worlds import World

pytestmark = pytest.mark.skipif(NODE is None, reason="needs Node 20 or newer on the path")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The ledger behind the golden log of trade, with every key in hand."""
    url = sqlite_file_url(tmp_path_factory.mktemp("trade"))
    with World.create(url, "js-escrow") as opened:
        play(opened)
        yield opened


def holding(world: World, party: str) -> int:
    """What a party's balance holds of CNY in the whole log."""
    stream = world.ledger.stream(f"balance/{party}")
    assert stream is not None
    return dict(stream.state.holdings)["CNY"]  # type: ignore[union-attr]


def then_holds(step: Callable[[World], Step], party: str, more: int) -> Callable[[World], Step]:
    """Let an effect say that a party holds so much more afterwards."""

    def with_effect(world: World) -> Step:
        draft, facts = step(world)
        after = [{"amount": str(holding(world, party) + more), "currency": "CNY"}]
        return draft, [*facts, Fact(f"balance/{party}", "balance-changed/1", {"after": after})]

    return with_effect


def withdrawn(world: World) -> Step:
    """Lou withdraws the claim; the line goes on as it was."""
    until = order_of(world, order(world)).lines[1].inspect_by
    assert until is not None
    return close(world, "none", {}, BUYER, said={"inspect_by": format_time(until)})


def in_order(world: World) -> Step:
    """Lou activates the delivered card, and expects its stream as the rules want."""
    draft, facts = activate(world)
    return replace(draft, expect={facts[0].stream: world.head(facts[0].stream)}), facts


HONEST: dict[str, Steps] = {
    "the awaited card is delivered": [lambda w: deliver(w, AWAITED)],
    "the merchant delivers it": [lambda w: deliver(w, AWAITED, by=("mia", "merchant"))],
    "the delivered card is accepted": [
        then_holds(lambda w: release(w, DELIVERED, released(DELIVERED)), "mia", PRICE - FEE)
    ],
    "the merchant refunds a part": [
        then_holds(lambda w: refund(w, DELIVERED, back(DELIVERED, 5), 5, by="mia"), "lou", 5)
    ],
    "the claim is withdrawn": [withdrawn],
    "the delivered card is activated": [in_order],
    "a provider takes the price, and gives it again": [ALL, end("won", GIVEN)],
    "a provider takes the price of an awaited card for good": [
        charge({AWAITED: PRICE}, {"escrow/3": -PRICE, "external/alipay": PRICE}),
        end("lost", {}, AWAITED),
    ],
    "a provider takes of what was released, for good": LOST,
    **HONEST_CODES,
}
FORGED: dict[str, Steps] = {
    **{name: steps for name, (_, steps) in ESCROW_CASES.items()},
    **{name: steps for name, (_, steps) in DEPOSIT_CASES.items()},
    **{name: steps for name, (_, steps) in DUPLICATE_CASES.items()},
    **{name: steps for name, (_, steps) in CHARGEBACK_CASES.items()},
    **{name: steps for name, (_, steps) in RECOURSE_CASES.items()},
    **{name: steps for name, (_, steps) in CREDIT_CASES.items()},
    **{name: steps for name, (_, steps) in CODE_CASES.items()},
    "an acceptance after which the merchant holds another amount": [
        then_holds(lambda w: release(w, DELIVERED, released(DELIVERED)), "mia", PRICE)
    ],
}


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


def test_a_delivery_of_the_same_second_as_its_deadline_is_in_time_to_both(
    world: World, tmp_path: Path
) -> None:
    line = order_of(world, order(world)).lines[AWAITED - 1]
    assert line.deliver_by is not None
    started = world.clock.now()
    world.clock.advance(line.deliver_by - started)
    folder, _ = forged(world, tmp_path / "on-time", [lambda w: deliver(w, AWAITED)])
    (other,) = theirs([folder], world.vkey)
    assert (ours(folder, world.vkey).verdict, other["verdict"]) == ("valid", "valid")

    world.clock.advance(1)
    folder, size = forged(world, tmp_path / "late", [lambda w: deliver(w, AWAITED)])
    mine, (late,) = said(ours(folder, world.vkey).document()), theirs([folder], world.vkey)
    assert mine == said(late)
    assert (mine.verdict, mine.index) == ("tampered", size)
    assert line.deliver_by - started < DAY_US
