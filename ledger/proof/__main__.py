"""The offline verifier's own command: `python -m ledger.proof verify|audit ...`.

Needs the standard library and `cryptography`, nothing else. Exit codes: valid 0, tampered 1,
usage 2, incomplete 3, unverifiable 4, valid-erased 5, interrupted 130.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from ledger.proof.audit import audit
from ledger.proof.bundle import verify_proof
from ledger.proof.database import DatabaseSource, sqlite_query
from ledger.proof.errors import VerificationError
from ledger.proof.report import Report
from ledger.proof.sources import Source, folder_source, url_source
from ledger.proof.tlogproof import PROOF_BYTES_MAX
from ledger.proof.vault import VaultReader

USAGE = 2
INTERRUPTED = 130
_NOTE_BYTES_MAX = 1 << 20


class Usage(Exception):
    """The arguments name something that is not there."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    given = _parser().parse_args(arguments)
    try:
        report = _verify(given) if given.what == "verify" else _audit(given)
    except Usage as error:
        print(f"{error}. Nothing was checked.", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("interrupted: nothing was shown", file=sys.stderr)
        return INTERRUPTED
    print(json.dumps(report.document()) if given.json else say(report))
    return report.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
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
    for command in (verify, check):
        command.add_argument("--vkey", required=True, help="the log's verifier key, or @FILE")
        command.add_argument("--json", action="store_true", help="print one JSON line")
    return parser


def _verify(given: argparse.Namespace) -> Report:
    return verify_proof(read_file(given.file, most=PROOF_BYTES_MAX + 1), read_vkey(given.vkey))


def _audit(given: argparse.Namespace) -> Report:
    since = None if given.since is None else read_file(given.since, most=_NOTE_BYTES_MAX)
    try:
        source = source_of(given.log)
    except VerificationError as error:
        report = Report()
        report.fail(error)
        return report
    return audit(source, read_vkey(given.vkey), since=since, processes=given.processes)


def source_of(log: str) -> Source:
    """Find what a log argument names: a URL, a SQLite file, a ledger's folder or an export.

    Raises:
        VerificationError: It cannot be read as a log.

    """
    if "://" in log:
        return url_source(log)
    path = Path(log)
    if path.is_file():
        return DatabaseSource(sqlite_query(path))
    if (path / "ledger.sqlite").is_file():
        vault = VaultReader(path / "vault")
        return DatabaseSource(sqlite_query(path / "ledger.sqlite"), vault=vault)
    return folder_source(path)


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
    lines += [f"  {name}: {value}" for name, value in document.items() if name not in skipped]
    if report.fault is not None:
        lines += [f"  fault {name}: {value}" for name, value in report.fault.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
