"""A party that adds and revokes keys without end does not make every verifier pay the square."""

from __future__ import annotations

import pytest

from ledger.rules import errors
from ledger.rules.parties import KEYS_EVER_MAX
from ledger.rules.state import Party
from tests.unit.rules.small import Small, key_id
from tests.unit.rules.test_derive import add_key, recovery


def test_a_party_adds_keys_until_it_had_a_thousand() -> None:
    small = Small().market().officers()
    for number in range(2, KEYS_EVER_MAX + 1):
        name = f"bob-{number}"
        add_key(small, "bob", name)
        small.act("revoke-key/1", ("bob", "party", name), key=key_id(name), party="bob")

    with pytest.raises(errors.TooLarge) as refusal:
        add_key(small, "bob", "one too many")

    assert refusal.value.evidence == {"keys": 1_000, "most": 1_000}
    # Its way out of a stolen key stays open.
    change = small.do(recovery(small))
    state = small.state("party/bob")
    assert isinstance(state, Party)
    assert state.change is not None
    assert state.change.digest == change.digest
