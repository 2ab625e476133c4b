"""The command line of the soak; `scripts/soak` calls it.

A fresh ledger, a real `yinzheng serve` in a process of its own, steady load over HTTP. Afterwards
the server is stopped, the ledger audited, and every receipt that was given is looked up.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from api.auditing import folder_of_ledger
from api.config import SQLITE_FILE
from ledger.proof.audit import audit
from ledger.proof.report import VALID
from ledger.rules.entries import read_entry
from soaking.judging import Finding, judge, warm
from soaking.serving import Served, serving
from soaking.trading import Promise, Trader
from soaking.watching import Sample, Watcher, sample_until
from tests.figures import record
from tests.kills.sites import Site, make_site

_ENTRIES_AT_ONCE = 1_000
_SECONDS_A_MINUTE = 60


def main(arguments: Sequence[str]) -> int:
    """Run a soak; returns the exit code."""
    options = _options(arguments)
    with tempfile.TemporaryDirectory(prefix="yz-soak-", dir=options.dir) as name:
        folder = Path(name)
        (folder / "state").mkdir()
        site = make_site(folder / "ledger", folder / "state", database_url=options.database)
        with serving(site, folder) as served:
            samples, traders = _load(options, site, served)
        faults = [fault for trader in traders for fault in trader.faults]
        faults += _check(site, [each for trader in traders for each in trader.promises])
    return _tell(options, samples, traders, faults)


def _load(
    options: argparse.Namespace, site: Site, served: Served
) -> tuple[list[Sample], list[Trader]]:
    share = options.rate / options.traders
    traders = [Trader(site, served.url, number, share) for number in range(options.traders)]
    wal = None if options.database else site.folder / f"{SQLITE_FILE}-wal"
    watcher, done = Watcher(served.pid, served.url, wal), threading.Event()
    threads = [threading.Thread(target=trader.run, args=(done,)) for trader in traders]
    for thread in threads:
        thread.start()

    def take(at_s: float) -> Sample:
        waits_s = [wait for trader in traders for wait in trader.take_waits()]
        sample = watcher.look(at_s, waits_s, sum(len(trader.promises) for trader in traders))
        if not options.json:
            _print(sample.line())
        return sample

    def is_over(passed_s: float) -> bool:
        return passed_s >= options.minutes * _SECONDS_A_MINUTE or any(t.faults for t in traders)

    try:
        return sample_until(is_over, options.every, take), traders
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _check(site: Site, promises: Sequence[Promise]) -> list[str]:
    """Audit what the server left, and look for every entry that a receipt promises."""
    with folder_of_ledger(site.folder) as source, site.environment():
        report = audit(source, site.vkey)
    faults = [] if report.verdict == VALID else [f"the audit says {report.verdict}: {report.fault}"]
    if report.unpublished:
        faults.append(f"{report.unpublished} entries were not published at the end")
    kept: dict[int, tuple[bytes, str]] = {}
    with site.house() as house:
        size = house.recorder.head().size
        for start in range(0, size, _ENTRIES_AT_ONCE):
            for row in house.recorder.entries(start, min(start + _ENTRIES_AT_ONCE, size)):
                command = read_entry(row.entry).command
                kept[row.index] = row.leaf, command.digest if command else ""
    if len({promise.digest for promise in promises}) != len(promises):
        faults.append("two receipts are for one command")
    for promise in promises:
        if kept.get(promise.index) != (promise.leaf, promise.digest):
            faults.append(f"entry {promise.index} was acknowledged and is gone")
    return faults


def _tell(
    options: argparse.Namespace,
    samples: Sequence[Sample],
    traders: Sequence[Trader],
    faults: Sequence[str],
) -> int:
    findings = judge(samples)
    good = not faults and all(finding.holds for finding in findings)
    receipts = sum(len(trader.promises) for trader in traders)
    summary = {
        "minutes": round(samples[-1].at_s / _SECONDS_A_MINUTE, 2),
        "receipts checked": receipts,
        "reads": sum(trader.reads for trader in traders),
        "requests put off": sum(trader.put_off for trader in traders),
        "p99 ms, worst sample": round(max(sample.p99_ms for sample in warm(samples)), 1),
        "memory at the end, MiB": round(samples[-1].rss_mib, 1),
    }
    _record(summary, findings, faults)
    if options.json:
        _print(json.dumps(_document(summary, samples, findings, faults, good=good)))
        return 0 if good else 1
    for name, value in summary.items():
        _print(f"{name}: {value}")
    for each in findings:
        verdict = "ok" if each.holds else "BREACH"
        _print(f"{each.name}: {each.value:g} {each.unit}, at most {each.most:.4g}: {verdict}")
    for fault in faults:
        _print(f"FAULT: {fault}")
    return 0 if good else 1


def _document(
    summary: dict[str, float],
    samples: Sequence[Sample],
    findings: Sequence[Finding],
    faults: Sequence[str],
    *,
    good: bool,
) -> dict[str, Any]:
    return {
        "schema": 1,
        "held": good,
        "summary": summary,
        "findings": [asdict(each) | {"holds": each.holds} for each in findings],
        "faults": list(faults),
        "samples": [asdict(each) for each in samples],
    }


def _record(summary: dict[str, float], findings: Sequence[Finding], faults: Sequence[str]) -> None:
    broken = [each.name for each in findings if not each.holds]
    found = "; ".join([*(f"BREACH: {name}" for name in broken), *faults])
    record("soak", summary["minutes"], unit="minutes", found=found)
    record("soak: receipts checked", summary["receipts checked"], unit="receipts")
    record("soak: worst p99 of ten seconds", summary["p99 ms, worst sample"], unit="ms")
    for each in findings:
        record(
            f"soak: {each.name}", each.value, unit=each.unit, found="" if each.holds else "BREACH"
        )


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/soak", description="Keep a server under load and watch what grows."
    )
    add = parser.add_argument
    add("--minutes", type=float, default=20.0, help="how long (20)")
    add("--database", metavar="URL", help="an empty PostgreSQL database; SQLite if absent")
    add("--rate", type=float, default=40.0, help="commands a second in all (40)")
    add("--traders", type=int, default=3, help="callers at once (3)")
    add("--every", type=float, default=10.0, help="seconds between two samples (10)")
    add("--dir", type=Path, default=None, help="put the ledger on this disk")
    add("--json", action="store_true", help="print one JSON object at the end and nothing else")
    options = parser.parse_args(arguments)
    if min(options.minutes, options.rate, options.traders, options.every) <= 0:
        parser.error("minutes, rate, traders and every are more than 0")
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
