"""The uncorrupted ledger is valid and holds something of everything."""

from __future__ import annotations

import pytest

from ledger.rules.kinds import EVENT_TYPES, KINDS
from tests.tamper.copies import Copy
from tests.tamper.market import SIZE, Market


def test_the_market_holds_every_kind_and_type(the_market: Market) -> None:
    kinds = {entry.command.kind for entry in the_market.entries if entry.command}

    assert {entry.type for entry in the_market.entries} == set(EVENT_TYPES)
    assert kinds == set(KINDS)
    assert len(the_market.entries) == SIZE


@pytest.mark.usefixtures("_afresh")
def test_the_ledger_is_valid_in_every_respect(copy: Copy, the_market: Market) -> None:
    report = copy.audit(since=the_market.outside)

    assert (report.verdict, report.exit_code, report.fault) == ("valid", 0, None)
    assert (report.size, report.replayed) == (SIZE, f"{SIZE}/{SIZE}")
    assert (report.anchored, report.derived, report.keys_complete) == ("yes", "yes", "yes")
    assert (report.unpublished, report.checkpoints) == (0, 4)


def test_several_processes_say_the_same(copy: Copy) -> None:
    assert copy.audit(processes=2).document() == copy.audit().document()
