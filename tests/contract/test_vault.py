"""The vault keeps secrets secret, bound to their row, and forgets them for good."""

from __future__ import annotations

import os
import stat
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.record.errors import BoxRefused, KeyDamaged, KeyMissing
from ledger.record.vault import Vault

ORIGIN, ANN, BOB = "yinzheng.local/test", "party/ann", "party/bob"
ROW = {"index": 7, "name": "buyer"}


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys", origin=ORIGIN, random=os.urandom)


def key_file(tmp_path: Path, subject: str) -> Path:
    return tmp_path / "keys" / sha256(subject.encode()).hexdigest()


def test_what_is_sealed_opens_again(vault: Vault) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")

    assert vault.open(ANN, **ROW, box=box) == b"secret"
    assert b"secret" not in box
    assert len(box) == 12 + len(b"secret") + 16


def test_the_box_is_aes_256_gcm_over_the_lengths_and_words_of_its_row(
    vault: Vault, tmp_path: Path
) -> None:
    """Written apart from the vault, byte by byte."""
    box = vault.seal(ANN, **ROW, value=b"secret")
    bound = (
        b"yinzheng/vault/v1\n"
        b"\0\0\0\0\0\0\0\x13yinzheng.local/test"
        b"\0\0\0\0\0\0\0\x017"
        b"\0\0\0\0\0\0\0\x05buyer"
        b"\0\0\0\0\0\0\0\x09party/ann"
    )

    key = key_file(tmp_path, ANN).read_bytes()

    assert AESGCM(key).decrypt(box[:12], box[12:], bound) == b"secret"


def test_keys_are_for_their_owner_only(vault: Vault, tmp_path: Path) -> None:
    vault.seal(ANN, **ROW, value=b"")

    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE(key_file(tmp_path, ANN).stat().st_mode) == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == [key_file(tmp_path, ANN).name]


def test_a_folder_that_others_can_read_is_closed(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir(mode=0o755)

    Vault(tmp_path / "keys", origin=ORIGIN, random=os.urandom)

    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


def test_a_subject_has_one_key_and_every_box_its_own_nonce(vault: Vault, tmp_path: Path) -> None:
    first = vault.seal(ANN, **ROW, value=b"secret")
    key = key_file(tmp_path, ANN).read_bytes()
    second = vault.seal(ANN, **ROW, value=b"secret")
    vault.seal(BOB, **ROW, value=b"secret")

    assert first != second
    assert key_file(tmp_path, ANN).read_bytes() == key != key_file(tmp_path, BOB).read_bytes()
    assert len(key) == 32


def test_randomness_comes_from_outside(tmp_path: Path) -> None:
    given = iter(range(9))
    vault = Vault(tmp_path / "keys", origin=ORIGIN, random=lambda size: bytes([next(given)]) * size)

    box = vault.seal(ANN, **ROW, value=b"secret")

    assert key_file(tmp_path, ANN).read_bytes() == b"\x01" * 32
    assert box[:12] == b"\x02" * 12


def test_every_flipped_bit_of_a_box_is_refused(vault: Vault) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")

    for position in range(len(box) * 8):
        broken = bytearray(box)
        broken[position // 8] ^= 1 << position % 8
        with pytest.raises(BoxRefused) as refused:
            vault.open(ANN, **ROW, box=bytes(broken))
        assert (refused.value.index, refused.value.name) == (7, "buyer")


@pytest.mark.parametrize("size", [0, 1, 11, 12, 27, 33])
def test_a_box_that_was_cut_is_refused(vault: Vault, size: int) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")

    with pytest.raises(BoxRefused):
        vault.open(ANN, **ROW, box=box[:size])


@pytest.mark.parametrize("row", [{"index": 8, "name": "buyer"}, {"index": 7, "name": "seller"}])
def test_a_box_of_another_row_is_refused(vault: Vault, row: dict[str, object]) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")

    with pytest.raises(BoxRefused):
        vault.open(ANN, **row, box=box)


def test_a_box_of_another_subject_or_log_is_refused(vault: Vault, tmp_path: Path) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")
    vault.seal(BOB, **ROW, value=b"other")
    # Even when the keys were the same, subject and log are bound.
    key_file(tmp_path, BOB).write_bytes(key_file(tmp_path, ANN).read_bytes())
    elsewhere = Vault(tmp_path / "keys", origin="yinzheng.local/other", random=os.urandom)

    with pytest.raises(BoxRefused):
        vault.open(BOB, **ROW, box=box)
    with pytest.raises(BoxRefused):
        elsewhere.open(ANN, **ROW, box=box)


def test_an_erased_subject_is_unreadable_and_others_are_not(vault: Vault, tmp_path: Path) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")
    theirs = vault.seal(BOB, **ROW, value=b"other")

    vault.erase(ANN)

    with pytest.raises(KeyMissing) as refused:
        vault.open(ANN, **ROW, box=box)
    assert refused.value.name == key_file(tmp_path, ANN).name
    assert vault.open(BOB, **ROW, box=theirs) == b"other"
    with pytest.raises(KeyMissing):
        vault.erase(ANN)


def test_after_an_erasure_a_new_key_opens_no_old_box(vault: Vault) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")
    vault.erase(ANN)

    vault.seal(ANN, **ROW, value=b"new")

    with pytest.raises(BoxRefused):
        vault.open(ANN, **ROW, box=box)


@pytest.mark.parametrize("size", [0, 16, 31, 33, 5000])
def test_a_key_file_of_another_size_is_refused(vault: Vault, tmp_path: Path, size: int) -> None:
    box = vault.seal(ANN, **ROW, value=b"secret")
    key_file(tmp_path, ANN).write_bytes(bytes(size))

    with pytest.raises(KeyDamaged) as refused:
        vault.open(ANN, **ROW, box=box)

    assert (refused.value.name, refused.value.size) == (key_file(tmp_path, ANN).name, size)


def test_of_two_that_make_a_key_at_once_the_first_stays(
    vault: Vault, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_link = os.link

    def link_second(draft: Path, path: Path) -> None:
        path.write_bytes(b"\x05" * 32)
        really_link(draft, path)

    monkeypatch.setattr(os, "link", link_second)

    box = vault.seal(ANN, **ROW, value=b"secret")

    assert key_file(tmp_path, ANN).read_bytes() == b"\x05" * 32
    assert vault.open(ANN, **ROW, box=box) == b"secret"
    assert len(list((tmp_path / "keys").iterdir())) == 1
