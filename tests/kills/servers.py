"""Real servers, to be killed: each a process of its own that runs `yinzheng serve`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_S, wait_until

ROOT = Path(__file__).parents[2]


class Nursery:
    """Where servers are started; `close` kills those that still live."""

    def __init__(self, state: Path) -> None:
        """Start servers whose marks lie in the folder `state`."""
        self.state = state
        self._forking = subprocess.Popen(
            [sys.executable, "-m", "tests.kills.forking"],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def close(self) -> None:
        self._forking.communicate(timeout=PATIENCE_S)

    def start(self, folder: Path, *, crash_at: str | None = None) -> Server:
        """Run `yinzheng serve` and wait until it answers, or has died."""
        environment = {**os.environ, "XDG_STATE_HOME": str(self.state)}
        environment.pop("YINZHENG_CRASH_AT", None)
        if crash_at is not None:
            environment["YINZHENG_CRASH_AT"] = crash_at
        out, err = self.state / "out", self.state / "err"
        out.unlink(missing_ok=True)
        request = {
            "arguments": ["serve", "--dir", str(folder), "--json"],
            "environment": environment,
            "out": str(out),
            "err": str(err),
        }
        server = Server(self, self._ask({"start": request})["pid"], err)
        wait_until(lambda: server.read_url(out) or server.dead(), what="a server's start")
        return server

    def reap(self, pid: int) -> int | None:
        code: int | None = self._ask({"reap": pid})["code"]
        return code

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._forking.stdin is not None
        assert self._forking.stdout is not None
        print(json.dumps(request), file=self._forking.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._forking.stdout.readline())
        return answer


class Server:
    """One process. `url` is None if it died before it answered."""

    def __init__(self, nursery: Nursery, pid: int, err: Path) -> None:
        self._nursery, self.pid, self._err = nursery, pid, err
        self.url: str | None = None
        self.code: int | None = None

    def read_url(self, out: Path) -> bool:
        """Take the address from the one line that the server prints."""
        line = out.read_bytes() if out.exists() else b""
        if line.endswith(b"\n"):
            self.url = json.loads(line)["url"]
        return self.url is not None

    def dead(self) -> bool:
        """Say whether the process has ended; then `code` is its exit code."""
        if self.code is None:
            self.code = self._nursery.reap(self.pid)
        return self.code is not None

    def wait_for_kill(self) -> None:
        """Wait until the process has killed itself where it was told to."""
        wait_until(self.dead, what="a server's death")
        assert self.code == -signal.SIGKILL, (self.code, self._err.read_text(encoding="utf-8"))

    def stop(self) -> None:
        """End the process gracefully: everything is published then."""
        os.kill(self.pid, signal.SIGTERM)
        wait_until(self.dead, what="a server's end")
        assert self.code == 0, (self.code, self._err.read_text(encoding="utf-8"))
