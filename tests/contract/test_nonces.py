"""A nonce is taken once, whoever asks and however many ask at once, and is forgotten in time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from sqlalchemy import func, select

from ledger.record.copying import copy_to_file
from ledger.record.database import open_engine, reading
from ledger.record.nonces import KEPT_US, NonceStore
from ledger.record.recorder import LedgerRecorder
from ledger.record.tables import REQUEST_NONCE
from tests.contract.making import fill

NOW = 1_795_000_000_000_000
SECOND = 1_000_000
RACERS = 8
# Another process: it says what became of each nonce that it is given.
OTHER = """
import sys
from ledger.record.database import open_engine
from ledger.record.nonces import NonceStore
store = NonceStore(open_engine(sys.argv[1]))
print("ready", flush=True)
for line in sys.stdin:
    won = store.spend("ann", line.strip(), created=int(sys.argv[2]), now=int(sys.argv[2]))
    print(int(won), flush=True)
"""


def rows(recorder: LedgerRecorder) -> int:
    with reading(recorder.engine) as connection:
        return int(connection.execute(select(func.count()).select_from(REQUEST_NONCE)).scalar_one())


def test_a_nonce_is_taken_once(recorder: LedgerRecorder) -> None:
    store = NonceStore(recorder.engine)

    assert store.spend("ann", "n1", created=NOW, now=NOW)
    assert not store.spend("ann", "n1", created=NOW, now=NOW)
    assert not store.spend("ann", "n1", created=NOW + SECOND, now=NOW + SECOND)


def test_each_party_has_nonces_of_its_own(recorder: LedgerRecorder) -> None:
    store = NonceStore(recorder.engine)

    assert store.spend("ann", "n1", created=NOW, now=NOW)
    assert store.spend("bob", "n1", created=NOW, now=NOW)
    assert store.spend("ann", "N1", created=NOW, now=NOW)


def test_a_second_server_knows_what_the_first_one_took(
    recorder: LedgerRecorder, database_url: str
) -> None:
    assert NonceStore(recorder.engine).spend("ann", "n1", created=NOW, now=NOW)

    other = open_engine(database_url)
    try:
        assert not NonceStore(other).spend("ann", "n1", created=NOW, now=NOW)
    finally:
        other.dispose()


def test_of_many_that_come_at_once_exactly_one_wins(
    recorder: LedgerRecorder, database_url: str
) -> None:
    engines = [open_engine(database_url) for _ in range(RACERS)]
    barrier, won = threading.Barrier(RACERS), []

    def race(number: int) -> None:
        store = NonceStore(engines[number])
        for nonce in range(10):
            barrier.wait()
            if store.spend("ann", f"n{nonce}", created=NOW, now=NOW):
                won.append(nonce)

    threads = [threading.Thread(target=race, args=[number]) for number in range(RACERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for engine in engines:
        engine.dispose()

    assert sorted(won) == list(range(10))


def test_of_two_processes_exactly_one_wins(recorder: LedgerRecorder, database_url: str) -> None:
    arguments = [sys.executable, "-c", OTHER, database_url, str(NOW)]
    processes = [
        subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    sides = [(each.stdin, each.stdout) for each in processes]
    won = []
    for said, heard in sides:
        assert said is not None
        assert heard is not None
        assert heard.readline() == "ready\n"
    for number in range(20):
        for said, _ in sides:
            assert said is not None
            print(f"n{number}", file=said, flush=True)
        answers = [heard.readline() for _, heard in sides if heard is not None]
        won.append(sum(map(int, answers)))
    for each in processes:
        each.communicate(timeout=30)

    assert won == [1] * 20


def test_old_nonces_are_forgotten_and_young_ones_kept(recorder: LedgerRecorder) -> None:
    store = NonceStore(recorder.engine)
    store.spend("ann", "old", created=NOW, now=NOW)
    store.spend("ann", "young", created=NOW + 61 * SECOND, now=NOW + 61 * SECOND)

    later = NOW + KEPT_US + 1
    store.spend("ann", "new", created=later, now=later)

    assert rows(recorder) == 2
    assert store.spend("ann", "old", created=later, now=later)
    assert not store.spend("ann", "young", created=later, now=later)


def test_a_clock_that_is_minutes_ahead_forgets_nothing_that_another_would_take(
    recorder: LedgerRecorder,
) -> None:
    slow, fast = NonceStore(recorder.engine), NonceStore(recorder.engine)
    assert slow.spend("ann", "n1", created=NOW + 60 * SECOND, now=NOW)

    ahead = NOW + 600 * SECOND
    fast.spend("bob", "n2", created=ahead, now=ahead)

    assert not slow.spend("ann", "n1", created=NOW + 60 * SECOND, now=NOW + 120 * SECOND)


def test_no_backup_holds_a_nonce(recorder: LedgerRecorder, tmp_path: Path) -> None:
    fill(recorder, 3)
    NonceStore(recorder.engine).spend("ann", "a-nonce-to-look-for", created=NOW, now=NOW)
    path = tmp_path / "copy.sqlite"

    copy_to_file(recorder.engine, path)

    copy = open_engine(f"sqlite:///{path}")
    assert rows(LedgerRecorder(copy)) == 0
    assert LedgerRecorder(copy).head().size == 3
    copy.dispose()
    assert b"a-nonce-to-look-for" not in path.read_bytes()
