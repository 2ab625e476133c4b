"""Checkpoints: one spelling, the log's own signature, the right origin."""

from __future__ import annotations

import pytest

from ledger.proof.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.proof.errors import (
    BadSignature,
    MalformedEvidence,
    RootMismatch,
    Tampered,
    UnknownKey,
)
from ledger.proof.hashing import EMPTY_ROOT
from ledger.proof.note import sign_note
from ledger.proof.vkey import VerifierKey
from tests.unit.proof.oracle import ROOTS
from tests.unit.proof.shared import shared
from tests.unit.proof.signing import (
    LOG,
    LOG_KEY,
    LOG_PUBLIC,
    WITNESS,
    WITNESS_KEY,
    cosignature_line,
    line,
    log_line,
)

CHECKPOINT = Checkpoint("ledger.example/log", 7, ROOTS[7])
TEXT = "ledger.example/log\n7\nmMl/C6MXXNCLAx3QhLncTmSbZNGijm6mlGRlAxc6tYc=\n"


def signed(text: str) -> bytes:
    return sign_note(text, name=LOG.name, public=LOG_PUBLIC, sign=LOG_KEY.sign)


def malformed(text: str, *, extensions_allowed: bool = False) -> MalformedEvidence:
    with pytest.raises(MalformedEvidence) as refused:
        parse_checkpoint(text, extensions_allowed=extensions_allowed)
    assert refused.value.step == "checkpoint"
    return refused.value


def test_a_checkpoint_is_three_lines() -> None:
    assert CHECKPOINT.text == TEXT
    assert parse_checkpoint(TEXT) == CHECKPOINT
    assert CHECKPOINT.extensions == ()


def test_the_empty_tree_has_a_checkpoint() -> None:
    text = "log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"

    assert parse_checkpoint(text) == Checkpoint("log", 0, EMPTY_ROOT)


def test_size_0_has_no_other_root() -> None:
    with pytest.raises(RootMismatch) as refused:
        parse_checkpoint(Checkpoint("log", 0, ROOTS[1]).text)

    assert (refused.value.expected, refused.value.computed) == (EMPTY_ROOT, ROOTS[1])
    assert refused.value.step == "checkpoint"


def test_the_largest_size_has_63_bits() -> None:
    largest = Checkpoint("log", 2**63 - 1, ROOTS[1])

    assert parse_checkpoint(largest.text) == largest


def test_extension_lines_are_refused_unless_allowed() -> None:
    extended = Checkpoint("log", 7, ROOTS[7], ("one", "two three"))

    refused = malformed(extended.text)

    assert str(refused) == "checkpoint: there are extension lines"
    assert (refused.field, refused.expected, refused.found) == ("text", 3, 5)
    with pytest.raises(MalformedEvidence, match="there are extension lines"):
        parse_checkpoint(extended.text)
    assert parse_checkpoint(extended.text, extensions_allowed=True) == extended
    assert extended.text == f"log\n7\n{TEXT.splitlines()[2]}\none\ntwo three\n"


@pytest.mark.parametrize("text", ["", TEXT[:-1], "log"])
def test_a_checkpoint_ends_in_a_newline(text: str) -> None:
    refused = malformed(text)

    assert str(refused) == "checkpoint: the text does not end in a newline"
    assert refused.field == "text"


@pytest.mark.parametrize(("text", "found"), [("\n", 1), ("log\n", 1), ("log\n7\n", 2)])
def test_a_checkpoint_has_no_line_less(text: str, found: int) -> None:
    refused = malformed(text)

    assert str(refused) == "checkpoint: lines are missing"
    assert (refused.field, refused.expected, refused.found) == ("text", 3, found)


@pytest.mark.parametrize(
    "text", ["\n7\nx\n", "log\n\nx\n", "log\n7\n\n", TEXT + "\n", TEXT + "x\n\n"]
)
def test_no_line_of_a_checkpoint_is_empty(text: str) -> None:
    refused = malformed(text, extensions_allowed=True)

    assert str(refused) == "checkpoint: a line is empty"
    assert refused.field == "text"


@pytest.mark.parametrize(
    ("size", "reason"),
    [
        ("07", "has more than one spelling"),
        ("+7", "is not a short run of ASCII digits"),
        ("-7", "is not a short run of ASCII digits"),
        ("7 ", "is not a short run of ASCII digits"),
        ("\u0667", "is not a short run of ASCII digits"),
        ("9" * 5000, "is not a short run of ASCII digits"),
        (str(2**63), "does not fit in 63 bits"),
    ],
)
def test_a_size_has_one_spelling(size: str, reason: str) -> None:
    refused = malformed(TEXT.replace("\n7\n", f"\n{size}\n"))

    assert str(refused) == f"checkpoint: size {reason}"
    assert refused.field == "size"


