"""How large what follows from a command may be."""

from __future__ import annotations

import pytest

from ledger.rules import derive
from ledger.rules.canonical import encode
from ledger.rules.errors import TooLarge
from ledger.rules.model import Fact

LIMIT = derive.DERIVED_BYTES_MAX


def data_of(fields: int, length: int, character: str = "x") -> dict[str, object]:
    return {f"field_{number}": character * length for number in range(fields)}


@pytest.mark.parametrize(("fields", "length"), [(1, LIMIT), (derive._FEW + 120, derive._SHORT)])
def test_one_fact_that_is_too_large_is_refused_with_its_size(fields: int, length: int) -> None:
    fact = Fact("log", "x/1", data_of(fields, length))

    with pytest.raises(TooLarge) as refused:
        derive._check_size([fact])

    assert refused.value.evidence == {"bytes": len(encode(fact.data)), "most": LIMIT}


def test_facts_of_exactly_the_limit_are_accepted_and_one_byte_more_is_not() -> None:
    names = [Fact("log", "x/1", {"field": "x" * 50}) for _ in range(3)]
    rest = LIMIT - sum(len(encode(fact.data)) for fact in names) - len(encode({"field": ""}))

    derive._check_size([*names, Fact("log", "x/1", {"field": "x" * rest})])
    with pytest.raises(TooLarge) as refused:
        derive._check_size([*names, Fact("log", "x/1", {"field": "x" * (rest + 1)})])

    assert refused.value.evidence == {"bytes": LIMIT + 1, "most": LIMIT}


def test_what_is_not_counted_cannot_reach_the_limit() -> None:
    # A control character takes the most bytes of all.
    largest = data_of(derive._FEW, derive._SHORT, "\x01")

    assert derive._is_small(largest)
    assert len(encode(largest)) < LIMIT
    assert not derive._is_small(data_of(derive._FEW + 1, 1))
    assert not derive._is_small(data_of(1, derive._SHORT + 1))
    assert not derive._is_small({"field": ["x" * LIMIT]})
