"""A real server of a fresh ledger, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.kills.sites import Site

ROOT = Path(__file__).parents[2]
PATIENCE_S = 120.0
_LOOK_EVERY_S = 0.05


class ServerFailed(Exception):
    """The server did not start, or did not end well."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers."""

    url: str
    pid: int


@contextmanager
def serving(site: Site, folder: Path) -> Iterator[Served]:
    """Serve the ledger of a site until the block ends, then stop it gracefully.

    Args:
        site: The ledger.
        folder: Where the server's output goes.

    Raises:
        ServerFailed: It did not start in time, or its exit code is not 0.

    """
    out, err = folder / "serve.out", folder / "serve.err"
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "XDG_STATE_HOME": str(site.state),
    }
    arguments = ["serve", "--dir", str(site.folder), "--json", "--write-quota", "0"]
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli.main", *arguments, "--log-level", "warning"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )
    try:
        yield Served(_url(process, out, err), process.pid)
        process.terminate()
        code = process.wait(PATIENCE_S)
        if code != 0:
            raise ServerFailed(f"exit code {code}: {err.read_text(encoding='utf-8')[-2000:]}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _url(process: subprocess.Popen[bytes], out: Path, err: Path) -> str:
    until = time.monotonic() + PATIENCE_S
    while process.poll() is None and time.monotonic() < until:
        line = out.read_bytes()
        if line.endswith(b"\n"):
            return str(json.loads(line)["url"])
        time.sleep(_LOOK_EVERY_S)
    raise ServerFailed(f"it did not start: {err.read_text(encoding='utf-8')[-2000:]}")