@pytest.mark.parametrize(
    ("root", "reason"),
    [
        ("AAAA", "holds 3 bytes, expected 32"),
        ("A" * 44, "holds 33 bytes, expected 32"),
        ("!" * 44, "is not base64"),
        ("A" * 42 + "B=", "is base64 with a second spelling"),
    ],
)
def test_a_root_is_32_bytes_in_strict_base64(root: str, reason: str) -> None:
    refused = malformed(f"log\n7\n{root}\n")

    assert refused.field == "root"
    assert str(refused) == f"checkpoint: root {reason}"


def test_a_signed_checkpoint_opens() -> None:
    checkpoint, note = open_checkpoint(signed(TEXT), log=LOG)

    assert checkpoint == CHECKPOINT
    assert note.text == TEXT
    assert [s.name for s in note.verified] == [LOG.name]


def test_a_witnesses_cosignature_is_verified_beside_the_logs() -> None:
    data = signed(TEXT) + cosignature_line(TEXT, time=5).encode()

    checkpoint, note = open_checkpoint(data, log=LOG, others=[WITNESS])

    assert checkpoint == CHECKPOINT
    assert [(s.name, s.time) for s in note.verified] == [(LOG.name, None), (WITNESS.name, 5)]


def test_a_witnesses_cosignature_does_not_replace_the_logs() -> None:
    data = f"{TEXT}\n{cosignature_line(TEXT, time=5)}".encode()

    with pytest.raises(UnknownKey) as refused:
        open_checkpoint(data, log=LOG, others=[WITNESS])

    assert str(refused.value) == "checkpoint: the log's own signature is missing"
    assert (refused.value.step, refused.value.field) == ("checkpoint", "signature")


def test_another_key_of_the_logs_name_does_not_replace_it() -> None:
    twin = VerifierKey.create(LOG.name, kind=WITNESS.kind, public=WITNESS.public)
    payload = (5).to_bytes(8, "big") + WITNESS_KEY.sign(f"cosignature/v1\ntime 5\n{TEXT}".encode())
    data = f"{TEXT}\n{line(twin, payload)}".encode()

    with pytest.raises(UnknownKey, match="the log's own signature is missing"):
        open_checkpoint(data, log=LOG, others=[twin])


def test_a_witnesses_bad_cosignature_spoils_the_checkpoint() -> None:
    data = signed(TEXT) + line(WITNESS, bytes(72)).encode()

    with pytest.raises(BadSignature):
        open_checkpoint(data, log=LOG, others=[WITNESS])
    open_checkpoint(data, log=LOG)


def test_a_checkpoint_of_another_origin_is_tampered() -> None:
    text = TEXT.replace("ledger.example/log", "ledger.example/other")

    with pytest.raises(Tampered) as refused:
        open_checkpoint(signed(text), log=LOG)

    assert type(refused.value) is Tampered
    assert str(refused.value) == "checkpoint: the checkpoint is of another log"
    assert (refused.value.step, refused.value.field) == ("checkpoint", "origin")
    assert (refused.value.expected, refused.value.found) == (
        "ledger.example/log",
        "ledger.example/other",
    )


def test_an_origin_may_differ_from_the_keys_name_when_the_caller_says_so() -> None:
    text = TEXT.replace("ledger.example/log", "ledger.example/other")

    checkpoint, _ = open_checkpoint(signed(text), log=LOG, origin="ledger.example/other")

    assert checkpoint.origin == "ledger.example/other"
    with pytest.raises(Tampered, match="of another log"):
        open_checkpoint(signed(TEXT), log=LOG, origin="ledger.example/other")


def test_a_signed_text_that_is_no_checkpoint_is_malformed() -> None:
    with pytest.raises(MalformedEvidence, match="lines are missing"):
        open_checkpoint(signed("hello\n"), log=LOG)


def test_extension_lines_of_a_signed_checkpoint_need_leave() -> None:
    text = f"{TEXT}more\n"
    data = f"{text}\n{log_line(text)}".encode()

    with pytest.raises(MalformedEvidence, match="there are extension lines"):
        open_checkpoint(data, log=LOG)
    checkpoint, _ = open_checkpoint(data, log=LOG, extensions_allowed=True)
    assert checkpoint.extensions == ("more",)


@pytest.mark.shared_data
def test_a_published_checkpoint_whose_origin_is_not_the_keys_name() -> None:
    notes = {v["name"]: v for v in shared("signed-note/notes.json")["notes"]}
    vector = notes["sumdb checkpoint"]
    key = VerifierKey.parse(vector["vkeys"][0])

    checkpoint, note = open_checkpoint(
        vector["note"].encode(), log=key, origin="go.sum database tree"
    )

    assert checkpoint.size == 35225469
    assert checkpoint.text == note.text
