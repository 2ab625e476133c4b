"""Signing what an import planned, and preparing what was signed: here, or in a second process.

Signing and verifying are a third of an import, and need nothing of the rest. Threads share that out
badly: after every signature one would wait for the other to give up the interpreter. So a long
import has a process that signs one part, and prepares it as the ledger does, while this one plans
the next part and commits an earlier one. It ends with this one, however this one ends.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import NamedTuple, Self

from api.custody import key_file
from api.house import House
from ledger import codec
from ledger.crashpoints import CrashPoint, reach
from ledger.record.keys import KeyDirectory
from ledger.rules.commands import Command
from ledger.rules.digests import COMMAND_TAG
from ledger.rules.kinds import kind_of
from ledger.rules.text import b64encode
from ledger.signer import LocalSigner, load_signer
from ledger.submission import Prepared, Submission, prepare

Keys = dict[str, tuple[str, bytes]]
Finish = Callable[[], list[Prepared]]
"""Waits for a part and returns its submissions, prepared, in its order."""


class Signed(NamedTuple):
    """A signature by the second process, and whether it found nothing wrong with the submission."""

    sig: str
    in_order: bool


class SigningRoom:
    """Signs and prepares commands of one party that signs alone; a context."""

    def __init__(self, house: House, party: str, *, beside: bool) -> None:
        """Sign with a key of the ledger's folder.

        Args:
            house: The ledger; the party's key is registered in it.
            party: The name of the key's file.
            beside: Use a second process, if there is a core for it.

        Raises:
            KeyFileInvalid: The key cannot be read.

        """
        self._ledger, self.key = house.ledger, house.signer(party)
        # What the log says the key is, not what the file says: the submission is held against it.
        known = KeyDirectory(house.recorder).find(self.key.key_id)
        self._second: _Second | None = None
        if beside and known is not None and cores() > 1:
            self._second = _Second(key_file(house.folder, party), {self.key.key_id: known})

    def start(self, part: Sequence[Command]) -> Finish:
        """Begin to sign and prepare some commands, in order; what is begun first ends first."""
        if self._second is not None:
            try:
                self._second.pipe.send([command.raw for command in part])
            except OSError:
                self._give_up()
            else:
                return lambda: self._take(part)
        done = [self._here(command) for command in part]
        return lambda: done

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._give_up()

    def _give_up(self) -> None:
        if self._second is not None:
            self._second.end()
            self._second = None

    def _take(self, part: Sequence[Command]) -> list[Prepared]:
        if self._second is not None:
            try:
                signed: list[Signed] = self._second.pipe.recv()
            except (EOFError, OSError):
                self._give_up()
            else:
                return [self._theirs(*each) for each in zip(part, signed, strict=True)]
        # Somebody ended it, or memory did: what it would have done is done here.
        return [self._here(command) for command in part]

    def _here(self, command: Command) -> Prepared:
        sig = b64encode(self.key.sign(command.message))
        return self._ledger.prepare(Submission(command.raw, (sig,)), command=command)

    def _theirs(self, command: Command, signed: Signed) -> Prepared:
        submission = Submission(command.raw, (signed.sig,))
        if not signed.in_order:
            # Once more here, for what is wrong with it.
            return self._ledger.prepare(submission, command=command)
        reach(CrashPoint.VERIFIED)
        return Prepared(submission, command, None, kind_of(command.kind), verified=True)


def cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class _Known:
    """The one key that the second process verifies with."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def find(self, key_id: str) -> tuple[str, bytes] | None:
        return self._keys.get(key_id)


class _Second:
    """The second process, and this end of the pipe to it."""

    def __init__(self, key: Path, keys: Keys) -> None:
        self.pipe, theirs = Pipe()
        self._process = Process(target=_work, args=(theirs, self.pipe, key, keys), daemon=True)
        self._process.start()
        theirs.close()

    def end(self) -> None:
        """Let it end: it does when this end of the pipe closes."""
        self.pipe.close()
        self._process.join()


def _work(pipe: Connection, other_end: Connection, key: Path, keys: Keys) -> None:
    """Do the work of the second process."""
    # Its copy of the first one's end would keep the pipe open when the first one is gone.
    other_end.close()
    # Ctrl-C reaches every process of a terminal; the first one says what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    codec.install()
    signer, known = load_signer(key), _Known(keys)
    waiting: SimpleQueue[list[bytes]] = SimpleQueue()
    threading.Thread(target=_read, args=(pipe, waiting), daemon=True).start()
    while True:
        pipe.send([_sign(raw, signer, known) for raw in waiting.get()])


def _read(pipe: Connection, waiting: SimpleQueue[list[bytes]]) -> None:
    """Take in what arrives at once, so that the first process never waits to hand something in."""
    try:
        while True:
            waiting.put(pipe.recv())
    except (EOFError, OSError):
        # The first process wants no more, or was killed.
        os._exit(0)


def _sign(raw: bytes, signer: LocalSigner, known: _Known) -> Signed:
    """Sign a command, and prepare it from its bytes as the ledger does with any that arrives."""
    sig = b64encode(signer.sign(COMMAND_TAG + raw))
    found = prepare(Submission(raw, (sig,)), known)
    # A sealed value is opened by a disclosure, of which there are none here.
    return Signed(sig, found.fault is None and found.verified)
