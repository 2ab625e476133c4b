"""How deep a command may be nested: what is recorded must fit into an entry and into a proof."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.rules.canonical import DEPTH_MAX
from ledger.rules.commands import COMMAND_DEPTH_MAX, Signer
from ledger.rules.compose import Context, Draft, compose, uuid7
from ledger.rules.errors import Malformed

_AT = 1_700_000_000_000_000
_ENTRY_LEVELS, _PROOF_LEVELS = 1, 3


def nested(levels: int) -> Draft:
    """A command of so many levels of objects."""
    body: dict[str, Any] = {}
    for _ in range(levels - 2):
        body = {"a": body}
    return Draft("deep/1", "anna", [Signer("anna", "party", "0" * 64)], body)


def test_a_command_of_as_many_levels_as_allowed_is_read() -> None:
    identifier = uuid7(_AT, bytes(10))
    command = compose(Context("yinzheng.test/deep", None, _AT), identifier, nested(24))

    assert command.raw.count(b"{") - command.raw.count(b'{"key"') == COMMAND_DEPTH_MAX


def test_a_command_of_one_level_more_is_malformed() -> None:
    with pytest.raises(Malformed, match="nested deeper than 24") as refusal:
        compose(Context("yinzheng.test/deep", None, _AT), uuid7(_AT, bytes(10)), nested(25))

    assert refusal.value.field == "command"


def test_the_deepest_command_fits_into_an_entry_and_that_into_a_proof() -> None:
    assert COMMAND_DEPTH_MAX + _ENTRY_LEVELS + _PROOF_LEVELS <= DEPTH_MAX
