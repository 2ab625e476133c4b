"""The signer's mark: one line, durable, never backward."""

from __future__ import annotations

from pathlib import Path

import pytest

from ledger.log.errors import MarkDamaged
from ledger.log.mark import Mark, Marked

ROOT = bytes(range(32))
LINE = f"17 {ROOT.hex()}\n"


def test_there_is_no_mark_before_the_first(tmp_path: Path) -> None:
    assert Mark(tmp_path / "mark").read() is None


def test_a_mark_is_one_line_of_size_and_root(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")

    mark.advance(Marked(17, ROOT))

    assert (tmp_path / "mark").read_bytes() == LINE.encode()
    assert mark.read() == Marked(17, ROOT)
    assert [path.name for path in tmp_path.iterdir()] == ["mark"]


def test_a_mark_only_goes_forward(tmp_path: Path) -> None:
    mark = Mark(tmp_path / "mark")
    mark.advance(Marked(17, ROOT))

    mark.advance(Marked(16, bytes(32)))
    mark.advance(Marked(17, bytes(32)))
    assert mark.read() == Marked(17, ROOT)

    mark.advance(Marked(18, bytes(32)))
    assert mark.read() == Marked(18, bytes(32))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not one line"),
        (LINE[:-1].encode(), "is not one line"),
        (LINE.encode() * 2, "is not one line"),
        (LINE.replace("17", "017").encode(), "is no size and root"),
        (LINE.replace("17", "-1").encode(), "is no size and root"),
        (LINE.replace(" ", "  ").encode(), "is no size and root"),
        (LINE.upper().encode(), "is no size and root"),
        (b"17 \xff\n", "is no size and root"),
        (LINE.encode() + bytes(100), "is not one line"),
    ],
)
def test_half_a_mark_is_an_error_and_not_the_absence_of_one(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "mark"
    path.write_bytes(content)

    with pytest.raises(MarkDamaged) as refused:
        Mark(path).read()

    assert (refused.value.file, refused.value.reason) == (str(path), reason)
    with pytest.raises(MarkDamaged):
        Mark(path).advance(Marked(99, ROOT))
    assert path.read_bytes() == content


def test_a_mark_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "mark").mkdir()

    with pytest.raises(MarkDamaged) as refused:
        Mark(tmp_path / "mark").read()

    assert refused.value.reason == "Is a directory"
