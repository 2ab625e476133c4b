"""What is told of every batch: to the metrics, and to the log."""

from __future__ import annotations

from api.logs import logger
from api.metrics import Metrics
from ledger.application import Accepted
from ledger.observer import Committed

_LOG = logger("writer")


class BatchLog:
    """Counts batches and logs them: those that failed always, the others for who looks closely."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def committed(self, batch: Committed) -> None:
        """Take note of a batch that was committed, or failed."""
        self._metrics.committed(batch)
        took_ms = round(batch.commit_s * 1000, 3)
        if batch.failure is not None:
            _LOG.error(
                "commit-failed", commands=batch.commands, took_ms=took_ms, error=batch.failure
            )
            return
        accepted = sum(isinstance(outcome, Accepted) for outcome in batch.outcomes)
        _LOG.debug("committed", commands=batch.commands, accepted=accepted, took_ms=took_ms)
