"""The verifier as it comes: with nothing but the standard library's JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from ledger.rules import canonical


@contextmanager
def without_acceleration() -> Iterator[None]:
    """Read and write JSON by the standard library, whatever this process brought along."""
    with patch.multiple(canonical._Fast, loads=None, dumps=None):
        yield
