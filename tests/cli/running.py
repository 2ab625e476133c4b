"""Running `yinzheng` as a program, and small tables of sales to import."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 120
HEADER = "timestamp,item_id,price_eth,price_wei,from,to,block,tx"
NOBODY = "0x" + "0" * 40


@dataclass(frozen=True)
class Ran:
    """What one run of the program left."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON line of stdout."""
        assert self.out.endswith("\n"), self.err
        (line,) = self.out.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def error(self) -> dict[str, Any]:
        """The error that the one JSON line tells."""
        found: dict[str, Any] = self.document["error"]
        return found


class Program:
    """The program on a machine of its own: its marks lie in a folder of the test.

    Every call is a process; those that need no more than their outcome are forked from one that
    has imported the program already (see `tests.cli.forked`).
    """

    def __init__(self, state: Path) -> None:
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_STATE_HOME": str(state),
            "YINZHENG_KEYSTORE": str(state / "keystores"),
        }
        self._forking = subprocess.Popen(
            [sys.executable, "-m", "tests.cli.forked"],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def close(self) -> None:
        self._forking.communicate(timeout=TIMEOUT_S)

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, "-m", "api.cli.main", *map(str, arguments)]

    def __call__(self, *arguments: object) -> Ran:
        assert self._forking.stdin is not None
        assert self._forking.stdout is not None
        request = {"arguments": [str(each) for each in arguments], "environment": self.env}
        print(json.dumps(request), file=self._forking.stdin, flush=True)
        return Ran(**json.loads(self._forking.stdout.readline()))

    def json(self, *arguments: object) -> dict[str, Any]:
        """Run with --json, expect exit code 0, and return what stdout says."""
        ran = self(*arguments, "--json")
        assert ran.code == 0, ran
        return ran.document

    def killed_at(self, point: str, *arguments: object) -> Ran:
        """Run until the program kills itself at a point: `C5`, or `C5:3` for the third time."""
        before = self.env
        self.env = {**before, "YINZHENG_CRASH_AT": point}
        try:
            ran = self(*arguments)
        finally:
            self.env = before
        assert ran.code == -signal.SIGKILL, (point, ran)
        return ran

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        # A shell starts what runs in its background deaf to this signal, and so its children.
        deaf = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                self.command(*arguments),
                env=self.env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        finally:
            signal.signal(signal.SIGINT, deaf)

    @contextmanager
    def serving(self, *arguments: object) -> Iterator[tuple[dict[str, Any], subprocess.Popen[str]]]:
        """Run a command that serves; give its one line and its process, which ends here."""
        running = self.start(*arguments, "--json")
        try:
            assert running.stdout is not None
            line = running.stdout.readline()
            assert line, running.communicate()
            yield json.loads(line), running
        finally:
            running.kill()
            running.communicate()


def address(number: int) -> str:
    return f"0x{number:040x}"


def row(
    number: int, item: object, seller: int, buyer: int | None, *, wei: int = 10**16, day: int = 1
) -> str:
    """One sale: its number makes its transaction, its day its time."""
    to = NOBODY if buyer is None else address(buyer)
    eth = f"{wei // 10**18}.{wei % 10**18:018d}"[:-12]
    stamp = f"2018-01-{day:02} 10:00:00 UTC"
    return f"{stamp},{item},{eth},{wei},{address(seller)},{to},{5_000_000 + number},0x{number:064x}"


def table(path: Path, rows: Sequence[str | bytes]) -> Path:
    """Write a table of sales."""
    lines = [
        HEADER.encode(),
        *(each if isinstance(each, bytes) else each.encode() for each in rows),
    ]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path
