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
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import connection, parent_process
from pathlib import Path
from types import TracebackType
from typing import ClassVar, NamedTuple, Self

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
        self._process: ProcessPoolExecutor | None = None
        if beside and known is not None and cores() > 1:
            begin = (key_file(house.folder, party), {self.key.key_id: known})
            self._process = ProcessPoolExecutor(1, initializer=_begin, initargs=begin)

    def start(self, part: Sequence[Command]) -> Finish:
        """Begin to sign and prepare some commands, in order."""
        if self._process is not None:
            try:
                future = self._process.submit(_sign_all, [command.raw for command in part])
            except BrokenExecutor:
                self._give_up()
            else:
                return lambda: self._take(part, future)
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
        if self._process is not None:
            self._process.shutdown(cancel_futures=True)
            self._process = None

    def _take(self, part: Sequence[Command], future: Future[list[Signed]]) -> list[Prepared]:
        try:
            signed = future.result()
        except BrokenExecutor:
            # Somebody ended it, or memory did: what it would have done is done here.
            self._give_up()
            return [self._here(command) for command in part]
        return [self._theirs(command, each) for command, each in zip(part, signed, strict=True)]

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
    """What the second process was given when it began."""

    key: ClassVar[LocalSigner]
    known: ClassVar[_Known]


def _begin(key: Path, keys: Keys) -> None:
    """Begin the second process."""
    # Ctrl-C reaches every process of a terminal; the first one says what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    codec.install()
    _Second.key, _Second.known = load_signer(key), _Known(keys)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        # Its end of this pipe closes even when it is killed.
        connection.wait([parent.sentinel])
        os._exit(1)


def _sign_all(commands: Sequence[bytes]) -> list[Signed]:
    """Sign commands and prepare each from its bytes, as the ledger does with any that arrives."""
    return [_sign(raw) for raw in commands]


def _sign(raw: bytes) -> Signed:
    sig = b64encode(_Second.key.sign(COMMAND_TAG + raw))
    found = prepare(Submission(raw, (sig,)), _Second.known)
    # A sealed value is opened by a disclosure, of which there are none here.
    return Signed(sig, found.fault is None and found.verified)
