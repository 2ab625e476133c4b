"""A subscription that polls the head: the same on every database, and it stops cleanly.

The size of the head moves in the same commit as the entries, so following it skips nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Event
from typing import Final

from eventsourcing.persistence import ApplicationRecorder, Notification, Subscription

_POLL_SECONDS: Final = 0.05
_CHUNK: Final = 500


class PollingSubscription(Subscription[ApplicationRecorder]):
    """Iterator of notifications that waits at the end of the log for new ones."""

    def __init__(
        self,
        recorder: ApplicationRecorder,
        gt: int | None = None,
        topics: Sequence[str] = (),
    ) -> None:
        super().__init__(recorder=recorder, gt=gt, topics=topics)
        self._seen = gt or 0
        self._ready: deque[Notification] = deque()
        self._stopping = Event()

    def stop(self) -> None:
        """Stop the iteration, from any thread; a waiting reader wakes up at once."""
        super().stop()
        self._stopping.set()

    def __next__(self) -> Notification:
        """Return the next notification, waiting for it; StopIteration once stopped."""
        while not self._stopping.is_set():
            if self._ready:
                return self._ready.popleft()
            if not self._read_on():
                self._stopping.wait(_POLL_SECONDS)
        raise StopIteration

    def _read_on(self) -> bool:
        """Read up to the head; return False when there was nothing new."""
        size = self._recorder.max_notification_id() or 0
        if size <= self._seen:
            return False
        found = self._recorder.select_notifications(
            start=self._seen,
            limit=_CHUNK,
            stop=size,
            topics=self._topics,
            inclusive_of_start=False,
        )
        self._ready.extend(found)
        # A short chunk means that the rest, up to the head, is of other topics.
        self._seen = found[-1].id if len(found) == _CHUNK else size
        return True
