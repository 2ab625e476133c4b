"""What one check of the doctor comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a check ends. Nothing is `ok` that was not looked at."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    UNKNOWN = "could-not-check"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, how it ended, what was found, and what to do about it."""

    name: str
    status: Status
    found: str
    do: str = ""

    def document(self) -> dict[str, str]:
        """Write it as JSON."""
        return {
            "name": self.name,
            "status": str(self.status),
            "found": self.found,
            "do": self.do,
        }


def ok(name: str, found: str) -> Check:
    """Say that something was looked at and is right."""
    return Check(name, Status.OK, found)


def warning(name: str, found: str, do: str) -> Check:
    """Say that something will do, and could be better."""
    return Check(name, Status.WARNING, found, do)


def wrong(name: str, found: str, do: str) -> Check:
    """Say that something is wrong."""
    return Check(name, Status.WRONG, found, do)


def unknown(name: str, why: str, do: str = "") -> Check:
    """Say that something could not be looked at, and why."""
    return Check(name, Status.UNKNOWN, why, do)
