"""Static files of a log: what is asked for, in which order, and what every lack is called."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.proof import sources
from ledger.proof.audit import audit
from ledger.proof.errors import Incomplete, MalformedEvidence, Unverifiable, VerificationError
from ledger.proof.hashing import leaf_hash
from ledger.proof.sources import TileSource, check_tile, folder_source, split_bundle
from ledger.proof.tiles import Tile
from ledger.proof.tree import MemoryTree
from tests.unit.proof.golden_log import VALID, VKEY, Files, NamedTree, files, raw_entries, seen

TILE, BUNDLE = "tile/0/000.p/57", "tile/entries/000.p/57"


class Folder:
    """Files in memory that remember what was asked for."""

    def __init__(self, held: Files) -> None:
        self.held, self.asked = held, list[str]()

    def __call__(self, path: str) -> bytes | None:
        self.asked.append(path)
        return self.held.get(path)


def error_of(act: Callable[[], Any]) -> tuple[object, ...]:
    with pytest.raises(VerificationError) as raised:
        act()
    return seen(raised.value)


def source(**changes: bytes | None) -> TileSource:
    held: Any = {**files(), **{name.replace("__", "/"): value for name, value in changes.items()}}
    return TileSource(Folder({name: value for name, value in held.items() if value is not None}))


def fetch_fault(
    kind: str, message: str, field: str, index: int | None = None, expected: object = None
) -> tuple[object, ...]:
    return (kind, "fetch", message, index, None, field, expected, None)


# Checkpoints


def test_any_file_is_given_by_its_own_path_and_none_where_there_is_none() -> None:
    folder = Folder(files())
    opened = TileSource(folder)

    assert opened.file("checkpoints/31") == files()["checkpoints/31"]
    assert opened.file("checkpoints/32") is None
    assert folder.asked == ["checkpoints/31", "checkpoints/32"]


def test_the_golden_files_are_valid_and_the_whole_report_is_known() -> None:
    folder = Folder(files())
    report = audit(TileSource(folder), VKEY)

    assert report.document() == VALID
    assert report.exit_code == 0
    assert folder.asked == [
        "checkpoints/sizes",
        "checkpoint",
        TILE,
        BUNDLE,
        "checkpoints/31",
        "checkpoints/57",
        TILE,
    ]


def test_checkpoints_are_yielded_with_the_sizes_they_are_listed_under() -> None:
    golden, opened = files(), source()
    assert opened.checkpoint() == golden["checkpoint"]
    assert list(opened.checkpoints()) == [
        (31, golden["checkpoints/31"]),
        (57, golden["checkpoints/57"]),
    ]


def test_without_a_list_no_earlier_checkpoint_is_offered() -> None:
    opened = source(checkpoints__sizes=None)
    assert list(opened.checkpoints()) == []
    opened.checkpoint()
    assert list(opened.checkpoints()) == []


def test_the_list_is_the_one_that_stood_there_before_the_checkpoint() -> None:
    folder = Folder(files())
    opened = TileSource(folder)
    opened.checkpoint()
    folder.held["checkpoints/sizes"] = b"99\n"
    assert [size for size, _ in opened.checkpoints()] == [31, 57]


def test_without_a_checkpoint_nothing_is_shown() -> None:
    opened = source(checkpoint=None)
    assert error_of(opened.checkpoint) == fetch_fault(
        "Unverifiable", "there is no checkpoint", "checkpoint"
    )


def test_a_listed_checkpoint_that_is_not_there_is_a_lack() -> None:
    opened = source(checkpoints__31=None)
    opened.checkpoint()
    assert error_of(lambda: list(opened.checkpoints())) == fetch_fault(
        "Incomplete", "a listed checkpoint is missing", "size 31"
    )


@pytest.mark.parametrize("line", ["", "031", "+31", "31 ", "x", "\udcff"])
def test_a_line_of_the_list_that_is_no_size_is_malformed(line: str) -> None:
    listed = b"57\n" + line.encode("utf-8", "surrogateescape") + b"\n31\n"
    opened = source(checkpoints__sizes=listed)
    opened.checkpoint()
    found = error_of(lambda: list(opened.checkpoints()))
    assert found[:2] == ("MalformedEvidence", "fetch")
    assert found[3:] == (None, None, "checkpoints/sizes", None, None)
    assert str(found[2]).startswith("checkpoints/sizes ")


def listing(listed: bytes) -> tuple[list[int], tuple[object, ...]]:
    """Which sizes a list gives, and what is then said of it."""
    opened = TileSource(lambda path: listed if path.endswith("sizes") else b"note")
    opened.checkpoint()
    found: list[int] = []

    def read() -> None:
        for size, _ in opened.checkpoints():
            found.append(size)

    said = error_of(read)
    return found, said


@pytest.mark.parametrize("size", [57, 56, 0])
def test_sizes_that_do_not_ascend_are_malformed(size: int) -> None:
    said = (
        "MalformedEvidence", "fetch", "sizes do not ascend", None, None,
        "checkpoints/sizes", None, size,
    )  # fmt: skip
    assert listing(b"0\n57\n%d\n99\n" % size) == ([0, 57], said)


def test_a_list_that_does_not_end_in_a_newline_is_malformed() -> None:
    said = fetch_fault("MalformedEvidence", "a size does not end in a newline", "checkpoints/sizes")
    assert listing(b"31\n57") == ([31], said)
    assert listing(b"31") == ([], said)


def test_a_list_may_be_empty_or_begin_with_size_0() -> None:
    for listed, sizes in ((b"", []), (b"0\n", [0]), (b"0\n1\n2\n", [0, 1, 2])):
        opened = TileSource({"checkpoints/sizes": listed, "checkpoint": b""}.get)
        opened.checkpoint()
        opened._fetch = lambda _: b"note"
        assert [size for size, _ in opened.checkpoints()] == sizes


# Entries


def test_entries_come_in_order_with_their_indices() -> None:
    assert list(source().entries(57)) == list(enumerate(raw_entries()))
    assert list(source().entries(0)) == []


def test_entries_of_several_bundles_count_on() -> None:
    first = b"".join(b"\x00\x01" + bytes([at]) for at in range(256))
    folder = Folder({"tile/entries/000": first, "tile/entries/001.p/1": b"\x00\x02ab"})
    found = list(TileSource(folder).entries(257))
    assert found == [*((at, bytes([at])) for at in range(256)), (256, b"ab")]
    assert folder.asked == ["tile/entries/000", "tile/entries/001.p/1"]


@pytest.mark.parametrize(("present", "index"), [(False, 0), (True, 256)])
def test_a_bundle_that_is_missing_is_a_lack_from_its_first_entry_on(
    *, present: bool, index: int
) -> None:
    held = {"tile/entries/000": b"\x00\x00" * 256} if present else {}
    path = "tile/entries/001.p/44" if present else "tile/entries/000"
    assert error_of(lambda: list(TileSource(held.get).entries(300))) == fetch_fault(
        "Incomplete", "an entry bundle is missing", path, index
    )


@pytest.mark.parametrize(
    ("data", "whole", "index"),
    [(b"", 0, 7), (b"\x00", 0, 7), (b"\x00\x02a", 0, 7), (b"\x00\x01a\x00", 1, 8),
     (b"\x00\x01a\x00\x01", 1, 8), (b"\x00\x01a", 1, 8)],
)  # fmt: skip
def test_a_bundle_that_ends_early_gives_what_it_holds_and_names_where(
    data: bytes, whole: int, index: int
) -> None:
    found = []

    def read() -> None:
        found.extend(split_bundle(data, start=7, width=2))

    assert error_of(read) == (
        "MalformedEvidence", "bundle", "the bundle ends early", index, None, "length", None, None,
    )  # fmt: skip
    parts = split_bundle(data, start=7, width=2)
    assert [next(parts) for _ in range(whole)] == [(7, b"a")][:whole]


def test_bytes_after_the_last_entry_are_named_with_it() -> None:
    assert error_of(lambda: list(split_bundle(b"\x00\x00\x00\x01ab", start=7, width=2))) == (
        "MalformedEvidence", "bundle", "bytes follow the last entry", 8, None, "length", None, None,
    )  # fmt: skip


def test_a_bundle_of_the_right_length_is_split_even_when_entries_are_empty_or_large() -> None:
    large = bytes(65_535)
    parts = list(split_bundle(b"\x00\x00\xff\xff" + large, start=300, width=2))
    assert parts == [(300, b""), (301, large)]
    assert list(split_bundle(b"", start=4, width=0)) == []


# Tiles


def test_the_leaf_hashes_of_the_tiles_are_one_candidate() -> None:
    assert list(source().references(57)) == [[leaf_hash(raw) for raw in raw_entries()]]


def test_the_leaf_hashes_of_several_tiles_follow_each_other_and_upper_levels_are_left() -> None:
    held = {"tile/0/000": NamedTree().tile(0, 0), "tile/0/001.p/2": NamedTree().tile(0, 1, 2)}
    folder = Folder(held)
    (found,) = TileSource(folder).references(258)
    assert found == [NamedTree().node(0, at) for at in range(258)]
    assert folder.asked == ["tile/0/000", "tile/0/001.p/2"]


@pytest.mark.parametrize("data", [None, b"", bytes(31), bytes(33)])
def test_tiles_that_are_missing_or_of_another_length_are_no_candidate(data: bytes | None) -> None:
    held = {"tile/0/000": NamedTree().tile(0, 0), "tile/0/001.p/1": data}
    assert list(TileSource(held.get).references(257)) == []


def test_every_tile_of_every_level_is_compared_and_no_more() -> None:
    held = {
        "tile/0/000": NamedTree().tile(0, 0),
        "tile/0/001.p/2": NamedTree().tile(0, 1, 2),
        "tile/1/000.p/1": NamedTree().tile(1, 0, 1),
    }
    folder = Folder(held)
    opened = TileSource(folder)
    opened.check_derived(NamedTree(400), 258)  # type: ignore[arg-type]
    assert folder.asked == list(held)


@pytest.mark.parametrize("path", [TILE])
def test_a_tile_that_is_missing_is_a_lack(path: str) -> None:
    tree = MemoryTree(leaf_hash(raw) for raw in raw_entries())
    opened = source(**{path.replace("/", "__"): None})
    assert error_of(lambda: opened.check_derived(tree, 57)) == (
        "Incomplete", "tile", "a tile is missing", None, None, path, None, None,
    )  # fmt: skip
    source().check_derived(tree, 57)


def test_noticing_an_entry_does_nothing() -> None:
    folder = Folder({})
    TileSource(folder).observe(*([None] * 4))  # type: ignore[arg-type]
    assert folder.asked == []


@pytest.mark.parametrize(
    ("tile", "place", "index"),
    [
        (Tile(0, 0, 3), 0, 0),
        (Tile(0, 0, 3), 2, 2),
        (Tile(0, 5), 255, 1535),
        (Tile(1, 0, 7), 3, 768),
        (Tile(1, 2), 1, 131_328),
        (Tile(2, 1, 9), 4, 260 << 16),
    ],
)
def test_a_hash_that_differs_is_named_by_the_first_entry_under_it(
    tile: Tile, place: int, index: int
) -> None:
    level = 8 * (tile.level or 0)
    first = tile.number * 256
    good = NamedTree().tile(tile.level or 0, tile.number, tile.width)
    check_tile(tile, good, NamedTree())  # type: ignore[arg-type]
    bad = good[: 32 * place] + bytes(32) + good[32 * (place + 1) :]
    assert error_of(lambda: check_tile(tile, bad, NamedTree())) == (  # type: ignore[arg-type]
        "Tampered",
        "tile",
        "a stored hash differs from the recomputed one",
        index,
        None,
        tile.path,
        NamedTree().node(level, first + place),
        bytes(32),
    )


@pytest.mark.parametrize("length", [31, 33, 64])
def test_a_tile_of_another_length_is_malformed(length: int) -> None:
    found = error_of(lambda: check_tile(Tile(0, 0, 1), bytes(length), NamedTree()))  # type: ignore[arg-type]
    assert found[:2] == ("MalformedEvidence", "tile")
    assert found[6:] == (32, length)


# Folders


def test_an_exported_folder_is_read(tmp_path: Path) -> None:
    for name, data in files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert audit(folder_source(tmp_path), VKEY).document() == VALID


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_what_is_no_folder_is_not_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = tmp_path / name
    assert error_of(lambda: folder_source(folder)) == fetch_fault(
        "Unverifiable", f"there is no folder {folder}", "folder"
    )


def test_a_file_that_is_missing_or_no_file_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_bytes(b"")
    (tmp_path / "a-folder").mkdir()
    fetch = folder_source(tmp_path)._fetch
    assert [fetch(name) for name in ("nothing", "a-folder", "a-file/below")] == [None, None, None]
    assert fetch("a-file") == b""


def test_a_pipe_is_no_file_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert error_of(lambda: folder_source(tmp_path)._fetch("pipe")) == fetch_fault(
        "Unverifiable", "it is no regular file", "pipe"
    )


@pytest.mark.parametrize("waits", [True, False])
def test_files_are_opened_without_waiting_where_that_is_possible(
    monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    given: list[tuple[str, int]] = []
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", lambda *each: given.append(each) or 3)
        if waits:
            patched.delattr(os, "O_NONBLOCK")
        assert sources._open_at_once("file", os.O_CLOEXEC) == 3
    assert given == [("file", os.O_CLOEXEC | (0 if waits else os.O_NONBLOCK))]


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    name = "x" * 300
    assert error_of(lambda: folder_source(tmp_path)._fetch(name)) == fetch_fault(
        "Unverifiable", "a file cannot be read: File name too long", name
    )


def test_a_file_is_read_up_to_the_limit_and_not_one_byte_beyond(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FILE_BYTES_MAX", 10)
    for length in (10, 11, 12):
        (tmp_path / str(length)).write_bytes(b"x" * length)
    fetch = folder_source(tmp_path)._fetch
    assert fetch("10") == b"x" * 10
    for name in ("11", "12"):
        with pytest.raises(MalformedEvidence) as raised:
            fetch(name)
        assert seen(raised.value) == fetch_fault(
            "MalformedEvidence", "the file is too large", name, expected=10
        )


def test_no_more_is_read_than_shows_that_it_is_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"note")
    asked: list[int | None] = []

    class File(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(size)
            return super().read(-1 if size is None else size)

    def open_file(path: Path, mode: str, *, opener: Any) -> File:
        return File(path, mode, opener=opener)

    monkeypatch.setattr(sources, "open", open_file, raising=False)
    assert folder_source(tmp_path)._fetch("file") == b"note"
    assert asked == [sources.FILE_BYTES_MAX + 1]


def test_the_limit_is_a_full_bundle_of_the_largest_entries() -> None:
    assert sources.FILE_BYTES_MAX == 256 * 65_537
    assert sources.TIMEOUT_S == 30
    assert issubclass(Incomplete, VerificationError)
    assert issubclass(Unverifiable, VerificationError)
