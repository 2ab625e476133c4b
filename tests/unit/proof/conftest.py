"""Every test of this room starts with cold caches, so that none leans on another's answer."""

from __future__ import annotations

import pytest

from ledger.proof import keys
from ledger.rules import curve


@pytest.fixture(autouse=True)
def _cold_caches() -> None:
    for cached in (keys._ed25519, keys._p256, curve._ed25519_fault, curve._p256_fault):
        cached.cache_clear()
