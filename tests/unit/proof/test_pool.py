"""Signatures checked here or in several processes: the same answer, the smallest index first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest

from ledger.proof import pool as pools
from ledger.proof.errors import BadSignature, VerificationError
from ledger.proof.pool import CHUNK, SignaturePool, first_bad
from ledger.proof.replay import Signed
from ledger.proof.signatures import SignatureJob
from tests.unit.proof.signing import LOG_KEY, LOG_PUBLIC, P256_PUBLIC, p256_sign

MESSAGE = b"message"
GOOD = SignatureJob("ed25519", LOG_PUBLIC, LOG_KEY.sign(MESSAGE), MESSAGE)
OTHER = SignatureJob("p256", P256_PUBLIC, p256_sign(MESSAGE), MESSAGE)
BAD = SignatureJob("ed25519", LOG_PUBLIC, bytes(64), MESSAGE)
WRONG_KEY = SignatureJob("p256", LOG_PUBLIC, p256_sign(MESSAGE), MESSAGE)


def signed(index: int, *jobs: SignatureJob) -> Signed:
    return Signed(index, f"party/{index}", jobs)


def batch(*bad: int, size: int = 10) -> list[Signed]:
    return [signed(100 + at, GOOD, BAD if at in bad else OTHER) for at in range(size)]


def test_the_place_of_the_first_bad_one_is_found() -> None:
    assert first_bad([]) is None
    assert first_bad(batch()) is None
    assert first_bad(batch(0, 5)) == 0
    assert first_bad(batch(7, 5)) == 5
    assert first_bad([signed(0), signed(1, WRONG_KEY)]) == 1


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("bad", [(0,), (4, 9), (9,), (3, 2)])
def test_the_first_bad_entry_is_named(
    monkeypatch: pytest.MonkeyPatch, processes: int, bad: tuple[int, ...]
) -> None:
    monkeypatch.setattr(pools, "CHUNK", 3)
    with SignaturePool(processes) as pool, pytest.raises(BadSignature) as caught:
        pool.check(batch(*bad))

    error, index = caught.value, 100 + min(bad)
    assert (error.index, error.stream) == (index, f"party/{index}")
    assert (error.step, error.found) == ("signature", bytes(64))
    assert error.message == "the ed25519 signature does not hold"


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_good_signatures_pass(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    monkeypatch.setattr(pools, "CHUNK", 4)
    with SignaturePool(processes) as pool:
        pool.check([])
        pool.check(batch())
        pool.check(batch(size=8))


def test_only_several_processes_are_started() -> None:
    with SignaturePool(1) as one, SignaturePool(2) as two:
        assert one._executor is None
        assert two._executor is not None
        assert two._executor._max_workers == 2
        ended = two._executor
    with pytest.raises(RuntimeError, match="after shutdown"):
        ended.submit(first_bad, [])
    with SignaturePool(3) as three:
        assert three._executor is not None
        assert three._executor._max_workers == 3


class Recorder:
    """Runs pieces here, as an executor would elsewhere, and keeps them."""

    def __init__(self) -> None:
        self.pieces: list[list[int]] = []

    def map(
        self, run: Callable[[Sequence[Signed]], int | None], pieces: Iterable[Sequence[Signed]]
    ) -> Iterator[int | None]:
        for piece in pieces:
            self.pieces.append([each.index for each in piece])
            yield run(piece)


def test_several_processes_get_pieces_that_do_not_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "CHUNK", 4)
    recorder = Recorder()
    pool = SignaturePool(1)
    monkeypatch.setattr(pool, "_executor", recorder)
    pool.check(batch())

    assert recorder.pieces == [[100, 101, 102, 103], [104, 105, 106, 107], [108, 109]]


def test_an_error_inside_ends_the_processes_and_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), SignaturePool(2) as pool:  # noqa: PT012
        ended = pool._executor
        raise ZeroDivisionError
    assert ended is not None
    with pytest.raises(RuntimeError, match="after shutdown"):
        ended.submit(first_bad, [])


KILLED = """
import os, signal, time
from ledger.proof.pool import SignaturePool

executor = SignaturePool(2)._executor
for waiting in [executor.submit(time.sleep, 0.1) for _ in range(2)]:
    waiting.result()
print(len(executor._processes), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_processes_end_when_the_one_that_started_them_is_killed() -> None:
    """They hold its stdout: as long as one of them lives, there is no end to read."""
    killed = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        out, _ = killed.communicate(timeout=20)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(killed.pid, signal.SIGKILL)

    assert (killed.returncode, out) == (-signal.SIGKILL, b"2\n")


def test_each_process_watches_the_one_that_started_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same step by step: a thread that keeps nobody alive waits, then ends the process."""
    seen: list[object] = []

    class Watching:
        def __init__(self, *, target: object, daemon: bool) -> None:
            seen.append((target, daemon))

        def start(self) -> None:
            seen.append("started")

    class Parent:
        def join(self) -> None:
            seen.append("ended")

    monkeypatch.setattr(pools.threading, "Thread", Watching)
    monkeypatch.setattr(pools.multiprocessing, "parent_process", Parent)
    monkeypatch.setattr(pools.os, "_exit", seen.append)

    with SignaturePool(2) as pool:
        executor: Any = pool._executor
        executor._initializer()
    pools._outlive_nobody()

    assert seen == [(pools._outlive_nobody, True), "started", "ended", 1]


def test_a_process_that_nobody_started_watches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[int] = []
    monkeypatch.setattr(pools.multiprocessing, "parent_process", lambda: None)
    monkeypatch.setattr(pools.os, "_exit", ended.append)

    pools._outlive_nobody()

    assert ended == []


def test_waiting_checks_are_not_run_once_the_answer_is_known() -> None:
    """Leaving cancels what has not begun: a bad signature early ends a long audit early."""
    work = batch(size=CHUNK)
    with SignaturePool(2) as pool:
        executor = pool._executor
        assert executor is not None
        waiting = [executor.submit(first_bad, work) for _ in range(12)]
    assert any(each.cancelled() for each in waiting)


def test_a_key_that_cannot_be_used_is_named_too() -> None:
    with SignaturePool(1) as pool, pytest.raises(VerificationError) as caught:
        pool.check([signed(7, WRONG_KEY)])

    assert (caught.value.index, caught.value.message) == (7, "the public key is no p256 key")
