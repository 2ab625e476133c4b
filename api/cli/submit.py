"""submit: hand in commands that were signed elsewhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from api.cli.failures import USAGE, failure_of
from api.cli.options import Dir, Json, writing
from api.cli.output import Output
from ledger.application import Accepted

_STDIN = "-"
_FILE = typer.Argument(metavar="FILE", help="The body of POST /v1/commands; - reads stdin.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("submit")(submit)


def submit(
    file: Annotated[str, _FILE],
    *,
    folder: Dir,
    as_json: Json = False,
) -> int:
    """Hand in signed commands from a file; each is accepted or refused by itself."""
    # The web framework costs half a second that no other command should pay.
    from api.submitting import BODY_BYTES_MAX  # noqa: PLC0415
    from api.submitting import submit as hand_in  # noqa: PLC0415

    out = Output(as_json=as_json)
    body = _read(file, BODY_BYTES_MAX + 1)
    with writing(folder, out) as house:
        results, _ = hand_in(house.ledger, body)
    told = [_tell(result) for result in results]
    refused = sum("error" in each for each in told)
    accepted = len(told) - refused
    lines = [_line(position, each) for position, each in enumerate(told)]
    document = {"schema": 1, "accepted": accepted, "refused": refused, "results": told}
    out.result(document, *lines, f"{accepted} accepted, {refused} refused")
    return USAGE if refused else 0


def _read(file: str, most: int) -> bytes:
    if file == _STDIN:
        return sys.stdin.buffer.read(most)
    with Path(file).open("rb") as stream:
        return stream.read(most)


def _tell(result: object) -> dict[str, Any]:
    if isinstance(result, Accepted):
        return {"receipt": result.receipt.document()}
    assert isinstance(result, Exception)  # noqa: S101 - an outcome is one or the other
    failure = failure_of(result)
    assert failure is not None  # noqa: S101 - every refusal has its ending
    return {"error": {"code": failure.code, "message": failure.message, **failure.evidence}}


def _line(position: int, told: dict[str, Any]) -> str:
    if "receipt" in told:
        return f"{position}: entry {told['receipt']['index']}"
    return f"{position}: refused, {told['error']['code']}: {told['error']['message']}"
