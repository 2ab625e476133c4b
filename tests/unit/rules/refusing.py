"""Cases of refusals: what each family of rules adds, and `test_refusals` goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.rules.commands import Command
from ledger.rules.compose import Draft
from ledger.rules.errors import Refused
from tests.unit.rules.small import Small

Found = tuple[Refused, dict[str, Any]]
Case = Callable[[], Found]
CASES: dict[type[Refused], Case] = {}


def refusal(error: type[Refused]) -> Callable[[Case], Case]:
    """Say which refusal a case must raise; the case gives what was raised, and what evidence."""

    def add(case: Case) -> Case:
        CASES[error] = case
        return case

    return add


def expect(small: Small, what: Draft | Command, **evidence: Any) -> Found:
    """Derive what is refused."""
    command = what if isinstance(what, Command) else small.command(what)
    with pytest.raises(Refused) as caught:
        small.derive(command)
    return caught.value, evidence
