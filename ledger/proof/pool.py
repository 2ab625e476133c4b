"""Checking many signatures: in this process, or in several.

The result is the same either way: the error of the entry with the smallest index.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from types import TracebackType
from typing import Self

from ledger.proof.errors import VerificationError
from ledger.proof.keys import verify
from ledger.proof.replay import Signed

CHUNK = 500


def first_bad(batch: Sequence[Signed]) -> int | None:
    """Return the place in `batch` of the first entry with a bad signature, or None."""
    for place, signed in enumerate(batch):
        try:
            _check(signed)
        except VerificationError:
            return place
    return None


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: nothing tells it otherwise."""
    threading.Thread(target=_outlive_nobody, daemon=True).start()


def _outlive_nobody() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _check(signed: Signed) -> None:
    for job in signed.jobs:
        verify(job.alg, public=job.public, signature=job.signature, message=job.message)


class SignaturePool:
    """Runs signature checks; a context, since it may hold processes."""

    def __init__(self, processes: int) -> None:
        """Use `processes` processes; 1 checks here."""
        self._executor = (
            ProcessPoolExecutor(processes, initializer=_end_with_parent) if processes > 1 else None
        )

    def __enter__(self) -> Self:
        """Enter."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the processes."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def check(self, batch: Sequence[Signed]) -> None:
        """Check the signatures of entries, given in order of index.

        Raises:
            VerificationError: The first entry's whose signature does not hold, by index.

        """
        pieces = [batch[start : start + CHUNK] for start in range(0, len(batch), CHUNK)]
        found = (
            map(first_bad, pieces)
            if self._executor is None
            else self._executor.map(first_bad, pieces)
        )
        for piece, place in zip(pieces, found, strict=True):
            if place is not None:
                _raise_again(piece[place])


def _raise_again(signed: Signed) -> None:
    """Check once more here: an error made in another process would lose its evidence."""
    try:
        _check(signed)
    except VerificationError as error:
        error.index, error.stream = signed.index, signed.stream
        raise
