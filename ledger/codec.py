"""The JSON library of the serving side: orjson, for what it reads and writes like the standard one.

The rules and the verifier need nothing but the standard library; a process that writes or publishes
brings this one along. Where the two could differ, the standard library decides (see
`ledger.rules.canonical.accelerate`).
"""

from __future__ import annotations

from functools import partial

import orjson

from ledger.rules.canonical import accelerate


def install() -> None:
    """Use orjson for canonical JSON in this process from now on."""
    accelerate(orjson.loads, partial(orjson.dumps, option=orjson.OPT_SORT_KEYS))
