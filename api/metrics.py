"""What a monitor may count: figures of one serving process, in OpenMetrics.

Labels come from small closed sets (codes of errors, steps, views): no party, item or address is
ever one, so that neither memory nor anybody's privacy depends on who comes by.
Specification: openmetrics.io, version 1.0.0.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.exposition import generate_latest as plain_text
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from api.errors import TREES, InternalError
from api.house import House
from ledger.application import Accepted, Outcome
from ledger.observer import Committed, Load
from ledger.record.errors import RecordError
from projections.errors import ProjectionError

_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_COMMANDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_OPENMETRICS = "application/openmetrics-text"
_PLAIN = "text/plain"


class Metrics:
    """Counters and histograms of one application, and gauges that are read when asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._commit = Histogram(
            "yinzheng_commit_seconds",
            "Deciding and committing one batch.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._receipt = Histogram(
            "yinzheng_receipt_seconds",
            "From the arrival of a request's commands to their durable outcome.",
            registry=self.registry,
            buckets=_SECONDS,
        )
        self._batch = Histogram(
            "yinzheng_batch_commands",
            "Commands of one batch.",
            registry=self.registry,
            buckets=_COMMANDS,
        )
        self._commands = self._counter(
            "commands", "Commands by outcome: accepted, again, or the code of a refusal.", "outcome"
        )
        self._failures = self._counter("commit_failures", "Batches that failed, by code.", "code")
        self._problems = self._counter(
            "problems", "Requests answered with a problem, by code.", "code"
        )
        self._keeper = self._counter(
            "keeper_failures", "Background steps that failed.", "step", "code"
        )

    def committed(self, batch: Committed) -> None:
        """Take note of a batch."""
        self._batch.observe(batch.commands)
        self._commit.observe(batch.commit_s)
        for wait_s in batch.waits_s:
            self._receipt.observe(wait_s)
        for outcome in batch.outcomes:
            self._commands.labels(_outcome(outcome)).inc()
        if batch.failure is not None:
            self._failures.labels(code_of(batch.failure)).inc()

    def problem(self, code: str) -> None:
        """Take note of a request that was answered with a problem."""
        self._problems.labels(code).inc()

    def keeper_failed(self, step: str, error: Exception) -> None:
        """Take note of a background step that failed."""
        self._keeper.labels(step, code_of(error)).inc()

    def watch(
        self, house: House, load: Callable[[], Load], failing: Callable[[], Iterable[str]]
    ) -> None:
        """Show the state of a ledger too, as it is at each look.

        Args:
            house: An open ledger.
            load: Tells what waits to be written.
            failing: Tells which background steps fail now, by name.

        """
        self.registry.register(_State(house, load, failing))

    def render(self, accept: str) -> tuple[bytes, str]:
        """Write everything down; blocks, because it reads the database.

        Args:
            accept: The request's `Accept`.

        Returns:
            The text and its media type: OpenMetrics, or Prometheus' older form for who asks for
            plain text only.

        """
        if _PLAIN in accept and _OPENMETRICS not in accept:
            return plain_text(self.registry), CONTENT_TYPE_PLAIN_0_0_4
        text: bytes = generate_latest(self.registry)  # type: ignore[no-untyped-call] # theirs
        return text, CONTENT_TYPE_LATEST

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"yinzheng_{name}", words, labels, registry=self.registry)


class _State(Collector):
    """Gauges: how large the log is, what lags behind it, what waits, and how much room is left."""

    def __init__(
        self, house: House, load: Callable[[], Load], failing: Callable[[], Iterable[str]]
    ) -> None:
        self._house, self._load, self._failing = house, load, failing

    def describe(self) -> Iterable[Metric]:
        """Name nothing beforehand: that would read the database at the start."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Read everything anew."""
        load = self._load()
        yield _gauge("queue_commands", "Commands that wait to be written.", load.commands)
        yield _gauge("queue_bytes", "Bytes of commands that wait to be written.", load.bytes_)
        yield _gauge("queue_oldest_seconds", "Age of what waits longest.", load.age_s)
        yield from self._log()
        steps = GaugeMetricFamily(
            "yinzheng_keeper_failing", "1 while a background step fails.", labels=["step"]
        )
        for step in self._failing():
            steps.add_metric([step], 1)
        yield steps
        yield from self._disk()

    def _log(self) -> Iterator[Metric]:
        reader = self._house.reader
        try:
            size, published = reader.size(), reader.published_size()
            shown = self._house.runner.positions()
        except (RecordError, ProjectionError):
            # The other figures are worth having just then.
            yield _gauge("database_up", "1 when the database answers.", 0)
            return
        yield _gauge("database_up", "1 when the database answers.", 1)
        yield _gauge("log_entries", "Entries of the log.", size)
        yield _gauge("published_entries", "Entries that the latest checkpoint covers.", published)
        yield _gauge("publish_lag_entries", "Entries without a checkpoint.", size - published)
        lag = GaugeMetricFamily(
            "yinzheng_projection_lag_entries", "Entries that a view lacks.", labels=["view"]
        )
        for view, position in sorted(shown.items()):
            lag.add_metric([view], max(0, size - position))
        yield lag

    def _disk(self) -> Iterator[Metric]:
        folder, engine = self._house.folder, self._house.recorder.engine
        if engine.dialect.name == "sqlite":
            file = Path(engine.url.database or "")
            folder = file.parent
            with suppress(OSError):
                wal = file.with_name(f"{file.name}-wal")
                yield _gauge("wal_bytes", "SQLite's write-ahead log.", wal.stat().st_size)
        with suppress(OSError):
            free = shutil.disk_usage(folder).free
            yield _gauge("disk_free_bytes", "Free space beside the ledger.", free)


def code_of(error: BaseException) -> str:
    """Name an error by its code; all that are not ours by the one of a bug."""
    return error.code if isinstance(error, TREES) else InternalError.code


def _outcome(outcome: Outcome) -> str:
    if isinstance(outcome, Accepted):
        return "again" if outcome.again else "accepted"
    return code_of(outcome)


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(f"yinzheng_{name}", words, value)
