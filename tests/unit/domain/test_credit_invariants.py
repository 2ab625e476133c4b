"""The invariants before a write: credit and points, by facts that the rules never derive."""

from __future__ import annotations

import pytest

from ledger.domain.invariants import InvariantBroken, check_before_write
from ledger.rules.model import Fact
from tests.unit.rules.crediting import crediting
from tests.unit.rules.ordering import trading


def moved(stream: str, other: str, unit: str) -> Fact:
    postings = [
        {"account": account, "amount": amount, "currency": unit}
        for account, amount in ((stream, "5"), (other, "-5"))
    ]
    return Fact(stream, "credit-granted/1", {"after": [], "postings": postings})


@pytest.mark.parametrize(
    ("stream", "unit"),
    [("balance/bob", "CREDIT"), ("balance/bob", "POINTS"), ("credit/bob", "CNY")],
)
def test_credit_and_points_are_never_mixed_with_money(stream: str, unit: str) -> None:
    small = trading()
    command = small.command(crediting(small, "grant", 5))

    with pytest.raises(InvariantBroken) as broken:
        check_before_write(command, [moved(stream, "issued", unit)], small)

    assert broken.value.message == "credit or points would be mixed with money"
    assert broken.value.evidence == {"account": stream, "currency": unit}


@pytest.mark.parametrize(
    ("stream", "unit"), [("credit/bob", "CREDIT"), ("credit/bob", "POINTS"), ("balance/bob", "CNY")]
)
def test_each_on_its_own_stream_is_let_through(stream: str, unit: str) -> None:
    small = trading()
    command = small.command(crediting(small, "grant", 5))
    check_before_write(command, [moved(stream, "issued", unit)], small)
