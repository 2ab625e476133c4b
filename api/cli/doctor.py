"""doctor: what durability rests on, looked at; and a lost mark, adopted on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.adopting import Known, adopt_mark
from api.checkup import Check, Status
from api.cli.failures import Usage
from api.cli.options import Dir, Json, Mirror
from api.cli.output import Output
from api.folder import LedgerFolder

FOUND_WRONG = 7

_RECEIPT = typer.Option("--receipt", metavar="FILE", help="A receipt whose entry must be there.")
_ADOPT = typer.Option("--adopt-mark", help="Make the signer's mark anew after it was lost.")
_REASON = typer.Option("--reason", metavar="TEXT", help="Why a mark is adopted; recorded.")
_SIZE = typer.Option("--size", metavar="N", min=1, help="Of the latest checkpoint, as you know it.")
_ROOT = typer.Option("--root", metavar="HEX", help="Likewise its root.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("doctor")(run)


def run(  # noqa: PLR0913 (one argument for each option)
    *,
    folder: Dir,
    mirror: Mirror = None,
    receipt: Annotated[list[Path] | None, _RECEIPT] = None,
    adopt: Annotated[bool, _ADOPT] = False,
    reason: Annotated[str, _REASON] = "",
    size: Annotated[int | None, _SIZE] = None,
    root: Annotated[str | None, _ROOT] = None,
    as_json: Json = False,
) -> int:
    """Look at settings, files, clock, disk, mark and views; say what is wrong and what to do."""
    # Reading a receipt needs the client's room, which no other command pays for.
    from api.doctor import examine  # noqa: PLC0415

    if (size is None) != (root is None):
        raise Usage("--size and --root belong together")
    out = Output(as_json=as_json)
    if adopt:
        known = None if size is None or root is None else Known(size, root)
        with LedgerFolder.open(folder, mirror=mirror) as house:
            _, file = adopt_mark(house, reason=reason, known=known)
        out.say(f"The mark was adopted; {file} says why.")
    with LedgerFolder.open(folder, read_only=True, mirror=mirror) as house:
        found = examine(house, receipt or ())
    lines = [_line(check) for check in found.checks]
    counts = (
        f"{found.count(Status.WRONG)} wrong, {found.count(Status.WARNING)} warnings, "
        f"{found.count(Status.UNKNOWN)} not checked"
    )
    out.result(found.document(), *lines, counts)
    return FOUND_WRONG if found.count(Status.WRONG) else 0


def _line(check: Check) -> str:
    told = f"{check.status:<15}  {check.name}: {check.found}"
    return f"{told}\n{'':<15}  -> {check.do}" if check.do else told
