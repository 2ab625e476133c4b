"""The notice book: one command id for one transaction, whoever asks, whatever was lost."""

from __future__ import annotations

import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.record.errors import NoticesUnavailable
from ledger.record.notices import Held, NoticeBook, Seen

PEPPER = bytes(range(32))
TRANSACTION = "4200000001202611230000000001"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "notices.sqlite"


@pytest.fixture
def book(path: Path) -> Iterator[NoticeBook]:
    opened = NoticeBook(path, PEPPER)
    yield opened
    opened.close()


def test_the_first_id_is_kept(book: NoticeBook) -> None:
    assert book.reserve("wechat", TRANSACTION, "first") == Held("first", None, refunded=False)
    assert book.reserve("wechat", TRANSACTION, "second") == Held("first", None, refunded=False)


def test_providers_number_for_themselves(book: NoticeBook) -> None:
    book.reserve("wechat", "1", "first")

    assert book.reserve("alipay", "1", "second").command_id == "second"
    # No two of them are run together.
    assert book.reserve("wechat1", "", "third").command_id == "third"


def test_a_book_is_kept_over_a_restart(book: NoticeBook, path: Path) -> None:
    book.reserve("wechat", TRANSACTION, "first")
    book.close()
    again = NoticeBook(path, PEPPER)

    assert again.reserve("wechat", TRANSACTION, "second").command_id == "first"
    again.close()


def test_many_at_once_get_one_id(path: Path) -> None:
    books = [NoticeBook(path, PEPPER) for _ in range(4)]
    found: list[Held] = []
    start = threading.Barrier(16)

    def ask(number: int) -> None:
        start.wait()
        found.append(books[number % 4].reserve("alipay", TRANSACTION, f"id-{number}"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == 1
    for each in books:
        each.close()


def test_what_the_log_holds_is_learned(book: NoticeBook) -> None:
    book.reserve("wechat", "1", "mine")
    book.reserve("wechat", "2", "mine too")
    seen = [Seen("wechat", "1", "mine", 7), Seen("wechat", "2", "by hand", 8)]
    book.learn([*seen, Seen("wechat", "2", "again", 9)], size=10)

    assert book.known(12) == 10
    assert book.reserve("wechat", "1", "x") == Held("mine", 7, refunded=False)
    assert book.reserve("wechat", "2", "x") == Held("by hand", 8, refunded=False)


def test_what_is_learned_late_does_not_step_back(book: NoticeBook) -> None:
    book.learn([], size=10)
    book.learn([], size=4)

    assert book.known(10) == 10


def test_what_a_log_lost_may_be_recorded_again_under_its_id(book: NoticeBook) -> None:
    book.learn([Seen("wechat", "1", "kept", 3), Seen("wechat", "2", "lost", 8)], size=10)

    assert book.known(8) == 8
    assert book.reserve("wechat", "1", "x") == Held("kept", 3, refunded=False)
    assert book.reserve("wechat", "2", "x") == Held("lost", None, refunded=False)


def test_a_refund_is_remembered_before_and_after_its_payment(book: NoticeBook) -> None:
    book.learn([Seen("wechat", "1", "paid", 3)], size=4)

    assert book.refund("wechat", "1", "x") == Held("paid", 3, refunded=True)
    assert book.refund("wechat", "2", "early") == Held("early", None, refunded=True)
    assert book.reserve("wechat", "2", "x") == Held("early", None, refunded=True)


def test_a_book_under_another_pepper_is_begun_anew(book: NoticeBook, path: Path) -> None:
    book.learn([Seen("wechat", "1", "first", 3)], size=4)
    book.close()
    again = NoticeBook(path, PEPPER[::-1])

    assert again.known(4) == 0
    assert again.reserve("wechat", "1", "second") == Held("second", None, refunded=False)
    again.close()


def test_no_number_stands_in_the_file_and_nobody_else_reads_it(
    book: NoticeBook, path: Path
) -> None:
    book.reserve("wechat", TRANSACTION, "first")
    book.close()

    assert TRANSACTION.encode() not in path.read_bytes()
    assert b"wechat" not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {each.name for each in path.parent.iterdir()} == {path.name}


def test_a_file_that_is_no_book_is_refused_and_kept(path: Path) -> None:
    path.write_bytes(b"not a database, but somebody's notes" * 100)
    before = path.read_bytes()

    with pytest.raises(NoticesUnavailable, match="SQLITE_NOTADB"):
        NoticeBook(path, PEPPER)
    assert path.read_bytes() == before


def test_a_book_in_a_folder_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(NoticesUnavailable, match="No such file"):
        NoticeBook(tmp_path / "gone" / "notices.sqlite", PEPPER)
