"""Who may write or read now, whatever the rules of the ledger say.

A party has a bucket of tokens; each command that it signed takes one, and they come back at a
steady rate. Only a command whose signatures hold, by a key that is the party's own, is counted: a
forged name spends nobody's tokens, and is refused by the rules anyway. Signed reads are counted
likewise, in buckets of their own.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Protocol, TypeVar

from ledger.errors import LedgerError, QuotaExceeded
from ledger.rules.commands import Command
from ledger.rules.state import Party, Stream
from ledger.rules.text import party_stream
from ledger.submission import Prepared

C_contra = TypeVar("C_contra", contravariant=True)

BUCKETS_KEPT = 10_000
_SECONDS_A_MINUTE = 60
# A token that came back in parts may lack the last of its binary digits.
_WHOLE = 1 - 1e-6


class Admission(Protocol[C_contra]):
    """Lets a prepared command in, or not."""

    def admit(self, prepared: C_contra) -> LedgerError | None:
        """Count a command, or return why it is not let in."""
        ...

    def take_back(self, prepared: C_contra) -> None:
        """Forget a command that was counted and could not be committed."""
        ...


class Streams(Protocol):
    """Knows the state of streams: `ledger.application.Ledger`."""

    def stream(self, name: str) -> Stream | None:
        """Return head and state of a stream as last committed, or None."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one party may write, or read.

    Attributes:
        per_minute: Commands, or requests, a minute in the long run, at least 1.
        burst: So many at once after a rest, at least 1.

    """

    per_minute: int
    burst: int


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at_s: float


class _Buckets:
    """A bucket of tokens for each party. For one thread at a time."""

    def __init__(self, quota: Quota, monotonic: Callable[[], float], kept: int) -> None:
        self._quota, self._monotonic, self._kept = quota, monotonic, kept
        self._rate = quota.per_minute / _SECONDS_A_MINUTE
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, party: str) -> int | None:
        """Take a token; where there is none, return in how many seconds there will be one."""
        bucket = self._filled(party)
        if bucket.tokens >= _WHOLE:
            bucket.tokens -= 1
            return None
        return max(1, ceil((1 - bucket.tokens) / self._rate))

    def give_back(self, party: str) -> None:
        # A token too many in a full bucket is lost.
        bucket = self._buckets.get(party)
        if bucket is not None:
            bucket.tokens = min(bucket.tokens + 1, float(self._quota.burst))

    def _filled(self, party: str) -> _Bucket:
        now_s = self._monotonic()
        bucket = self._buckets.pop(party, None) or _Bucket(float(self._quota.burst), now_s)
        gained = (now_s - bucket.at_s) * self._rate
        bucket.tokens = min(bucket.tokens + gained, float(self._quota.burst))
        bucket.at_s = now_s
        self._buckets[party] = bucket
        if len(self._buckets) > self._kept:
            self._buckets.popitem(last=False)
        return bucket


class WriteQuota:
    """Counts what every party writes. For one thread, like the writer that asks it."""

    def __init__(
        self,
        quota: Quota,
        streams: Streams,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        kept: int = BUCKETS_KEPT,
    ) -> None:
        """Begin with a full bucket for everybody.

        Args:
            quota: The same for every party.
            streams: Knows whose key is whose.
            monotonic: A clock in seconds that never goes back.
            kept: Most parties remembered; who wrote longest ago is forgotten first.

        """
        self._quota, self._streams = quota, streams
        self._buckets = _Buckets(quota, monotonic, kept)

    def __len__(self) -> int:
        return len(self._buckets)

    def admit(self, prepared: Prepared) -> QuotaExceeded | None:
        """Count a command of a party, or return why it must wait.

        Raises:
            DatabaseUnavailable: The party could not be looked up.

        """
        command = self._countable(prepared)
        if command is None:
            return None
        wait_s = self._buckets.take(command.by)
        if wait_s is None:
            return None
        return QuotaExceeded(
            "the party wrote more than it may; the command was not recorded",
            party=command.by,
            per_minute=self._quota.per_minute,
            burst=self._quota.burst,
            retry_after_s=wait_s,
        )

    def take_back(self, prepared: Prepared) -> None:
        """Give a token back for a command that could not be committed."""
        # Nobody is asked whose key it was: the database may be away now.
        if prepared.command is not None and prepared.verified:
            self._buckets.give_back(prepared.command.by)

    def _countable(self, prepared: Prepared) -> Command | None:
        command = prepared.command
        if command is None or not prepared.verified:
            return None
        found = self._streams.stream(party_stream(command.by))
        if found is None or not isinstance(found.state, Party):
            return None
        keys = [signer.key for signer in command.signers if signer.party == command.by]
        own = [found.state.key(key) for key in keys]
        return command if any(key is not None and not key.revoked for key in own) else None


class ReadQuota:
    """Counts what every party reads by signed requests. Safe to share between threads."""

    def __init__(
        self,
        quota: Quota,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        kept: int = BUCKETS_KEPT,
    ) -> None:
        """Begin with a full bucket for everybody; the arguments are those of `WriteQuota`."""
        self._quota = quota
        self._buckets = _Buckets(quota, monotonic, kept)
        self._lock = threading.Lock()

    def admit(self, party: str) -> None:
        """Count a request of a party, whose signature holds.

        Raises:
            QuotaExceeded: It must wait; `retry_after_s` says how long.

        """
        with self._lock:
            wait_s = self._buckets.take(party)
        if wait_s is not None:
            raise QuotaExceeded(
                "the party reads more than it may",
                party=party,
                per_minute=self._quota.per_minute,
                burst=self._quota.burst,
                retry_after_s=wait_s,
            )
