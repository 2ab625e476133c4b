"""The invariants before a write: deposits, by facts that the rules never derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.domain.invariants import InvariantBroken, check_before_write
from ledger.rules.model import Fact
from tests.unit.rules.depositing import asked, deposit, depositing, funded, topped_up
from tests.unit.rules.escrowing import claimed
from tests.unit.rules.recovering import owing
from tests.unit.rules.small import Small


def money(amount: int) -> list[dict[str, str]]:
    return [{"amount": str(amount), "currency": "CNY"}] if amount else []


def moved(amount: int, *, stream: str = "deposit/shop", left: int = 0, kept: int = 0) -> Fact:
    """Let so much come to the shop's deposit; `left` is available afterwards, `kept` reserved."""
    sides = (("balance/shop", -amount), ("deposit/shop", amount))
    postings = [{"account": name, "amount": str(sum_), "currency": "CNY"} for name, sum_ in sides]
    after = {"available": money(left), "reserved": money(kept)}
    return Fact(stream, "deposit-changed/1", {"after": after, "postings": postings})


def claimed_and_asked() -> Small:
    small = claimed()
    topped_up(small, "shop", 3_000)
    funded(2_000, small)
    small.do(depositing(small, "request", amount=500))
    return small


def owing_and_asked() -> Small:
    """The shop owes what is `OWED`, and asked for a part of its deposit."""
    small = owing((1, 5_000))
    funded(2_000, small)
    small.do(depositing(small, "request", amount=500))
    return small


OWED = 4_875


def taken(*sides: tuple[str, int], left: int = 2_000, owes: int = 0, currency: str = "CNY") -> Fact:
    """Let recourse move these amounts, and say of the deposit what is left, and still owed."""
    postings = [{"account": a, "amount": str(sum_), "currency": currency} for a, sum_ in sides]
    owed = [{**each, "due": "2026-12-01T12:00:00.000000Z"} for each in money(owes)]
    after = {"available": money(left), "owed": owed, "reserved": []}
    return Fact("deposit/shop", "recourse-taken/1", {"after": after, "postings": postings})


OUT, IN = ("balance/shop", -OWED), ("receivable/shop", OWED)
BROKEN: dict[str, tuple[Callable[[], Small], Fact, str, dict[str, Any]]] = {
    "another's deposit": (
        *(asked, moved(-500, stream="deposit/eve")),
        *("another's deposit would move", {"account": "deposit/shop"}),
    ),
    "a deposit that is claimed": (
        *(claimed_and_asked, moved(-500, left=1_500)),
        *("a claimed deposit would leave", {"claims": 1}),
    ),
    "a deposit of who owes": (
        *(owing_and_asked, moved(-500, left=1_500)),
        *("a deposit would leave that is owed", {"owed": OWED}),
    ),
    "a debt that another pays": (
        *(owing_and_asked, taken(("balance/eve", -OWED), IN)),
        *("another would pay what is owed", {"account": "balance/eve"}),
    ),
    "recourse that pays the merchant": (
        *(owing_and_asked, taken(("balance/shop", OWED), ("receivable/shop", -OWED))),
        *("recourse would pay out", {"account": "balance/shop", "amount": OWED}),
    ),
    "recourse that pays the merchant's deposit": (
        *(owing_and_asked, taken(OUT, ("deposit/shop", 5), ("receivable/shop", OWED - 5), left=5)),
        *("a deposit would hold another amount", {"held": 2_000, "says": 5}),
    ),
    "a debt that is forgotten": (
        *(owing_and_asked, taken(("balance/shop", -5), ("receivable/shop", 5))),
        *(
            "a merchant would owe another amount",
            {"currency": "CNY", "left": OWED - 5, "says": 0},
        ),
    ),
    "more than is owed": (
        *(owing_and_asked, taken(("balance/shop", -OWED - 1), ("receivable/shop", OWED + 1))),
        *("a merchant would owe another amount", {"currency": "CNY", "left": -1, "says": 0}),
    ),
    "what nobody asked for": (
        *(funded, moved(-500, left=1_500)),
        *("more of a deposit would leave than was asked for", {"asked": 0}),
    ),
    "more than was asked for": (
        *(asked, moved(-501, left=1_499)),
        *("more of a deposit would leave than was asked for", {"asked": 500}),
    ),
    "a deposit that keeps what leaves": (
        *(asked, moved(-500, left=1_500, kept=500)),
        *("a deposit would hold another amount", {"held": 2_000, "says": 2_000}),
    ),
    "a deposit that says more than comes": (
        *(funded, moved(5, left=2_006)),
        *("a deposit would hold another amount", {"held": 2_000, "says": 2_006}),
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_must_never_happen_to_a_deposit_is_stopped_before_the_write(name: str) -> None:
    prepare, fact, message, evidence = BROKEN[name]
    small = prepare()
    command = small.command(small.draft("end-listing/1", ("shop", "merchant"), listing="a/b"))

    with pytest.raises(InvariantBroken) as broken:
        check_before_write(command, [fact], small)

    assert (broken.value.message, broken.value.evidence) == (message, evidence)


def test_recourse_as_it_should_be_is_let_through() -> None:
    small = owing_and_asked()
    assert deposit(small).owed[0].amount == OWED
    command = small.command(depositing(small, "withdraw"))
    check_before_write(command, [taken(OUT, IN)], small)
    parts = (("balance/shop", -9), ("deposit/shop", 9 - OWED), IN)
    small = owing_and_asked()
    topped_up(small, "shop", OWED)
    small.do(depositing(small, "fund", amount=OWED))
    check_before_write(command, [taken(*parts, left=2_009)], small)


def test_a_deposit_that_comes_and_goes_as_it_should_is_let_through() -> None:
    command = asked().command(depositing(asked(), "withdraw"))
    check_before_write(command, [moved(-500, left=1_500)], asked())
    check_before_write(command, [moved(5, left=1_505, kept=500)], asked())
