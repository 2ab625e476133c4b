"""From the body of a request to submissions, and from outcomes to answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from api.errors import TREES, Coded, InternalError
from ledger.application import Accepted, Ledger, Outcome
from ledger.rules import schema
from ledger.rules.canonical import decode, encode
from ledger.rules.commands import SEALED_MAX, SIGNERS_MAX
from ledger.rules.errors import Malformed
from ledger.rules.text import b64decode
from ledger.submission import SealedValue, Submission

BODY_BYTES_MAX = 8 * 1024 * 1024
COMMANDS_MAX = 1000
SIGNATURE_BYTES = 64
SALT_BYTES = 32
VALUE_BYTES_MAX = 16 * 1024

Result = Accepted | Coded


def _signature(value: Any, field: str) -> None:
    b64decode(value, field=field, size=SIGNATURE_BYTES)


def _salt(value: Any, field: str) -> None:
    b64decode(value, field=field, size=SALT_BYTES)


def _value(value: Any, field: str) -> None:
    if not isinstance(value, str) or len(value.encode()) > VALUE_BYTES_MAX:
        raise Malformed(field, f"is not a string of at most {VALUE_BYTES_MAX} bytes")


_DISCLOSURE: schema.Schema = {"name": schema.identifier, "salt": _salt, "value": _value}
_SUBMISSION: schema.Schema = {
    "command": schema.any_object,
    "disclosures": schema.items(schema.nested(_DISCLOSURE), most=SEALED_MAX),
    "sigs": schema.items(_signature, least=1, most=SIGNERS_MAX),
}


def read_submissions(body: bytes) -> tuple[list[Submission | Malformed], bool]:
    """Read the body of `POST /v1/commands`.

    Args:
        body: Canonical JSON, at most 8 MiB: one submission, or an array of 1 to 1,000.

    Returns:
        The submissions in order, each read or malformed by itself; and whether it was an array.

    Raises:
        Malformed: The body as a whole is not canonical JSON, or neither of the two.

    Spec: docs/spec.md section 5.

    """
    document = decode(body, limit=BODY_BYTES_MAX, field="body")
    if not isinstance(document, list):
        return [_read(document)], False
    if not 1 <= len(document) <= COMMANDS_MAX:
        raise Malformed("body", f"is not an array of 1 to {COMMANDS_MAX} submissions")
    return [_read(one) for one in document], True


def _read(document: Any) -> Submission | Malformed:
    try:
        schema.check_object(document, _SUBMISSION, "body")
    except Malformed as bad:
        # Pointers start at the submission, so "body" itself is left out.
        return Malformed(bad.field.removeprefix("body."), bad.message)
    return Submission(
        # The whole body was canonical, so these are the very bytes that were sent and signed.
        encode(document["command"]),
        tuple(document["sigs"]),
        tuple(SealedValue(**disclosure) for disclosure in document["disclosures"]),
    )


def submit(ledger: Ledger, body: bytes) -> tuple[list[Result], bool]:
    """Read a body and hand in what can be read; blocks.

    Returns:
        One result each, in order; and whether the body was an array.

    Raises:
        Malformed: The body as a whole cannot be read.
        WriteContended: Other writers were first each time; nothing was recorded.
        OutcomeUnknown: COMMIT gave no answer: send the same bytes again to learn it.
        DatabaseUnavailable: Nothing was recorded.

    """
    read, many = read_submissions(body)
    return results_of(read, ledger.submit(readable(read))), many


def readable(read: Sequence[Submission | Coded]) -> list[Submission]:
    """Leave out what could not be read, or is refused already."""
    return [one for one in read if isinstance(one, Submission)]


def results_of(
    read: Sequence[Submission | Coded], outcomes: Iterable[Outcome | Exception]
) -> list[Result]:
    """Put the outcomes of what could be read back into its order.

    Args:
        read: What a body held; errors stand for what was not handed in.
        outcomes: One for each readable submission, in order.

    """
    coming = iter(outcomes)
    return [_result(next(coming)) if isinstance(one, Submission) else one for one in read]


def _result(outcome: Outcome | Exception) -> Result:
    if isinstance(outcome, (Accepted, *TREES)):
        return outcome
    return InternalError("a fault of this server; it was logged")
