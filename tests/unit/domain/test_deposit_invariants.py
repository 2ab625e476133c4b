"""The invariants before a write: deposits, by facts that the rules never derive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.domain.invariants import InvariantBroken, check_before_write
from ledger.rules.model import Fact
from tests.unit.rules.depositing import asked, depositing, funded, topped_up
from tests.unit.rules.escrowing import claimed
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


BROKEN: dict[str, tuple[Callable[[], Small], Fact, str, dict[str, Any]]] = {
    "another's deposit": (
        *(asked, moved(-500, stream="deposit/eve")),
        *("another's deposit would move", {"account": "deposit/shop"}),
    ),
    "a deposit that is claimed": (
        *(claimed_and_asked, moved(-500, left=1_500)),
        *("a claimed deposit would leave", {"claims": 1}),
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


def test_a_deposit_that_comes_and_goes_as_it_should_is_let_through() -> None:
    command = asked().command(depositing(asked(), "withdraw"))
    check_before_write(command, [moved(-500, left=1_500)], asked())
    check_before_write(command, [moved(5, left=1_505, kept=500)], asked())
