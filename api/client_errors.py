"""Errors of the client.

ClientError
├── ProblemAnswer       the server said no, with a problem document; nothing was recorded
├── NotReached          the request got no answer; nothing was sent that could be recorded
├── OutcomeUnknown      the command may or may not be recorded: send the same bytes again
├── StrangeAnswer       the server answered something that is not of this API
├── OtherLog            the server serves another log than the one that was pinned
└── ReceiptRefused      the receipt, or what stands under it, is not what was signed
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.actors import Prepared


class ClientError(Exception):
    """Base of every error that the client raises on purpose."""


class ProblemAnswer(ClientError):
    """The server said no.

    Attributes:
        problem: The whole problem document.
        status: HTTP status.
        code: Stable name of the problem.
        evidence: The values that decided.
        retryable: The very same request may be accepted later.

    """

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(f"{problem.get('code')}: {problem.get('detail')}")
        self.problem = dict(problem)
        self.status = int(problem.get("status", 0))
        self.code = str(problem.get("code"))
        self.evidence: dict[str, Any] = dict(problem.get("evidence") or {})
        self.retryable = bool(problem.get("retryable"))


class NotReached(ClientError):
    """No answer came to a request that changes nothing."""


class OutcomeUnknown(ClientError):
    """Nobody knows yet whether the command was recorded.

    Attributes:
        prepared: Hand it to `LedgerClient.send` again. Never sign another in its place before
            its `not_after` has passed: both might be recorded.

    """

    def __init__(self, reason: str, prepared: Prepared) -> None:
        super().__init__(f"the outcome is unknown ({reason}): send the same bytes again")
        self.prepared = prepared


class StrangeAnswer(ClientError):
    """The server's answer is not one of this API."""


class OtherLog(ClientError):
    """The server serves another log than the one that was pinned."""

    def __init__(self, field: str, *, expected: str, found: str) -> None:
        super().__init__(f"{field} is {found}, expected {expected}")
        self.field = field
        self.expected = expected
        self.found = found


class ReceiptRefused(ClientError):
    """The receipt does not hold. Keep it: it may convict the log.

    Attributes:
        step: Name of the check that failed.
        receipt: The receipt as it came.

    """

    def __init__(self, step: str, reason: str, receipt: Any) -> None:
        super().__init__(f"{step}: {reason}")
        self.step = step
        self.receipt = receipt
