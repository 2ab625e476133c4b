"""The simulated recorder answers for every verb of the real one."""

from __future__ import annotations

import inspect

import pytest

from ledger.record.published import PublishedStore
from ledger.record.reader import LedgerReader
from ledger.record.recorder import LedgerRecorder
from tests.determinism.simrecorder import SimRecorder

# These ask the others, or give the database away.
INHERITED = {"engine", "insert_events", "max_notification_id", "subscribe"}


def verbs(*classes: type) -> set[str]:
    return {name for each in classes for name in vars(each) if not name.startswith("_")}


def test_no_verb_of_the_recorder_reaches_for_a_real_database() -> None:
    real = verbs(LedgerReader, PublishedStore, LedgerRecorder)

    assert real - verbs(SimRecorder) == INHERITED


@pytest.mark.parametrize("name", sorted(verbs(SimRecorder) - INHERITED))
def test_each_verb_is_asked_in_the_same_way(name: str) -> None:
    simulated, real = (
        inspect.signature(getattr(each, name)) for each in (SimRecorder, LedgerRecorder)
    )

    assert simulated == real
