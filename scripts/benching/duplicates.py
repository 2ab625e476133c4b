"""What it costs to tell whether a card key was registered before, in a large index and a small one.

A check is all that an upload does to find out: the key's one spelling, its fingerprint, the look
into the index and, for a new key, its reservation, in batches of one durable transaction. Half of
the keys are new, half are known; all fall anywhere, as fingerprints do.
"""

from __future__ import annotations

import os
from contextlib import closing
from functools import partial
from hashlib import sha256
from itertools import count

from benching.bench import Bench
from benching.cores import pinned
from benching.market import BATCH
from benching.turns import Turn, Turns, timed
from ledger.cards.fingerprints import Peppers
from ledger.cards.index import CardIndex, Claim
from ledger.errors import CardDuplicate
from ledger.keyfiles import KeyFiles

LARGE, SMALL = 1_000_000, 10_000
BATCHES_A_TURN = 4
PRODUCT = "gift-cards"
# It has no factor in common with either size: known keys come from anywhere, each in its turn.
STEP = 7_919
_NOW, _LATER = 1_000_000, 2_000_000
_CARD = "INSERT INTO card VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FINGERPRINT = "INSERT INTO fingerprint VALUES (?, ?, ?)"
_CODE = "INSERT INTO code VALUES (?, ?, ?)"


def checks(bench: Bench) -> Turns:
    """Check keys, half of them known, against both indexes."""
    number = bench.some(BATCH, least=4)
    with (
        closing(Side(bench, bench.some(LARGE, least=16))) as large,
        closing(Side(bench, bench.some(SMALL, least=16))) as small,
    ):
        while True:
            batches = [
                [side.batch(number) for _ in range(BATCHES_A_TURN)] for side in (large, small)
            ]
            ours, base = (
                timed(partial(side.check, each), BATCHES_A_TURN * number)
                for side, each in zip((large, small), batches, strict=True)
            )
            yield Turn(ours=ours, base=base, units=BATCHES_A_TURN * number)


class Side:
    """An index of confirmed keys, and keys to ask it for; made outside every clock."""

    def __init__(self, bench: Bench, known: int) -> None:
        folder = bench.place("index")
        self._peppers = Peppers(KeyFiles(folder, random=os.urandom))
        self._peppers.add()
        self._index = CardIndex(folder / "index.sqlite")
        self._old = (number * STEP % known for number in count())
        self._new = count(known)
        with pinned(None):
            self._fill(known)

    def close(self) -> None:
        """Close the index."""
        self._index.close()

    def batch(self, number: int) -> list[int]:
        """Choose keys: a known one, a new one, and so on."""
        return [each for _ in range(number // 2) for each in (next(self._old), next(self._new))]

    def check(self, batches: list[list[int]]) -> None:
        """Reserve what is new, and be refused what is known.

        Raises:
            AssertionError: It was not half and half: nothing was measured.

        """
        for batch in batches:
            refused = 0
            with self._index.writing():
                for number in batch:
                    try:
                        self._index.reserve(self._claim(number), now=_NOW, is_recorded=_never)
                    except CardDuplicate:
                        refused += 1
            if refused != len(batch) // 2:
                message = f"{refused} of {len(batch)} keys were known"
                raise AssertionError(message)

    def _fill(self, known: int) -> None:
        claims = [self._claim(number, "earlier") for number in range(known)]
        cards = ((at, *claim[1:7], at) for at, claim in enumerate(claims))
        found = sorted((*each, at) for at, claim in enumerate(claims) for each in claim[0])
        codes = sorted((*each, at) for at, claim in enumerate(claims) for each in claim.codes)
        with self._index.writing():
            self._index._connection.executemany(_CARD, cards)
            self._index._connection.executemany(_FINGERPRINT, found)
            self._index._connection.executemany(_CODE, codes)
        self._index._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _claim(self, number: int, when: str = "now") -> Claim:
        return Claim(
            self._peppers.fingerprints(PRODUCT, f"GIFT-{number:012}-CARD"),
            f"shop-cards/{number:026}",
            "shop",
            f"{number:036}",
            sha256(f"{when}/{number}".encode()).digest(),
            _LATER,
            codes=self._peppers.code_fingerprints(f"{when}/{number}"),
        )


def _never(_by: str, _id: str, _digest: bytes) -> bool:
    raise AssertionError
