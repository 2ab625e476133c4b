"""The verdict and its figures, as one JSON object."""

from __future__ import annotations

import pytest

from ledger.proof.errors import Incomplete, RootMismatch, Tampered, Unverifiable, VerificationError
from ledger.proof.report import EXIT_OF, Report

EMPTY = {
    "schema": 1,
    "verdict": "valid",
    "size": 0,
    "root": None,
    "anchored": "no",
    "witnessed": "0/0",
    "map_audited": "no",
    "time_bounded": "no",
    "late": "not-checked",
    "checkpoints": 0,
    "unpublished": 0,
    "attested": 0,
    "gaps": 0,
    "erased": 0,
    "keys_complete": "no",
    "replayed": "0/0",
    "single_handed": "no",
    "derived": "not-checked",
    "entries": {"signed": 0, "attested": 0, "system": 0},
    "fault": None,
}


def test_a_fresh_report_is_valid_and_shows_nothing() -> None:
    assert Report().document() == EMPTY
    assert Report().exit_code == 0


def test_every_figure_stands_in_the_document() -> None:
    report = Report(
        size=7,
        root="ab",
        anchored="yes",
        checkpoints=2,
        unpublished=3,
        attested=4,
        signed=5,
        system=6,
        gaps=1,
        keys_complete="yes",
        replayed="6/7",
        single_handed="yes",
        derived="yes",
        more={"item": "a/b"},
    )
    assert report.document() == EMPTY | {
        "size": 7,
        "root": "ab",
        "anchored": "yes",
        "checkpoints": 2,
        "unpublished": 3,
        "attested": 4,
        "gaps": 1,
        "keys_complete": "yes",
        "replayed": "6/7",
        "single_handed": "yes",
        "derived": "yes",
        "entries": {"signed": 5, "attested": 4, "system": 6},
        "item": "a/b",
    }


@pytest.mark.parametrize(
    ("error", "verdict", "code"),
    [
        (Tampered("leaf", "wrong", index=3, stream="s", field="f"), "tampered", 1),
        (RootMismatch("root", expected=b"\x01", computed=b"\x02"), "tampered", 1),
        (Incomplete("size", "lacks", expected=2, found=1), "incomplete", 3),
        (Unverifiable("type", "unknown"), "unverifiable", 4),
    ],
)
@pytest.mark.parametrize(("derived", "shown"), [(False, "not-checked"), (True, "no")])
def test_an_error_becomes_verdict_and_fault(
    error: VerificationError, verdict: str, code: int, *, derived: bool, shown: str
) -> None:
    report = Report()
    report.fail(error, derived=derived)

    assert (report.verdict, report.exit_code) == (verdict, code)
    assert report.fault == {**error.fault(), "message": error.message, "derived": derived}
    assert report.document()["fault"] == report.fault
    assert report.derived == shown


def test_a_fault_is_not_derived_unless_it_is_said() -> None:
    report = Report()
    report.fail(Tampered("leaf", "wrong"))

    assert report.fault is not None
    assert report.fault["derived"] is False


def test_every_verdict_has_its_exit_code() -> None:
    assert EXIT_OF == {
        "valid": 0,
        "tampered": 1,
        "incomplete": 3,
        "unverifiable": 4,
        "valid-erased": 5,
    }
    assert [Report(verdict=verdict).exit_code for verdict in EXIT_OF] == [0, 1, 3, 4, 5]
