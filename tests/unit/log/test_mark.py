"""The signer's mark: durable, never backward, never two roots for one size."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from ledger.log.errors import HeadBehind, MarkDamaged, MarkMissing, MarkMoved, RootDiffers
from ledger.log.mark import EMPTY, Mark, Marked
from ledger.proof.tree import CompactRange
from tests.unit.proof.oracle import slow_leaf, slow_root

LEAVES = [slow_leaf(b"entry %d" % index) for index in range(40)]
ROOT = bytes(range(32))
EMPTY_LINE = "0 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
EMPTY_TEXT = f"{EMPTY_LINE}\n{sha256(EMPTY_LINE.encode()).hexdigest()}\n"


def tree(size: int) -> Marked:
    """The tree of the first `size` leaves, with its edge."""
    growing = CompactRange()
    for leaf in LEAVES[:size]:
        growing.append(leaf)
    return Marked(size, slow_root(LEAVES[:size]), growing.hashes)


def text(marked: Marked) -> str:
    lines = [f"{marked.size} {marked.root.hex()}", *(peak.hex() for peak in marked.edge or ())]
    return checked("\n".join(lines))


def checked(content: str) -> str:
    """Add the checksum to a mark."""
    return f"{content}\n{sha256(content.encode()).hexdigest()}\n"


def shown(marked: Marked | None) -> tuple[object, ...]:
    assert marked is not None
    return marked.size, marked.root, marked.edge


def test_there_is_no_mark_before_the_first(tmp_path: Path) -> None:
    assert Mark(tmp_path / "mark").read() is None


def test_a_new_log_begins_with_the_mark_of_the_empty_tree_and_keeps_a_later_one(
    tmp_path: Path,
) -> None:
    mark = Mark(tmp_path / "mark")

    mark.begin()
    assert (tmp_path / "mark").read_text() == EMPTY_TEXT
    assert shown(mark.read()) == shown(EMPTY)

    mark.advance(tree(3))
    mark.begin()
    assert mark.read() == tree(3)


def test_a_mark_is_the_size_the_root_and_the_edge_that_hashes_to_it(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")

    mark.advance(tree(21))

    assert (tmp_path / "mark").read_text() == text(tree(21))
    assert shown(mark.read()) == shown(tree(21))
    assert len((tmp_path / "mark").read_text().splitlines()) == 1 + 3 + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mark", "mark.lock"]


def test_a_mark_of_an_earlier_version_has_no_edge(tmp_path: Path) -> None:
    (tmp_path / "mark").write_text(f"17 {ROOT.hex()}\n")

    assert shown(Mark(tmp_path / "mark").read()) == (17, ROOT, None)


def test_a_mark_only_goes_forward(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")
    mark.advance(tree(17))

    with pytest.raises(HeadBehind) as behind:
        mark.advance(tree(16))
    assert (behind.value.size, behind.value.published) == (16, 17)
    with pytest.raises(RootDiffers) as differs:
        mark.advance(Marked(17, ROOT))
    assert (differs.value.size, differs.value.signed) == (17, tree(17).root)
    assert differs.value.computed == ROOT
    assert mark.read() == tree(17)

    mark.advance(tree(17))
    mark.advance(tree(18))
    assert mark.read() == tree(18)


def test_a_mark_that_moved_since_it_was_read_is_not_written_over(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")
    mark.advance(tree(5))
    mark.advance(tree(7))

    with pytest.raises(MarkMoved) as refused:
        mark.advance(tree(9), after=tree(5))
    assert (refused.value.expected, refused.value.found) == (5, 7)
    # The same tree twice is no contradiction, whoever was first.
    mark.advance(tree(7), after=tree(5))

    (tmp_path / "mark").unlink()
    with pytest.raises(MarkMissing) as missing:
        mark.advance(tree(9), after=tree(7))
    assert missing.value.file == str(tmp_path / "mark")
    assert not (tmp_path / "mark").exists()


LINE = text(tree(17))
BODY = LINE[:-66]
DAMAGE = "has an edge that is not that of its root"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "does not end in a line"),
        ("\n", "is no size and root"),
        (LINE[:-1], "does not end in a line"),
        (LINE.splitlines()[0], "does not end in a line"),
        (LINE * 2, "has another checksum"),
        (LINE.replace("17 ", "017 "), "is no size and root"),
        (LINE.replace("17 ", "-1 "), "is no size and root"),
        (LINE.replace(" ", "  "), "is no size and root"),
        (LINE.replace("17 ", "18 "), "has another checksum"),
        (LINE.upper(), "is no size and root"),
        ("17 \xff\n", "is no size and root"),
        (LINE + "\n", "has another checksum"),
        (LINE + "0" * 9_000, "does not end in a line"),
        (f"{BODY}\n", "has another checksum"),
        (checked(BODY.replace("17 ", "19 ")), DAMAGE),
        (checked(f"{BODY}\n{ROOT.hex()}"), DAMAGE),
        (checked(BODY[:-65]), DAMAGE),
        (checked(BODY[:-1]), "is no size and root"),
        (checked(f"0 {ROOT.hex()}"), DAMAGE),
    ],
)
def test_half_a_mark_is_an_error_and_not_the_absence_of_one(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "mark"
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(MarkDamaged) as refused:
        Mark(path).read()

    assert (refused.value.file, refused.value.reason) == (str(path), reason)
    for write in (lambda: Mark(path).advance(tree(20)), Mark(path).begin):
        with pytest.raises(MarkDamaged):
            write()
    assert path.read_bytes() == content.encode("latin-1")


def test_every_flipped_bit_of_a_mark_is_found(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    Mark(path).advance(tree(21))
    content = path.read_bytes()

    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(MarkDamaged) as refused:
            Mark(path).read()
        assert refused.value.file == str(path)


def test_a_mark_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mark").mkdir()

    with pytest.raises(MarkDamaged) as refused:
        Mark(tmp_path / "mark").read()

    assert refused.value.reason == "Is a directory"


# The order of what reaches the disk


def test_a_mark_is_on_disk_with_its_name_before_anything_else_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = []
    sync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        steps.append(("sync", Path(f"/proc/self/fd/{handle}").readlink().name))
        sync(handle)

    def replaced(draft: Path, target: Path) -> Path:
        steps.append(("rename", target.name))
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)

    Mark(tmp_path / "mark").advance(tree(3))

    assert steps == [("sync", ".mark.draft"), ("rename", "mark"), ("sync", tmp_path.name)]


def test_a_mark_whose_folder_was_not_synced_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be read back, and yet be lost: the page cache is no disk."""
    mark = Mark(tmp_path / "mark")
    failing = iter([None, OSError(5, "Input/output error")])

    def sync(_handle: int) -> None:
        error = next(failing, None)
        if error is not None:
            raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", sync)
        with pytest.raises(OSError, match="Input/output error"):
            mark.advance(tree(3))
    assert mark.read() == tree(3)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)

    mark.advance(tree(3))

    assert len(synced) == 2


