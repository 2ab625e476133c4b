"""The offline verifier's own command: `python -m ledger.proof verify|audit|structure ...`.

Needs the standard library and `cryptography`, nothing else. Exit codes: valid 0, tampered 1,
usage 2, incomplete 3, unverifiable 4, valid-erased 5, interrupted 130.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.database import DatabaseSource, sqlite_snapshot
from ledger.proof.errors import VerificationError
from ledger.proof.report import Report
from ledger.proof.sources import Source, folder_source, url_source
from ledger.proof.structure import check_structure
from ledger.proof.tlogproof import PROOF_BYTES_MAX
from ledger.proof.vault import VaultReader

USAGE = 2
INTERRUPTED = 130
_NOTE_BYTES_MAX = 1 << 20


class Usage(Exception):
    """The arguments name something that is not there."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    as_json = "--json" in (sys.argv[1:] if arguments is None else arguments)
    try:
        given = _parser().parse_args(arguments)
        if given.what == "structure":
            return _structure(given)
        report = _verify(given) if given.what == "verify" else _audit(given)
    except Usage as error:
        return _usage(str(error), as_json=as_json)
    except KeyboardInterrupt:
        print("interrupted: nothing was shown", file=sys.stderr)
        return INTERRUPTED
    return _told(report, as_json=given.json)


def _told(report: Report, *, as_json: bool) -> int:
    print(json.dumps(report.document()) if as_json else say(report))
    return report.exit_code


def _usage(message: str, *, as_json: bool) -> int:
    if as_json:
        print(json.dumps({"error": {"code": "usage", "message": message, "exit": USAGE}}))
    else:
        print(f"{message}. Nothing was checked.", file=sys.stderr)
    return USAGE


class _Parser(argparse.ArgumentParser):
    """Tells a wrong argument like any other usage error."""

    def error(self, message: str) -> NoReturn:
        raise Usage(f"{message} (see {self.prog} --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m ledger.proof",
        description="Check a proof or a whole log, trusting nobody but the key you bring.",
    )
    commands = parser.add_subparsers(dest="what", required=True)
    verify = commands.add_parser("verify", help="check a .tlog-proof file")
    verify.add_argument("file", type=Path)
    check = commands.add_parser("audit", help="check a whole log")
    check.add_argument(
        "log", help="an exported folder, a ledger's folder, its SQLite file, or a URL"
    )
    check.add_argument("--since", type=Path, help="a checkpoint kept from earlier")
    check.add_argument("--processes", type=int, default=1, help="how many check signatures")
    structure = commands.add_parser("structure", help="check hashes, links and root of a log only")
    structure.add_argument("log", help="as for audit")
    for command in (verify, check, structure):
        command.add_argument("--vkey", required=True, help="the log's verifier key, or @FILE")
        command.add_argument("--json", action="store_true", help="print one JSON line")
    return parser


def _verify(given: argparse.Namespace) -> Report:
    return verify_proof(read_file(given.file, most=PROOF_BYTES_MAX + 1), read_vkey(given.vkey))


def _audit(given: argparse.Namespace) -> Report:
    since = None if given.since is None else read_file(given.since, most=_NOTE_BYTES_MAX)
    vkey = read_vkey(given.vkey)
    try:
        with source_of(given.log) as source:
            return audit(source, vkey, since=since, processes=given.processes)
    except VerificationError as error:
        report = Report()
        report.fail(error)
        return report


def _structure(given: argparse.Namespace) -> int:
    """Say that the structure is whole, which is no verdict of valid, or print that of a fault."""
    vkey = read_vkey(given.vkey)
    try:
        with source_of(given.log) as source:
            checked = check_structure(source, vkey)
    except VerificationError as error:
        report = Report()
        report.fail(error)
        return _told(report, as_json=given.json)
    shown = {"schema": 1, "structure": "whole", "size": checked.size, "root": checked.root.hex()}
    text = (
        f"structure: whole; {checked.size} entries are linked and have the signed root "
        f"{checked.root.hex()}. Signatures and rules were not checked."
    )
    print(json.dumps(shown) if given.json else text)
    return 0


@contextmanager
def source_of(log: str) -> Iterator[Source]:
    """Open what a log argument names: a URL, a SQLite file, a ledger's folder or an export.

    Raises:
        VerificationError: It cannot be read as a log.
        Usage: The path cannot be asked for.

    """
    if "://" in log:
        yield url_source(log)
        return
    database, vault = _database_of(log)
    if database is None:
        yield folder_source(Path(log))
        return
    with sqlite_snapshot(database) as query:
        yield DatabaseSource(query, vault=vault)


def _database_of(log: str) -> tuple[Path | None, VaultReader | None]:
    """Find a SQLite file, and the vault's keys beside it in a ledger's folder."""
    path = Path(log)
    try:
        if path.is_file():
            return path, None
        if (path / "ledger.sqlite").is_file():
            return path / "ledger.sqlite", VaultReader(path / "vault")
        elsewhere = (path / "config.json").is_file()
    except OSError as error:
        message = f"cannot read {log}: {error.strerror}"
        raise Usage(message) from None
    if elsewhere:
        message = f"the ledger of {log} lies in a database server: audit its URL or an export"
        raise Usage(message)
    return None, None


def read_vkey(text: str) -> str:
    """Read a verifier key argument: the key itself, or @FILE.

    Raises:
        Usage: The file cannot be read.

    """
    if not text.startswith("@"):
        return text
    raw = read_file(Path(text[1:]), most=_NOTE_BYTES_MAX)
    return raw.decode("utf-8", "replace").strip()


def read_file(path: Path, *, most: int) -> bytes:
    """Read at most `most` bytes of a file.

    Raises:
        Usage: It cannot be read.

    """
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        message = f"cannot read {path}: {error.strerror}"
        raise Usage(message) from None


def say(report: Report) -> str:
    """Write a report for people."""
    document = report.document()
    lines = [f"verdict: {report.verdict}"]
    skipped = {"schema", "verdict", "fault"}
    shown = {name: value for name, value in document.items() if name not in skipped}
    shown |= {f"fault {name}": value for name, value in (report.fault or {}).items()}
    lines += [f"  {name}: {_one_line(value)}" for name, value in shown.items()]
    return "\n".join(lines)


def _one_line(value: object) -> str:
    """Keep evidence from writing lines, or to the terminal, in our name."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode("ascii")
        for each in str(value)
    )


if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Evidence may hold what the terminal's encoding lacks; that is no reason to stop.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
