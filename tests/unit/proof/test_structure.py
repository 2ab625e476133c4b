"""The structure of a log: hashes, links and root, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ledger.proof.errors import (
    Incomplete,
    MalformedEvidence,
    MalformedKey,
    RootMismatch,
    Tampered,
    UnknownKey,
    VerificationError,
)
from ledger.proof.hashing import leaf_hash
from ledger.proof.sources import TileSource
from ledger.proof.structure import check_structure
from ledger.proof.tree import MemoryTree
from tests.unit.proof.golden_log import (
    ROOT,
    SIZE,
    VKEY,
    checkpoint,
    files,
    plain,
    raw_entries,
    seen,
)

# Of the golden log: its second entry on the stream of a party.
LINKED = 6
STREAM = "party/shop"


class Kept:
    """A source that holds just these entries, under a checkpoint over those."""

    def __init__(self, entries: Sequence[bytes], *, under: Sequence[bytes] | None = None) -> None:
        self.kept = list(enumerate(entries))
        self.note = checkpoint([leaf_hash(raw) for raw in under or entries])

    def checkpoint(self) -> bytes:
        return self.note

    def entries(self, _size: int) -> Iterator[tuple[int, bytes]]:
        return iter(self.kept)


def fault_of(source: Any, *, vkey: str = VKEY) -> VerificationError:
    with pytest.raises(VerificationError) as caught:
        check_structure(source, vkey)
    return caught.value


def changed(index: int, change: Callable[[dict[str, Any]], object]) -> list[bytes]:
    """The golden entries, one of them rewritten in canonical form."""
    entries = raw_entries()
    document = json.loads(entries[index])
    change(document)
    entries[index] = plain(document)
    return entries


def test_the_golden_log_is_whole() -> None:
    checked = check_structure(TileSource(files().get), VKEY)

    assert (checked.size, checked.root.hex()) == (SIZE, ROOT)


def test_the_checkpoint_must_be_signed_by_the_caller_s_key() -> None:
    source = Kept(raw_entries())
    other = VKEY.replace("world+600aa1cc", "other+600aa1cc")

    assert isinstance(fault_of(source, vkey="no key"), MalformedKey)
    assert isinstance(fault_of(source, vkey=other), MalformedKey)
    source.note = source.note.replace(b"yinzheng.test/world YA", b"yinzheng.test/world ZA")
    assert isinstance(fault_of(source), UnknownKey | Tampered)


def test_one_byte_of_an_entry_changes_the_root() -> None:
    entries = raw_entries()
    under = list(entries)
    # At the end no link follows, and its time is not looked at: only the hash can tell.
    entries[-1] = entries[-1].replace(b'{"at":"2026', b'{"at":"2027')
    assert entries != under

    fault = fault_of(Kept(entries, under=under))

    assert isinstance(fault, RootMismatch)
    assert (fault.step, fault.expected.hex()) == ("root", ROOT)
    assert fault.computed == MemoryTree(map(leaf_hash, entries)).root()


def test_an_entry_must_name_its_own_index() -> None:
    entries = changed(LINKED, lambda document: document.update(index=7))

    assert seen(fault_of(Kept(entries))) == (
        "Tampered", "place", "another index", LINKED, STREAM, "index", "6", "7",
    )  # fmt: skip


def test_an_entry_must_follow_the_head_of_its_stream() -> None:
    head = json.loads(raw_entries()[LINKED])["prev"]
    assert head is not None

    later = changed(LINKED, lambda document: document.update(seq=2))
    assert seen(fault_of(Kept(later))) == (
        "Tampered", "link", "another seq", LINKED, STREAM, "seq", "1", "2",
    )  # fmt: skip
    cut = changed(LINKED, lambda document: document.update(prev=None))
    assert seen(fault_of(Kept(cut))) == (
        "Tampered", "link", "another prev", LINKED, STREAM, "prev", f'"{head}"', "null",
    )  # fmt: skip


def test_the_first_entry_of_a_stream_has_no_link() -> None:
    entries = changed(0, lambda document: document.update(prev="00" * 32))

    assert seen(fault_of(Kept(entries))) == (
        "Tampered", "link", "another prev", 0, "log", "prev", "null", '"' + "00" * 32 + '"',
    )  # fmt: skip


@pytest.mark.parametrize(
    "spoil",
    [
        lambda raw: raw[:-1],
        lambda raw: raw + b"\n",
        lambda raw: raw.replace(b'"v":1}', b'"v":2}'),
        lambda raw: raw.replace(b',"index":', b',"inde":'),
        lambda raw: raw.replace(b'"index":6', b'"index":06'),
        lambda raw: raw.replace(b'"index":6', b'"index":10000000000000006'),
        lambda raw: raw.replace(b'"seq":1', b'"seq":01'),
        lambda raw: raw.replace(b'"stream":"party', b'"stream":"p\xc3rty'),
        lambda raw: raw.replace(b'"stream":"party', b'"stream":"p\\u0061rty'),
        lambda raw: b"",
        lambda raw: b"{}",
    ],
)  # fmt: skip
def test_an_entry_that_ends_otherwise_is_not_read(spoil: Callable[[bytes], bytes]) -> None:
    entries = raw_entries()
    entries[LINKED] = spoil(entries[LINKED])
    assert entries != raw_entries()

    assert seen(fault_of(Kept(entries))) == (
        "MalformedEvidence", "index", "the entry does not end as version 1 does", LINKED,
        None, None, None, None,
    )  # fmt: skip
    assert isinstance(fault_of(Kept(entries)), MalformedEvidence)


def test_what_a_command_says_of_an_index_is_not_taken_for_the_entry_s() -> None:
    lying = ',"index":9,"log":"x","prev":null,"seq":9,"stream":"x","type":"x","v":1}'
    entries = changed(9, lambda document: document["command"].update(note=lying))
    entries = entries[:10]

    assert check_structure(Kept(entries), VKEY).size == 10  # type: ignore[arg-type]


def test_of_two_fields_named_index_the_last_is_the_entry_s() -> None:
    entries = changed(9, lambda document: document["command"].update(index=8))[:10]
    assert entries[9].count(b',"index":') == 2

    assert check_structure(Kept(entries), VKEY).size == 10  # type: ignore[arg-type]


def test_entries_that_are_missing_are_named() -> None:
    entries = raw_entries()
    short = Kept(entries[:-1], under=entries)
    gap = Kept(entries)
    del gap.kept[5]

    for source, index in ((short, SIZE - 1), (gap, 5)):
        fault = fault_of(source)
        assert isinstance(fault, Incomplete)
        assert seen(fault) == (
            "Incomplete", "index", "an entry is missing", index, None, "size", SIZE, index,
        )  # fmt: skip


def test_what_is_not_published_yet_is_left_alone() -> None:
    entries = raw_entries()
    source = Kept([*entries[:31], b"not even an entry"], under=entries[:31])

    assert check_structure(source, VKEY).size == 31  # type: ignore[arg-type]
