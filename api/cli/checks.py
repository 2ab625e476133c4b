"""audit, prove, verify and export."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from api.auditing import address, folder_of_ledger, is_export
from api.cli.failures import Usage
from api.cli.options import Dir, Item, Json, Vkey, read_vkey
from api.cli.output import Output, plain
from api.config import VKEY_FILE, read_config, write_whole
from api.folder import LedgerFolder
from ledger.log.export import export_log
from ledger.proof.audit import audit as audit_log
from ledger.proof.bundle import verify_proof
from ledger.proof.errors import Unverifiable, VerificationError
from ledger.proof.report import Report
from ledger.proof.sources import Source
from ledger.proof.tlogproof import PROOF_BYTES_MAX

NOTE_BYTES_MAX = 1 << 20
# More processes than cores only get in each other's way.
PROCESSES = min(os.cpu_count() or 1, 8)
_PUBLIC = 0o644

_AUDIT_DIR = typer.Option("--dir", metavar="D", help="A ledger's folder, or an exported one.")
_URL = typer.Option("--url", metavar="URL", help="Where the log is served.")
_SINCE = typer.Option(
    "--since", metavar="CHECKPOINT", help="A signed checkpoint (file) kept from earlier."
)
_PROCESSES = typer.Option("--processes", metavar="N", min=1, help="How many check signatures.")
_INDEX = typer.Option("--index", metavar="N", min=0, help="Up to entry N; default: the last.")
_OUT_FILE = typer.Option("-o", "--output", metavar="FILE", help="Where the proof is written.")
_OUT_FOLDER = typer.Option("-o", "--output", metavar="FOLDER", help="Made if it is not there.")
_PROOF = typer.Argument(metavar="FILE", help="A .tlog-proof file.")


def add_to(app: typer.Typer) -> None:
    """Add these commands."""
    app.command("audit")(audit)
    app.command("prove")(prove)
    app.command("verify")(verify)
    app.command("export")(export)


def audit(
    *,
    folder: Annotated[Path | None, _AUDIT_DIR] = None,
    url: Annotated[str | None, _URL] = None,
    vkey: Vkey = None,
    since: Annotated[Path | None, _SINCE] = None,
    processes: Annotated[int | None, _PROCESSES] = None,
    as_json: Json = False,
) -> int:
    """Check a whole log from its entry bytes, and say so in one verdict; changes nothing."""
    if (folder is None) == (url is None):
        raise Usage("name what to audit: either --dir D or --url URL")
    out = Output(as_json=as_json)
    kept = None if since is None else _read(since, most=NOTE_BYTES_MAX)
    report = Report()
    try:
        key = _key(vkey, folder)
        with _source(folder, url) as source, out.progress("auditing") as step:
            report = audit_log(
                source,
                key,
                since=kept,
                processes=processes or PROCESSES,
                progress=step,
            )
    except VerificationError as error:
        report.fail(error)
    return finish(report, out)


def verify(
    file: Annotated[Path, _PROOF],
    *,
    vkey: Vkey = None,
    as_json: Json = False,
) -> int:
    """Check a proof file against the verifier key that you bring."""
    out = Output(as_json=as_json)
    data = _read(file, most=PROOF_BYTES_MAX + 1)
    report = Report()
    try:
        report = verify_proof(data, _key(vkey, None))
    except VerificationError as error:
        report.fail(error)
    return finish(report, out)


def prove(
    item: Item,
    *,
    folder: Dir,
    output: Annotated[Path, _OUT_FILE],
    index: Annotated[int | None, _INDEX] = None,
    as_json: Json = False,
) -> None:
    """Write a file that proves an item's history to anyone who has the verifier key."""
    with LedgerFolder.open(folder, read_only=True) as house:
        proof = house.prover.prove(item, index)
        published = house.reader.published_size()
    write_whole(output, proof, mode=_PUBLIC)
    shown = {
        "schema": 1,
        "item": item,
        "file": str(output),
        "bytes": len(proof),
        "checkpoint": published,
    }
    told = f"{output}: {len(proof)} bytes, under the checkpoint of {published} entries"
    check = f"Check it: yinzheng verify {output} --vkey @{folder / VKEY_FILE}"
    Output(as_json=as_json).result(shown, told, check)


def export(*, folder: Dir, output: Annotated[Path, _OUT_FOLDER], as_json: Json = False) -> None:
    """Write the whole published log as static files (C2SP tlog-tiles)."""
    out = Output(as_json=as_json)
    with (
        LedgerFolder.open(folder, read_only=True) as house,
        out.progress("exporting") as step,
    ):
        size = export_log(house.reader, output, step)
    shown = {"schema": 1, "size": size, "folder": str(output)}
    out.result(shown, f"{size} entries are exported to {output}")


def finish(report: Report, out: Output) -> int:
    """Print a report and return its exit code."""
    document = report.document()
    shown = {name: value for name, value in document.items() if name not in {"schema", "fault"}}
    lines = plain(shown)
    if report.fault is not None:
        fault = {f"fault {name}": value for name, value in report.fault.items()}
        lines += "\n" + plain(fault)
    out.result(document, lines)
    return report.exit_code


@contextmanager
def _source(folder: Path | None, url: str | None) -> Iterator[Source]:
    if folder is not None:
        with folder_of_ledger(folder) as source:
            yield source
    elif url is not None:
        yield address(url)


def _key(vkey: str | None, folder: Path | None) -> str:
    """Find the verifier key: the caller's, or that of a ledger's own folder."""
    if vkey is not None:
        return read_vkey(vkey)
    if folder is not None and not is_export(folder):
        read_config(folder)
        return read_vkey(f"@{folder / VKEY_FILE}")
    raise Unverifiable("key", "bring the log's verifier key: --vkey KEY or @FILE", field="vkey")


def _read(path: Path, *, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most)
