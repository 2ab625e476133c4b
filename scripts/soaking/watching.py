"""Samples of a serving process: what it holds, and how long its callers wait."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
import psutil

MIB = 1024 * 1024
_QUEUE = re.compile(r"^yinzheng_queue_commands (\S+)$", re.MULTILINE)
_P99 = 0.99


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at one moment.

    Attributes:
        at_s: Seconds since the load began.
        rss_mib: Resident memory of the server.
        files: Its open file descriptors, sockets too.
        threads: Its threads.
        connections: Sockets that it has open: callers, and the database server if there is one.
        wal_mib: SQLite's write-ahead log; 0 on PostgreSQL.
        queue: Commands that wait to be written.
        p99_ms: 99th percentile of the waits for a single receipt since the last sample.
        commands: Commands acknowledged so far.

    """

    at_s: float
    rss_mib: float
    files: int
    threads: int
    connections: int
    wal_mib: float
    queue: int
    p99_ms: float
    commands: int

    def line(self) -> str:
        """Write it for people."""
        return (
            f"{self.at_s:7.1f} s  {self.rss_mib:7.1f} MiB  files {self.files:3}  threads "
            f"{self.threads:3}  connections {self.connections:3}  log {self.wal_mib:5.1f} MiB  "
            f"queue {self.queue:4}  p99 {self.p99_ms:6.1f} ms  {self.commands} commands"
        )


class Watcher:
    """Looks at one server process."""

    def __init__(self, pid: int, url: str, wal: Path | None) -> None:
        """Watch a process.

        Args:
            pid: The server.
            url: Where it answers, for its own metrics.
            wal: SQLite's log; None on PostgreSQL.

        """
        self._process = psutil.Process(pid)
        self._url, self._wal = url, wal

    def look(self, at_s: float, waits_s: Sequence[float], commands: int) -> Sample:
        """Take one sample; raises `psutil.NoSuchProcess` when the server is gone."""
        with self._process.oneshot():
            return Sample(
                at_s=at_s,
                rss_mib=self._process.memory_info().rss / MIB,
                files=self._process.num_fds(),
                threads=self._process.num_threads(),
                connections=len(self._process.net_connections()),
                wal_mib=self._wal_bytes() / MIB,
                queue=self._queue(),
                p99_ms=1000 * p99(waits_s),
                commands=commands,
            )

    def _wal_bytes(self) -> int:
        return self._wal.stat().st_size if self._wal is not None and self._wal.exists() else 0

    def _queue(self) -> int:
        text = httpx2.get(f"{self._url}/metrics", timeout=30).text
        found = _QUEUE.search(text)
        return int(float(found.group(1))) if found else 0


def p99(waits_s: Sequence[float]) -> float:
    """Return the 99th percentile, 0 of nothing."""
    if not waits_s:
        return 0.0
    return sorted(waits_s)[math.ceil(_P99 * len(waits_s)) - 1]


def sample_until(
    done: Callable[[float], bool], every_s: float, take: Callable[[float], Sample]
) -> list[Sample]:
    """Take a sample each so many seconds until it is time to stop.

    Args:
        done: Whether to stop at so many seconds after the start.
        every_s: Seconds between two samples.
        take: Takes one, at so many seconds after the start.

    """
    samples: list[Sample] = []
    began_s = time.monotonic()
    while not done(passed_s := time.monotonic() - began_s):
        time.sleep(max(0.0, every_s * (len(samples) + 1) - passed_s))
        samples.append(take(time.monotonic() - began_s))
    return samples
