"""Errors of the projections. Whatever happens, rows and position still belong together.

ProjectionError
├── LogUnreadable     an entry is missing or out of place; the views stop before it
├── ViewsDamaged      the stored rows are not those that a view would hold: rebuild
└── ViewBehind        a question about entries that the views have not reached

An event type that this version does not know stops the views with
`ledger.domain.stream.UnknownEventType`, which names it.
"""

from __future__ import annotations

from typing import ClassVar


class ProjectionError(Exception):
    """Base of every error that the projections raise on purpose."""

    code: ClassVar[str] = "projection-error"


class LogUnreadable(ProjectionError):
    """The entry at `index` cannot be projected; the views stand before it and stay there."""

    code = "log-unreadable"

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"entry {index} cannot be projected: {reason}; run `yinzheng audit`")
        self.index = index
        self.reason = reason


class ViewsDamaged(ProjectionError):
    """The stored rows contradict the position; nothing was changed, a rebuild mends it."""

    code = "views-damaged"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the views are damaged: {reason}; run `yinzheng rebuild`")
        self.reason = reason


class ViewBehind(ProjectionError):
    """The views have come to `size`, the question was about `wanted` entries."""

    code = "view-behind"

    def __init__(self, *, size: int, wanted: int) -> None:
        super().__init__(f"the views show {size} entries, {wanted} were asked for; catch up first")
        self.size = size
        self.wanted = wanted
