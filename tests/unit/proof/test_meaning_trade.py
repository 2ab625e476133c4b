"""The golden log of trade, judged whole: every event reaches the reading that it is meant for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.proof.errors import Tampered
from ledger.proof.meaning import Meaning
from ledger.proof.tiles import decode_bundle
from ledger.rules.entries import Entry, read_entry

LOG = Path(__file__).parents[2] / "golden" / "trade"


def entries() -> list[Entry]:
    (bundle,) = (LOG / "tile" / "entries").glob("000.p/*")
    return [read_entry(raw) for raw in decode_bundle(bundle.read_bytes(), width=int(bundle.name))]


def played(*, complete: bool, log: list[Entry]) -> Meaning:
    meaning = Meaning(complete=complete)
    cause = log[0]
    for entry in log:
        cause = entry if entry.command is not None else cause
        meaning.take(entry, cause)
    return meaning


def test_a_whole_log_of_trade_is_read_to_its_end() -> None:
    log = entries()
    meaning = played(complete=True, log=log)

    published = [e.command.body for e in log if e.command and e.type == "trade-policy-published/1"]
    assert len(published) == 2
    listed = [e.command.body for e in log if e.command and e.type == "listing-published/1"]
    assert meaning.shops.spaces == {"mia": "mias"}
    classes = {item_class for _, item_class in meaning.shops.until}
    assert classes == {"game-card", "point-card", "virtual-equipment"}
    assert meaning.shops.listings == {
        "mias/gift-100": listed[2],
        "mias/office": None,
        "mias/points": listed[4],
        "mias/sword": listed[5],
    }
    balance = meaning.money.accounts["balance/ben"]
    assert balance == {"CNY": 12_500, "ETH": 0}


def test_the_orders_of_a_whole_log_are_paid_expired_or_open() -> None:
    log = entries()
    meaning = played(complete=True, log=log)

    placed = [each.stream for each in log if each.type == "order-placed/1"]
    states = [meaning.orders.orders[name].state for name in placed]
    assert states == ["paid", "paid", "expired", *["paid"] * 5, "unpaid"]
    reserved = {
        item.removeprefix("item/mias/"): name for item, name in meaning.orders.reserved.items()
    }
    assert reserved == {
        **{"card-4": placed[0], "card-5": placed[0], "blade": placed[1]},
        **{"card-7": placed[-1], "card-6": placed[-1], "paid-20": placed[-2]},
    }
    held = {name: sums for name, sums in meaning.money.accounts.items() if name[:6] == "escrow"}
    assert sum(sums["CNY"] for sums in held.values()) == 9900 * 2 + 50_001 + 9900 * 3
    assert meaning.orders.due == {}


def test_the_paid_lines_of_a_whole_log_are_held_or_have_ended() -> None:
    meaning = played(complete=True, log=entries())

    told = [
        [(line.held, line.released, line.refunded) for line in lines]
        for lines in meaning.escrow.lines.values()
    ]
    assert told[3:-1] == [
        [(0, 0, 0)],
        [(0, 0, 9900)],
        [(0, 9800 - 300, 100), (0, 8899 - 400, 1001)],
        [(0, 0, 9900), (0, 5900, 4000), (0, 9900, 0), (0, 0, 9900)],
        [(9900, 0, 0)] * 3,
    ]
    frozen = [line.claims for line in meaning.escrow.lines[list(meaning.escrow.lines)[-2]]]
    assert [len(claims) for claims in frozen] == [0, 1, 0]
    assert sum(not claim.open for claim in meaning.claims.claims.values()) == 6
    assert meaning.claims.due is None
    assert meaning.items["item/mias/paid-18"].owner == "lou"


@pytest.mark.parametrize(
    ("type_", "field"),
    [
        ("item-sold/1", "order"),
        ("escrow-frozen/1", "claims"),
        ("escrow-settled/1", "claims"),
        ("lines-delivered/1", "order"),
        ("escrow-released/1", "money"),
        ("claim-closed/1", "claims"),
    ],
)
def test_a_part_of_what_became_of_a_line_that_is_missing_is_missed(type_: str, field: str) -> None:
    log = entries()
    left = next(at for at, entry in enumerate(log) if entry.type == type_)

    with pytest.raises(Tampered) as caught:
        played(complete=True, log=[*log[:left], *log[left + 1 :]])
    assert (caught.value.step, caught.value.field) == ("meaning", field)


@pytest.mark.parametrize("type_", ["item-reserved/1", "item-freed/1", "balance-changed/1"])
def test_an_effect_of_an_order_that_is_missing_is_missed(type_: str) -> None:
    log = entries()
    left = next(at for at, entry in enumerate(log) if entry.type == type_)

    with pytest.raises(Tampered) as caught:
        played(complete=True, log=[*log[:left], *log[left + 1 :]])
    field = "money" if type_ == "balance-changed/1" else "order"
    assert (caught.value.step, caught.value.field) == ("meaning", field)


def test_the_second_policy_is_held_against_the_first() -> None:
    log = entries()
    first = next(at for at, entry in enumerate(log) if entry.type == "trade-policy-published/1")

    with pytest.raises(Tampered) as caught:
        played(complete=True, log=[*log[:first], *log[first + 1 :]])

    assert (caught.value.step, caught.value.field) == ("meaning", "policy")


def test_a_part_of_a_log_does_not_add_up_money() -> None:
    log = entries()

    assert played(complete=False, log=log).money.accounts == {}
