"""A vault that cannot take a key refuses one command, and leaves no entry of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.application import Accepted
from ledger.record.errors import KeyDamaged, KeyMissing, KeyNotStored
from ledger.record.vault import Vault
from tests.databases import sqlite_file_url
from tests.worlds import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World.create(sqlite_file_url(tmp_path), "vault") as opened:
        for party, namespace in (("shop", "cards"), ("eve", "evil")):
            opened.register(party)
            opened.open_namespace(namespace, party)
        yield opened


def vault_of(world: World, folder: Path) -> Vault:
    vault = Vault(folder, origin=world.origin, random=os.urandom)
    world.ledger._vault = vault
    return vault


def name_of(subject: str) -> str:
    return sha256(subject.encode()).hexdigest()


def test_a_damaged_key_refuses_its_own_subject_and_nobody_else(
    world: World, tmp_path: Path
) -> None:
    vault_of(world, tmp_path / "keys")
    (tmp_path / "keys" / name_of("eve")).write_bytes(b"short")
    mine, theirs = (world.submission(world.item_draft(item)) for item in ("cards/1", "evil/1"))
    size = world.size()

    refused, added = world.send(theirs, mine)

    assert isinstance(refused, KeyDamaged)
    assert (refused.name, refused.size) == (name_of("eve"), 5)
    assert isinstance(added, Accepted)
    assert (added.index, world.size()) == (size, size + 1)


def test_a_full_disk_refuses_the_command_and_keeps_the_ledger_going(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault_of(world, tmp_path / "keys")
    submission = world.submission(world.item_draft("cards/1"))
    size, link = world.size(), os.link

    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "link", full)
    (refused,) = world.send(submission)
    monkeypatch.setattr(os, "link", link)
    (added,) = world.send(submission)

    assert isinstance(refused, KeyNotStored)
    assert (refused.name, refused.reason) == (name_of("shop"), "No space left on device")
    assert isinstance(added, Accepted)
    assert (added.index, added.again) == (size, False)
    assert [file.name for file in (tmp_path / "keys").iterdir()] == [name_of("shop")]


def test_erasing_a_key_erases_what_a_crash_left_of_it(world: World, tmp_path: Path) -> None:
    vault = vault_of(world, tmp_path / "keys")
    box = vault.seal("ann", index=1, name="name", value=b"secret")
    key = tmp_path / "keys" / name_of("ann")
    # Killed between the link and the removal of the draft: two names for one key.
    os.link(key, key.with_name(f"{key.name}.0123456789abcdef"))

    vault.erase("ann")

    assert list((tmp_path / "keys").iterdir()) == []
    with pytest.raises(KeyMissing):
        vault.open("ann", index=1, name="name", box=box)