# An older version's mark


def test_the_mark_of_an_earlier_version_is_taken_over_once(tmp_path: Path) -> None:
    older, mark = tmp_path / "signed", Mark(tmp_path / "mark")
    mark.take_over(older)
    assert mark.read() is None

    older.write_text(f"17 {ROOT.hex()}\n")
    mark.take_over(older)

    assert not older.exists()
    assert shown(mark.read()) == (17, ROOT, None)


def test_of_two_marks_the_larger_one_stays(tmp_path: Path) -> None:
    older, mark = tmp_path / "signed", Mark(tmp_path / "mark")
    mark.advance(tree(20))

    for content in (f"17 {ROOT.hex()}\n", f"20 {tree(20).root.hex()}\n"):
        older.write_text(content)
        mark.take_over(older)
        assert shown(mark.read()) == shown(tree(20))
        assert not older.exists()

    older.write_text(f"21 {ROOT.hex()}\n")
    mark.take_over(older)
    assert shown(mark.read()) == (21, ROOT, None)


def test_two_marks_that_contradict_each_other_are_both_kept(tmp_path: Path) -> None:
    older, mark = tmp_path / "signed", Mark(tmp_path / "mark")
    mark.advance(tree(20))
    older.write_text(f"20 {ROOT.hex()}\n")

    with pytest.raises(RootDiffers) as refused:
        mark.take_over(older)

    assert (refused.value.size, refused.value.signed, refused.value.computed) == (
        20,
        tree(20).root,
        ROOT,
    )
    assert older.exists()
    older.write_text("17")
    with pytest.raises(MarkDamaged):
        mark.take_over(older)
    assert mark.read() == tree(20)


# Many at once


def advance_all(path: Path, salt: int, done: Callable[[tuple[int, str]], None]) -> None:
    """Mark trees of sizes 1 to 40 with roots that only this caller would choose."""
    for size in range(1, 41):
        root = bytes([salt]) * 32
        try:
            Mark(path).advance(Marked(size, root))
        except (HeadBehind, RootDiffers):
            continue
        done((size, root.hex()))


def in_processes(path: Path) -> list[tuple[int, str]]:
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        won = manager.list()
        started = [
            context.Process(target=advance_all, args=(path, salt, won.append))
            for salt in range(1, 4)
        ]
        for process in started:
            process.start()
        for process in started:
            process.join(60)
            assert process.exitcode == 0
        return list(won)


def in_threads(path: Path) -> list[tuple[int, str]]:
    won: list[tuple[int, str]] = []
    started = [
        threading.Thread(target=advance_all, args=(path, salt, won.append)) for salt in range(1, 5)
    ]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join(60)
    return won


@pytest.mark.parametrize("at_once", [in_threads, in_processes])
def test_however_many_mark_at_once_a_size_has_one_root(
    tmp_path: Path, at_once: Callable[[Path], list[tuple[int, str]]]
) -> None:
    won = at_once(tmp_path / "mark")

    roots = dict(won)
    assert len(roots) == len(won) <= 40
    last = Mark(tmp_path / "mark").read()
    assert last is not None
    assert (last.size, roots[last.size]) == (40, last.root.hex())
