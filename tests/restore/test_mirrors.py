"""Mirrors that lie: each element tampered with, refused by name, and nothing wrong taken."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.healing import heal
from api.house import House
from ledger.errors import WriteLocked
from ledger.log.errors import MirrorRefused, MirrorUnusable, ReadBackDiffers, RootDiffers
from ledger.log.standing import Class
from ledger.proof.checkpoint import Checkpoint
from ledger.proof.note import sign_note
from ledger.proof.tree import MemoryTree
from ledger.rules.canonical import decode, encode
from tests import figures
from tests.restore.making import Run, Told, mirror_of, put_back
from tests.unit.proof.oracle import slow_leaf


def files(mirror: str, pattern: str) -> list[Path]:
    """What matches, by number; of partial tiles the widest is the last."""
    found = [path for path in Path(mirror).glob(pattern) if path.is_file()]
    assert found, pattern
    return sorted(found, key=lambda path: int(path.name) if path.name.isdigit() else 0)


def flip_in(pattern: str, at: int = -1) -> Callable[[str], None]:
    def flip(mirror: str) -> None:
        path = files(mirror, pattern)[-1]
        data = bytearray(path.read_bytes())
        data[at] ^= 1
        path.write_bytes(data)

    return flip


def remove(pattern: str) -> Callable[[str], None]:
    def unlink(mirror: str) -> None:
        for path in files(mirror, pattern):
            path.unlink()

    return unlink


def cut(pattern: str) -> Callable[[str], None]:
    def shorten(mirror: str) -> None:
        path = files(mirror, pattern)[-1]
        path.write_bytes(path.read_bytes()[:-1])

    return shorten


# At the gate already: without a checkpoint and a path to it, a mirror is none.
BLIND = [
    ("no checkpoint", remove("checkpoint")),
    ("a bit of the checkpoint's signature", flip_in("checkpoint", -5)),
    ("a bit of the checkpoint's size", flip_in("checkpoint", 22)),
    ("no tiles", remove("tile/0/**/*")),
    ("a hash of a tile before the database's end", flip_in("tile/0/**/*", 0)),
    ("a hash of a tile after it", flip_in("tile/0/**/*")),
    ("a tile cut short", cut("tile/0/**/*")),
]
# While entries are taken.
UNUSABLE = [
    ("no bundles", remove("tile/entries/**/*")),
    ("a bit of the last entry", flip_in("tile/entries/**/*")),
    ("a bundle cut short", cut("tile/entries/**/*")),
    ("a bit of an older checkpoint", flip_in("checkpoints/[0-9]*", -5)),
    ("a listed checkpoint that is missing", remove("checkpoints/[0-9]*")),
]


def locked(told: Told, number: int = 2) -> House:
    put_back(told.copies[number], told.run.folder)
    return told.run.open(mirror=told.mirror)


@pytest.mark.parametrize("tamper", [each[1] for each in BLIND], ids=[each[0] for each in BLIND])
def test_a_mirror_that_does_not_lead_to_its_root_decides_nothing(
    told: Told, tamper: Callable[[str], None]
) -> None:
    tamper(told.mirror)
    with locked(told) as house:
        size = house.reader.size()
        with pytest.raises(WriteLocked) as refused:
            heal(house)
        assert refused.value.evidence["class"] == Class.UNDECIDED
        assert refused.value.evidence["reason"]
        assert house.reader.size() == size
    figures.record("tampered mirrors refused", 1, unit="mirrors")


@pytest.mark.parametrize(
    "tamper", [each[1] for each in UNUSABLE], ids=[each[0] for each in UNUSABLE]
)
def test_a_damaged_file_of_a_mirror_stops_the_healing(
    told: Told, tamper: Callable[[str], None]
) -> None:
    tamper(told.mirror)
    with locked(told) as house:
        with pytest.raises(MirrorUnusable) as refused:
            heal(house)
        assert refused.value.place == told.mirror
        assert not house.gate.look().may_write
    figures.record("tampered mirrors refused", 1, unit="mirrors")


def test_a_mirror_that_is_gone_is_no_mirror(told: Told) -> None:
    with locked(told) as house:
        house.mirror = told.mirror + "-gone"
        with pytest.raises(WriteLocked) as refused:
            heal(house)
    assert "there is no folder" in str(refused.value.evidence["reason"])


def test_a_mirror_of_another_log_is_refused(told: Told, tmp_path: Path) -> None:

    other = Run(tmp_path / "other", seed="other")
    with other.open() as house:
        theirs = mirror_of(house, tmp_path / "theirs")
    put_back(told.copies[2], told.run.folder)

    with told.run.open(mirror=theirs) as house, pytest.raises(WriteLocked) as refused:
        heal(house)
    assert "signature" in str(refused.value.evidence["reason"])


# What only the holder of the log's own keys can do


def forge(told: Told, change: Callable[[dict[str, Any]], None]) -> int:
    """Let the operator change the last entry of the mirror and sign the tree again."""
    mirror = Path(told.mirror)
    bundle = files(told.mirror, "tile/entries/**/*")[-1]
    data, entries, at = bundle.read_bytes(), [], 0
    while at < len(data):
        width = int.from_bytes(data[at : at + 2], "big")
        entries.append(data[at + 2 : at + 2 + width])
        at += 2 + width
    document = decode(entries[-1], limit=1 << 20)
    change(document)
    entries[-1] = encode(document)
    leaves = [slow_leaf(entry) for entry in entries]
    bundle.write_bytes(b"".join(len(each).to_bytes(2, "big") + each for each in entries))
    tile = files(told.mirror, "tile/0/**/*")[-1]
    tile.write_bytes(b"".join(leaves))
    with told.run.open() as house:
        key = house.signer("checkpoint")
        text = Checkpoint(house.origin, len(leaves), MemoryTree(leaves).root()).text
        note = sign_note(text, name=house.origin, public=key.public, sign=key.sign)
    (mirror / "checkpoint").write_bytes(note)
    (mirror / "checkpoints" / str(len(leaves))).write_bytes(note)
    return len(leaves) - 1


def forget_mark(state: Path, told: Told) -> None:
    """Let the mark be lost and begun anew: the forger has this machine too."""
    for path in state.rglob("mark*"):
        path.unlink()
    with told.run.open() as house:
        house.mark.begin()


FORGERIES: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    ("another owner", lambda e: e["data"].update(owner="operator"), "derive"),
    ("another signature", lambda e: e["sigs"].__setitem__(0, "A" * 86 + "=="), "signature"),
    ("another time", lambda e: e.update(at="2020-01-01T00:00:00.000000Z"), "place"),
    ("another link", lambda e: e.update(prev="00" * 32), "link"),
]


@pytest.mark.parametrize(
    ("change", "step"), [each[1:] for each in FORGERIES], ids=[each[0] for each in FORGERIES]
)
def test_an_operator_cannot_smuggle_an_entry_in_through_a_mirror(
    told: Told, state: Path, change: Callable[[dict[str, Any]], None], step: str
) -> None:
    index = forge(told, change)
    put_back(told.copies[2], told.run.folder)
    forget_mark(state, told)

    with told.run.open(mirror=told.mirror) as house:
        assert house.gate.look().klass is Class.BEHIND
        with pytest.raises(MirrorRefused) as refused:
            heal(house)
        assert refused.value.index == index
        assert refused.value.reason.startswith(step), refused.value.reason
        assert house.reader.entry(index) is None
        assert not house.gate.look().may_write
    figures.record("smuggled entries refused", 1, unit="entries")


def test_a_mirror_that_contradicts_the_mark_is_a_fork(told: Told) -> None:
    forge(told, lambda entry: entry.update(at="2027-01-01T00:00:00.000000Z"))

    with locked(told) as house:
        standing = house.gate.look()
        assert standing.klass is Class.FORKED
        assert standing.evidence["fork_between"] == "mirror and mark"
        with pytest.raises(WriteLocked):
            heal(house)


def test_an_older_checkpoint_of_another_tree_is_refused(told: Told) -> None:
    with told.run.open() as house:
        key = house.signer("checkpoint")
        kept = files(told.mirror, "checkpoints/[0-9]*")
        size = int(kept[-2].name)
        text = Checkpoint(house.origin, size, sha256(b"another tree").digest()).text
        note = sign_note(text, name=house.origin, public=key.public, sign=key.sign)
    (Path(told.mirror) / "checkpoints" / str(size)).write_bytes(note)

    with locked(told) as house:
        with pytest.raises(RootDiffers) as refused:
            heal(house)
        assert refused.value.size == size
        assert not house.gate.look().may_write


# A history of one's own


def test_a_copy_that_went_on_by_itself_is_refused_for_ever(told: Told, tmp_path: Path) -> None:
    """Whoever goes round the gate makes another history; no mirror heals it."""
    put_back(told.copies[2], told.run.folder)
    with told.run.open() as house:
        house.admit = lambda: None  # type: ignore[method-assign]
        for _ in range(3):
            told.run.step(house, word="other")
        size = house.reader.size()
    with told.run.open() as house:
        assert house.gate.look().klass is Class.UNDECIDED
    with told.run.open(mirror=told.mirror) as house:
        standing = house.gate.look()
        assert standing.klass is Class.FORKED
        assert standing.evidence["fork_size"] == size
        for _ in range(2):
            with pytest.raises(WriteLocked) as refused:
                heal(house)
            assert refused.value.evidence["class"] == "R4"
        assert house.reader.size() == size


def test_a_fork_that_outgrew_the_mark_is_found_without_a_mirror(told: Told) -> None:
    put_back(told.copies[5], told.run.folder)
    with told.run.open() as house:
        house.admit = lambda: None  # type: ignore[method-assign]
        while house.reader.size() <= told.size:
            told.run.step(house, word="other")
    with told.run.open() as house:
        standing = house.gate.look()

    assert standing.klass is Class.FORKED
    assert standing.evidence["fork_between"] == "database and mark"


def test_an_entry_here_that_does_not_hold_stops_the_healing(told: Told) -> None:
    put_back(told.copies[2], told.run.folder)
    with closing(sqlite3.connect(told.run.folder / "ledger.sqlite")) as link:
        named = link.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for (name,) in named:
            link.execute(f"DROP TRIGGER {name}")
        change = "CAST(replace(entry, 'party', 'parti') AS BLOB)"
        link.execute(f'UPDATE entry SET entry = {change} WHERE "index" = 2')
        link.commit()

    with told.run.open(mirror=told.mirror) as house, pytest.raises(ReadBackDiffers) as refused:
        heal(house)
    assert (refused.value.index, refused.value.field) == (2, "leaf")
