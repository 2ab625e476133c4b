"""When Python looks for cycles: seldom, since a ledger makes few, and many short-lived values.

A batch makes thousands of tuples and dictionaries that die with it. By default the collector walks
what lives after every 700 of them, which costs a tenth of an append and finds nothing.
"""

from __future__ import annotations

import gc
from typing import Final

_THRESHOLDS: Final = (50_000, 20, 100)


def collect_seldom() -> None:
    """Set the collector of this process once, after its modules are loaded."""
    gc.set_threshold(*_THRESHOLDS)
    # What is loaded by now stays to the end.
    gc.freeze()
