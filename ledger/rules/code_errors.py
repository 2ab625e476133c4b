"""Why a command about a verification code is not accepted.

Refused
└── CodeRevoked  ChecksPending  ChecksLocked  ChecksCapped  CheckUnknown

As in `ledger.rules.errors`, every class has a stable `code`. Specification: docs/spec.md section
9.23.
"""

from __future__ import annotations

from ledger.rules.errors import Refused


class CodeRevoked(Refused):
    """The code was revoked; it stays so."""

    code = "code-revoked"


class ChecksPending(Refused):
    """So many questions of the party wait for their answers that it asks no other now."""

    code = "checks-pending"


class ChecksLocked(Refused):
    """The party asked about wrong codes too often, and asks no other for a while."""

    code = "checks-locked"


class ChecksCapped(Refused):
    """The party asked about so many codes within an hour that it waits for the end of it."""

    code = "checks-capped"


class CheckUnknown(Refused):
    """No such question of the party waits for an answer."""

    code = "check-unknown"
