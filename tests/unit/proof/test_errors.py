"""The error tree: verdicts, exit codes and evidence."""

from __future__ import annotations

import inspect

import pytest

from ledger.proof import errors
from ledger.proof.errors import (
    BadSignature,
    HistoryNotProven,
    Incomplete,
    MalformedEvidence,
    MalformedKey,
    RootMismatch,
    Tampered,
    UnknownKey,
    UnsupportedKey,
    Unverifiable,
    VerificationError,
    reading,
)
from ledger.rules.text import b64decode

VERDICTS = {
    Tampered: ("tampered", 1),
    MalformedEvidence: ("tampered", 1),
    RootMismatch: ("tampered", 1),
    BadSignature: ("tampered", 1),
    Incomplete: ("incomplete", 3),
    Unverifiable: ("unverifiable", 4),
    MalformedKey: ("unverifiable", 4),
    UnknownKey: ("unverifiable", 4),
    UnsupportedKey: ("unverifiable", 4),
    HistoryNotProven: ("unverifiable", 4),
}


def test_every_error_has_the_verdict_and_exit_code_of_the_protocol() -> None:
    tree = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, VerificationError) and kind is not VerificationError
    }

    assert {kind: (kind.verdict, kind.exit_code) for kind in tree} == VERDICTS


def test_the_tree_is_drawn_in_the_module_docstring() -> None:
    for kind in VERDICTS:
        assert kind.__name__ in str(errors.__doc__)


def test_an_error_says_step_and_message() -> None:
    error = Tampered("link", "the chain is broken")

    assert str(error) == "link: the chain is broken"
    assert (error.step, error.message) == ("link", "the chain is broken")


def test_without_evidence_the_fault_holds_the_step_alone() -> None:
    assert Incomplete("size", "too few").fault() == {
        "index": None,
        "stream": None,
        "step": "size",
        "field": None,
        "expected": None,
        "found": None,
    }


def test_evidence_goes_into_the_fault_with_bytes_as_hex() -> None:
    error = Tampered(
        "link", "broken", index=7, stream="item/a/b", field="prev", expected=b"\xab", found=12
    )

    assert error.fault() == {
        "index": 7,
        "stream": "item/a/b",
        "step": "link",
        "field": "prev",
        "expected": "ab",
        "found": 12,
    }
    assert (error.expected, error.found) == (b"\xab", 12)


def test_text_evidence_stays_text() -> None:
    fault = Tampered("link", "broken", expected="a", found="b").fault()

    assert (fault["expected"], fault["found"]) == ("a", "b")


def test_a_root_mismatch_carries_both_roots() -> None:
    error = RootMismatch("inclusion", expected=b"\x01" * 32, computed=b"\x02" * 32)

    assert str(error) == f"inclusion: computed {'02' * 32}, expected {'01' * 32}"
    assert (error.expected, error.computed) == (b"\x01" * 32, b"\x02" * 32)
    assert error.fault() == {
        "index": None,
        "stream": None,
        "step": "inclusion",
        "field": "root",
        "expected": "01" * 32,
        "found": "02" * 32,
    }


def test_a_strict_readers_refusal_becomes_malformed_evidence() -> None:
    with pytest.raises(MalformedEvidence) as refused, reading("note"):
        b64decode("!", field="signature")

    assert str(refused.value) == "note: signature is not base64"
    assert (refused.value.step, refused.value.field) == ("note", "signature")
    assert refused.value.__suppress_context__


def test_other_errors_pass_through_a_reading_block() -> None:
    with pytest.raises(KeyError), reading("note"):
        raise KeyError("kept")
