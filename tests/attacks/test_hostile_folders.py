"""A published folder from somebody else: nothing in it makes a verifier wait, or work for ever."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ledger.proof.audit import audit
from ledger.proof.report import Report
from ledger.proof.sources import folder_source
from ledger.rules.text import b64encode
from tests.js.test_js_verifier import GOLDEN, NODE, VKEY, theirs

SIZES = "checkpoints/sizes"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A copy of the golden log."""
    return shutil.copytree(GOLDEN, tmp_path / "log")


def ours(folder: Path) -> Report:
    return audit(folder_source(folder), VKEY)


def assert_second_verifier_says(folder: Path, verdict: str) -> None:
    if NODE is not None:
        assert theirs([folder])[0]["verdict"] == verdict


@pytest.mark.parametrize("listed", ["31\n57\n", "31\n", ""])
def test_any_of_the_checkpoints_may_be_listed(log: Path, listed: str) -> None:
    (log / SIZES).write_text(listed, encoding="ascii")

    assert ours(log).verdict == "valid"
    assert_second_verifier_says(log, "valid")


@pytest.mark.parametrize(
    "listed",
    [
        b"31\n31\n57\n",  # a few bytes each, and a signature to check for every one
        b"57\n31\n",
        b"31\n57",
        b"31\r\n57\r\n",
        b"31\n\n57\n",
        b"31\x0b57\n",
        b"\xff\n",
    ],
)
def test_the_list_of_checkpoints_has_one_spelling(log: Path, listed: bytes) -> None:
    (log / SIZES).write_bytes(listed)

    report = ours(log)

    assert report.verdict == "tampered"
    assert report.fault is not None
    assert (report.fault["step"], report.fault["field"]) == ("fetch", SIZES)
    assert_second_verifier_says(log, "tampered")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("name", ["checkpoint", "tile/0/000.p/57", "tile/entries/000.p/57"])
def test_a_named_pipe_is_no_file_and_is_not_waited_for(log: Path, name: str) -> None:
    (log / name).unlink()
    os.mkfifo(log / name)

    report = ours(log)

    assert report.verdict == "unverifiable"
    assert report.fault is not None
    assert (report.fault["step"], report.fault["field"]) == ("fetch", name)


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        ("witness\ufeff", "valid"),  # no White_Space, though some languages think so
        ("witness\u200b", "valid"),
        ("wit\u0085ness", "tampered"),
        ("wit\u00a0ness", "tampered"),
        ("wit\u2028ness", "tampered"),
        ("wit+ness", "tampered"),
    ],
)
def test_both_verifiers_read_the_same_names_under_a_checkpoint(
    log: Path, name: str, verdict: str
) -> None:
    with (log / "checkpoint").open("ab") as file:
        file.write(f"\u2014 {name} {b64encode(bytes(68))}\n".encode())

    assert ours(log).verdict == verdict
    assert_second_verifier_says(log, verdict)
