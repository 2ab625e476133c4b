"""The verdict, and beside it what was shown and what was not.

Specification: docs/spec.md section 16.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ledger.proof.errors import VerificationError

VALID = "valid"
NOT_CHECKED = "not-checked"
EXIT_OF = {"valid": 0, "tampered": 1, "incomplete": 3, "unverifiable": 4, "valid-erased": 5}


@dataclass(slots=True)
class Report:
    """One verdict. `fault` is null unless something contradicts, lacks or could not be checked."""

    verdict: str = VALID
    size: int = 0
    root: str | None = None
    anchored: str = "no"
    checkpoints: int = 0
    unpublished: int = 0
    attested: int = 0
    signed: int = 0
    system: int = 0
    gaps: int = 0
    keys_complete: str = "no"
    replayed: str = "0/0"
    single_handed: str = "no"
    derived: str = NOT_CHECKED
    fault: dict[str, Any] | None = None
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The exit code of the verdict."""
        return EXIT_OF[self.verdict]

    def document(self) -> dict[str, Any]:
        """Write the report as one JSON object."""
        return {
            "schema": 1,
            "verdict": self.verdict,
            "size": self.size,
            "root": self.root,
            "anchored": self.anchored,
            # This version checks no witness, map, time-stamp or receipt: it says so.
            "witnessed": "0/0",
            "map_audited": "no",
            "time_bounded": "no",
            "late": NOT_CHECKED,
            "checkpoints": self.checkpoints,
            "unpublished": self.unpublished,
            "attested": self.attested,
            "gaps": self.gaps,
            "erased": 0,
            "keys_complete": self.keys_complete,
            "replayed": self.replayed,
            "single_handed": self.single_handed,
            "derived": self.derived,
            "entries": {"signed": self.signed, "attested": self.attested, "system": self.system},
            "fault": self.fault,
            **self.more,
        }

    def fail(self, error: VerificationError, *, derived: bool = False) -> None:
        """Take over an error as this report's verdict and fault."""
        self.verdict = error.verdict
        self.derived = "no" if derived else self.derived
        self.fault = {**error.fault(), "message": error.message, "derived": derived}
