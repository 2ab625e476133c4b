"""The invariants before a write: escrow and sold items, by facts that the rules never derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.domain.invariants import InvariantBroken, check_before_write
from ledger.rules.compose import uuid7
from ledger.rules.model import Fact
from tests.unit.rules.escrowing import (
    CLAIMS,
    accepting,
    closing,
    delivered,
    delivering,
    escrow,
    lines_of,
    paid,
    posting,
    refunding,
)
from tests.unit.rules.escrowing import claimed as opened
from tests.unit.rules.ordering import ITEMS, ORDER, PRICE, STREAM, SWORDS, placed
from tests.unit.rules.small import Small
from tests.unit.rules.test_escrow import CLAIM, claimed
from tests.unit.rules.test_orders import item

SECOND = uuid7(1, bytes(10))


def released(account: str, amount: int) -> Fact:
    moved = [posting("balance/shop", amount), posting(account, -amount)]
    return Fact(STREAM, "escrow-released/1", {"lines": [1], "postings": moved})


def sold(name: str = ITEMS[0], *, owner: str = "shop", to: str = "bob", order: str = ORDER) -> Fact:
    return Fact(f"item/{name}", "item-sold/1", {"from": owner, "order": order, "to": to})


def frozen() -> Small:
    small = paid()
    small.grant("ann", "freezer")
    small.act("freeze-item/1", ("ann", "freezer"), item=ITEMS[0], ground="in-dispute")
    return small


def settled(claim: int, account: str, amount: int) -> Fact:
    moved = [posting("balance/bob", amount), posting(account, -amount)]
    return Fact(f"claim/{CLAIMS[claim]}", "claim-closed/1", {"postings": moved})


def withdrawn() -> Small:
    small = opened(1)
    small.do(closing(small, "none", by=("bob", "buyer")))
    return small


OTHER = f"escrow/{SECOND}/1"
BROKEN: dict[str, tuple[Callable[[], Small], str, Fact, str, dict[str, Any]]] = {
    "another order's escrow": (
        *(delivered, "bob", released(OTHER, 5), "another order's escrow would move"),
        {"order": ORDER, "account": OTHER},
    ),
    "frozen escrow": (
        *(lambda: claimed(delivered(), 1), "bob", released(escrow(1), 5)),
        *("frozen money would leave", {"account": escrow(1), "claim": CLAIM}),
    ),
    "escrow that another claim freezes": (
        *(lambda: opened(1, 1), "rex", settled(0, escrow(1), 5)),
        *("frozen money would leave", {"account": escrow(1), "claim": CLAIMS[1]}),
    ),
    "another order's escrow by a claim": (
        *(lambda: opened(1), "rex", settled(0, OTHER, 5), "another order's escrow would move"),
        {"order": ORDER, "account": OTHER},
    ),
    "escrow by a claim that is closed": (
        *(withdrawn, "rex", settled(0, escrow(1), 5), "another order's escrow would move"),
        {"order": "", "account": escrow(1)},
    ),
    "escrow by a claim that was never opened": (
        *(lambda: opened(1), "rex", settled(1, escrow(1), 5)),
        *("another order's escrow would move", {"order": "", "account": escrow(1)}),
    ),
    "more than is held": (
        *(delivered, "bob", released(escrow(1), PRICE + 1)),
        *("more would leave than is held", {"account": escrow(1), "held": PRICE}),
    ),
    "what was never paid": (
        *(placed, "bob", released(escrow(1), 1)),
        *("more would leave than is held", {"account": escrow(1), "held": 0}),
    ),
    "an item of no order": (
        *(paid, "system", sold(ITEMS[2]), "an item would be sold that no order is made for"),
        {"from": "shop", "order": ORDER, "to": "bob"},
    ),
    "an item of another order": (
        *(paid, "system", sold(order=SECOND), "an item would be sold that no order is made for"),
        {"from": "shop", "order": SECOND, "to": "bob"},
    ),
    "an item that was sold": (
        *(
            delivered,
            "system",
            sold(owner="bob"),
            "an item would be sold that no order is made for",
        ),
        {"from": "bob", "order": ORDER, "to": "bob"},
    ),
    "an item that does not exist": (
        *(paid, "system", sold("cards/9"), "an item would be sold that no order is made for"),
        {"from": "shop", "order": ORDER, "to": "bob"},
    ),
    "a frozen item": (*(frozen, "system", sold(), "a frozen item would move", {"owner": "shop"}),),
    "an item by a stranger": (
        *(paid, "ann", sold(), "an item would move without its owner", {"owner": "shop"}),
    ),
    "an item to a stranger": (
        *(paid, "system", sold(to="eve"), "an item would be sold to another"),
        {"buyer": "bob", "from": "shop", "order": ORDER, "to": "eve"},
    ),
    "an item from another hand": (
        *(paid, "system", sold(owner="eve"), "an item would be sold to another"),
        {"buyer": "bob", "from": "eve", "order": ORDER, "to": "bob"},
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_must_never_happen_to_a_line_is_stopped_before_the_write(name: str) -> None:
    prepare, signer, fact, message, evidence = BROKEN[name]
    small = prepare()
    command = small.command(small.draft("end-listing/1", (signer, "merchant"), listing="a/b"))

    with pytest.raises(InvariantBroken) as broken:
        check_before_write(command, [fact], small)

    assert (broken.value.message, broken.value.evidence) == (message, evidence)


def test_escrow_of_an_order_that_is_not_there_does_not_move() -> None:
    small = paid()
    del small.streams[STREAM]
    command = small.command(accepting(small))

    with pytest.raises(InvariantBroken) as broken:
        check_before_write(command, [released(escrow(1), 5)], small)
    assert (broken.value.message, broken.value.evidence) == ("no such order", {"order": ORDER})


def test_what_the_rules_derive_of_lines_always_passes() -> None:
    small = paid()
    for draft in (delivering(small, 2), delivering(small, 1, by="shop", role="merchant")):
        command = small.command(draft)
        check_before_write(command, small.derive(command), small)
    frozen_small = opened(1)
    for draft in (closing(frozen_small, "refund"), closing(frozen_small, "split", to_buyer=5)):
        command = frozen_small.command(draft)
        check_before_write(command, frozen_small.derive(command), frozen_small)
    small.do(delivering(small, 2))
    accepted = small.command(accepting(small, 2))
    check_before_write(accepted, small.derive(accepted), small)
    due = lines_of(small)[0].deliver_by
    assert due is not None
    small.at = due
    refunded = refunding(small, due)
    check_before_write(refunded, small.derive(refunded), small)
    assert item(small, SWORDS[0]).owner == "bob"
