"""Errors of the offline verifier; nothing else leaves it, whatever the bytes.

VerificationError
├── Tampered                  exit 1: something contradicts
│   ├── MalformedEvidence     bytes that are not in the one form the specification allows
│   ├── RootMismatch          a recomputed root differs from the signed one
│   └── BadSignature          a signature by a known key does not hold
├── Incomplete                exit 3: something that must be present is missing
└── Unverifiable              exit 4: nothing contradicts, nothing is shown
    ├── MalformedKey          the caller's own verifier key cannot be used
    ├── UnknownKey            no signature is by a key the caller named
    ├── UnsupportedKey        a known type of key that this verifier cannot check
    └── HistoryNotProven      a consistency proof fails: it accuses nobody

Specification: docs/spec.md, section on verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from ledger.rules.errors import Malformed

Evidence = str | int | bytes | None


class VerificationError(Exception):
    """The evidence does not prove the claim. Raised only through its subclasses.

    Attributes:
        step: Name of the check that failed.
        message: What was wrong, for people.
        index: 0-based position in the log of the entry at fault, if one is.
        stream: Stream of the entry at fault.
        field: Name of the value at fault.
        expected: What the value had to be.
        found: What it was.

    """

    verdict: ClassVar[str]
    exit_code: ClassVar[int]

    def __init__(  # noqa: PLR0913 (one argument for each member of a verdict's `fault`)
        self,
        step: str,
        message: str,
        *,
        index: int | None = None,
        stream: str | None = None,
        field: str | None = None,
        expected: Evidence = None,
        found: Evidence = None,
    ) -> None:
        """Name the step and the reason; evidence is optional."""
        super().__init__(f"{step}: {message}")
        self.step = step
        self.message = message
        self.index = index
        self.stream = stream
        self.field = field
        self.expected: Evidence = expected
        self.found: Evidence = found

    def fault(self) -> dict[str, str | int | None]:
        """Write the evidence as a verdict's `fault` object; bytes become lower-case hex."""
        return {
            "index": self.index,
            "stream": self.stream,
            "step": self.step,
            "field": self.field,
            "expected": _plain(self.expected),
            "found": _plain(self.found),
        }


def _plain(value: Evidence) -> str | int | None:
    return value.hex() if isinstance(value, bytes) else value


class Tampered(VerificationError):
    """Bytes, hash, link, signature, role, rule or root contradict."""

    verdict = "tampered"
    exit_code = 1


class Incomplete(VerificationError):
    """A trusted checkpoint exceeds what is present, or a bundle lacks what it must hold."""

    verdict = "incomplete"
    exit_code = 3


class Unverifiable(VerificationError):
    """No key, an unknown key, algorithm or type, an unmet policy: nothing is shown."""

    verdict = "unverifiable"
    exit_code = 4


class MalformedEvidence(Tampered):
    """The bytes are not in the one form the specification allows."""


class RootMismatch(Tampered):
    """A recomputed root differs from the signed one."""

    expected: bytes
    computed: bytes

    def __init__(self, step: str, *, expected: bytes, computed: bytes) -> None:
        """Keep both roots, 32 bytes each."""
        super().__init__(
            step,
            f"computed {computed.hex()}, expected {expected.hex()}",
            field="root",
            expected=expected,
            found=computed,
        )
        self.computed = computed


class BadSignature(Tampered):
    """A signature by a known key does not hold; it spoils the whole document."""


class MalformedKey(Unverifiable):
    """The verifier key that the caller gave is malformed, mislabelled or weak."""


class UnknownKey(Unverifiable):
    """No signature of the document is by a key the caller named."""


class UnsupportedKey(Unverifiable):
    """The key's algorithm or signature type is known by name, but not checked here."""


class HistoryNotProven(Unverifiable):
    """A consistency proof fails: the newer tree is not shown to extend the older."""


@contextmanager
def reading(step: str) -> Iterator[None]:
    """Turn the strict readers' `Malformed` into this room's error, naming `step`.

    Raises:
        MalformedEvidence: Something inside the block was `Malformed`.

    """
    try:
        yield
    except Malformed as error:
        raise MalformedEvidence(step, f"{error.field} {error.message}", field=error.field) from None
