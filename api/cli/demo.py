"""demo: a market day with fixed dice, audited, shown and served."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import RenderableType

from api.auditing import folder_of_ledger
from api.cli.checks import PROCESSES
from api.cli.history import Moment, history_of, table_of, verdict_of
from api.cli.options import Dir, Json
from api.cli.output import Output
from api.cli.serving import serve
from api.demo import Summary, play, played
from api.folder import LedgerFolder
from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.report import Report

_NO_SERVE = typer.Option("--no-serve", help="End instead of serving the API.")
_ORIGIN = typer.Option("--origin", metavar="NAME", help="Name of the log; default: a random one.")


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command("demo")(run)


def run(
    *,
    folder: Dir,
    no_serve: Annotated[bool, _NO_SERVE] = False,
    origin: Annotated[str | None, _ORIGIN] = None,
    as_json: Json = False,
) -> int:
    """Play a simulated market day, audit it, show one item with its proof, and serve the API.

    In a folder that holds a finished demo the day is not played again.
    """
    out = Output(as_json=as_json)
    summary = played(folder)
    if summary is None:
        out.say("Forty members and eight merchants trade for a day, then one sells card keys ...")
        with out.progress("the market day") as step:
            summary = play(folder, origin=origin, progress=step)
    else:
        out.say(f"{folder} holds a finished demo; it is audited and shown, not played again.")
    report = _audit(folder, out)
    document = {"schema": 1, "verdict": report.verdict, "dir": str(folder), "size": report.size}
    document |= summary.document()
    with LedgerFolder.open(folder) as house:
        house.publisher.publish()
        shown, table = _shown(folder, summary, report)
        if no_serve or report.exit_code:
            out.result(document, *shown, *table)
            return report.exit_code
        if not as_json:
            out.result({}, *shown, *table)
        return serve(house, out, more=document)


def _audit(folder: Path, out: Output) -> Report:
    with LedgerFolder.open(folder, read_only=True) as house:
        vkey = house.vkey
    with folder_of_ledger(folder) as source, out.progress("auditing") as step:
        return audit(source, vkey, processes=PROCESSES, progress=step)


def _shown(
    folder: Path, summary: Summary, report: Report
) -> tuple[list[RenderableType], list[RenderableType]]:
    """Say what the day came to, and draw the history of one item with its proof's verdict."""
    refused = ", ".join(f"{code} {count}" for code, count in summary.refused.items())
    text: list[RenderableType] = [
        f"{summary.commands} commands: {summary.accepted} accepted, "
        f"{summary.commands - summary.accepted} refused on purpose, "
        f"{summary.checkpoints} checkpoints, {report.size} entries",
        f"refused: {refused}",
        f"audit of the whole log: {report.verdict}",
        "",
    ]
    with LedgerFolder.open(folder) as house:
        document, rows = history_of(house, summary.item, Moment())
        proof = verify_proof(house.prover.prove(summary.item), house.vkey)
        policy = house.policy()
    proven = f"proof of this history: {proof.verdict} ({proof.replayed} entries replayed)"
    # As it was called: nothing puts it on the PATH of who only ran scripts/demo.
    program = sys.argv[0] if sys.argv[0].endswith("yinzheng") else "yinzheng"
    try_: list[str] = [
        "",
        f"The ledger lies in {folder}; its keys follow from the demo's seed and protect nothing.",
        f"Try: {program} history {summary.item} --dir {folder}",
        f"     {program} prove {summary.item} --dir {folder} -o item.tlog-proof",
        f"     {program} verify item.tlog-proof --vkey @{folder}/vkey",
        f"     {program} order show {summary.order} --dir {folder}",
        f"     {program} entry disclosures {rows[0].entry_index} --as {rows[0].to_party} "
        f"--dir {folder}",
    ]
    drawn: list[Any] = [table_of(summary.item, rows, policy), verdict_of(document), proven, *try_]
    return text, drawn
