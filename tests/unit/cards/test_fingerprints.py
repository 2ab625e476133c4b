"""Peppers and fingerprints: equal exactly where two keys of a product are one."""

from __future__ import annotations

import hmac
import os
import stat
from pathlib import Path

import pytest

from ledger.cards.fingerprints import Fingerprint, Peppers
from ledger.errors import CardIndexUnavailable
from ledger.keyfiles import KeyFiles
from ledger.rules.errors import Malformed


@pytest.fixture
def files(tmp_path: Path) -> KeyFiles:
    return KeyFiles(tmp_path / "vault", random=os.urandom)


def peppers(files: KeyFiles, count: int = 1) -> Peppers:
    made = Peppers(files)
    assert [made.add() for _ in range(count)] == list(range(1, count + 1))
    return made


def reason_of(error: pytest.ExceptionInfo[CardIndexUnavailable]) -> object:
    return error.value.evidence["reason"]


def test_a_fingerprint_is_hmac_over_product_and_one_spelling(files: KeyFiles) -> None:
    made = peppers(files)
    pepper = (files.folder / "pepper-1").read_bytes()
    message = b'["yinzheng/fingerprint/v1","steam-100","AB12CD34"]'

    assert made.fingerprints("steam-100", "ab12-cd34") == (
        Fingerprint(1, hmac.new(pepper, message, "sha256").digest()),
    )
    assert len(pepper) == 32
    assert stat.S_IMODE((files.folder / "pepper-1").stat().st_mode) == 0o600


def test_a_product_is_a_world_of_its_own(files: KeyFiles) -> None:
    made = peppers(files)

    assert made.fingerprints("steam-100", "AB12") == made.fingerprints("steam-100", "ab-12")
    assert made.fingerprints("steam-100", "AB12") != made.fingerprints("steam-50", "AB12")


def test_a_key_has_a_fingerprint_under_every_pepper(files: KeyFiles) -> None:
    made = peppers(files, 3)
    found = made.fingerprints("steam-100", "AB12")

    assert [each.version for each in found] == [1, 2, 3]
    assert len({each.digest for each in found}) == 3
    assert len(set(made.marks().values())) == 3


def test_a_pepper_that_another_process_adds_is_used_after_a_look(files: KeyFiles) -> None:
    made = peppers(files)
    made.refresh()
    Peppers(files).add()
    assert len(made.fingerprints("steam-100", "AB12")) == 1

    made.refresh()

    assert len(made.fingerprints("steam-100", "AB12")) == 2


def test_without_a_pepper_nobody_can_tell(files: KeyFiles) -> None:
    with pytest.raises(CardIndexUnavailable) as refused:
        Peppers(files).fingerprints("steam-100", "AB12")

    assert reason_of(refused) == "pepper-1 is not there"


def test_a_pepper_that_is_gone_or_damaged_is_said(files: KeyFiles) -> None:
    made = peppers(files, 2)
    made.refresh()
    (files.folder / "pepper-1").rename(files.folder / "elsewhere")
    with pytest.raises(CardIndexUnavailable) as gone:
        made.refresh()
    (files.folder / "pepper-1").write_bytes(b"short")
    with pytest.raises(CardIndexUnavailable) as damaged:
        Peppers(files).refresh()
    (files.folder / "pepper-1").unlink()
    (files.folder / "pepper-1").mkdir()
    with pytest.raises(CardIndexUnavailable) as unreadable:
        Peppers(files).refresh()

    assert reason_of(gone) == "pepper-1 is gone"
    assert reason_of(damaged) == "pepper-1 holds no key"
    assert reason_of(unreadable) == "pepper-1 Is a directory"


def test_what_is_no_key_has_no_fingerprint(files: KeyFiles) -> None:
    with pytest.raises(Malformed):
        peppers(files).fingerprints("steam-100", " - ")


def test_other_files_beside_them_are_no_peppers(files: KeyFiles) -> None:
    made = peppers(files)
    for name in ("pepper-0", "pepper-01", "pepper-x", "pepper-1.abc", "index.sqlite"):
        (files.folder / name).write_bytes(bytes(32))

    assert made.versions() == [1]
