"""What the trade policies of a log must mean together: another reading than that of the rules.

  policy      the first takes effect at once; every later one replaces the one that is in force when
              it is published, differs from it, and is published seven days ahead and as long as
              that one says; nothing is published while another one waits

Specification: docs/spec.md section 11.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ledger.proof.errors import Tampered
from ledger.rules.digests import terms_digest

_DAYS: Final = 7


@dataclass(slots=True)
class TermsMeaning:
    """The trade policies so far: digest, first moment in force, notice that the next one needs."""

    published: list[tuple[str, datetime, int]] = field(default_factory=list)
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)

    def in_force(self, at: datetime) -> tuple[str | None, dict[str, Any]]:
        """Return digest and document of the trade policy in force at a time; None before any."""
        since = [digest for digest, effective_at, _ in self.published if effective_at <= at]
        return (since[-1], self.documents[since[-1]]) if since else (None, {})

    def take(self, document: dict[str, Any], command: dict[str, Any]) -> None:
        """Check the entry of a `publish-trade-policy/1` and remember its policy.

        Raises:
            Tampered: An invariant breaks.

        """
        body, at = command["body"], _moment(document["at"])
        if self.published:
            self._check_successor(body, at)
        elif (body["replaces"], body["effective_at"]) != (None, None):
            raise _broken("the first trade policy replaces one", None, body["replaces"])
        since = _moment(body["effective_at"]) if self.published else at
        digest = terms_digest(body["policy"])
        self.documents[digest] = body["policy"]
        self.published.append((digest, since, max(_DAYS, body["policy"]["notice_days"])))

    def _check_successor(self, body: dict[str, Any], at: datetime) -> None:
        digest, since, days = self.published[-1]
        if since > at:
            raise _broken("a trade policy was published while one waited", digest, body["replaces"])
        if body["replaces"] != digest:
            raise _broken("a trade policy replaces another one", digest, body["replaces"])
        if terms_digest(body["policy"]) == digest:
            raise _broken("a trade policy replaces itself", None, digest)
        earliest = at + timedelta(days=days)
        if body["effective_at"] is None or _moment(body["effective_at"]) < earliest:
            raise _broken("a trade policy came without its notice", earliest, body["effective_at"])


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")


def _broken(message: str, expected: object, found: object) -> Tampered:
    return Tampered(
        "meaning",
        message,
        field="policy",
        expected=None if expected is None else str(expected),
        found=None if found is None else str(found),
    )
