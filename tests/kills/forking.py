"""Starts many servers without importing the program for each of them.

Started as a program of its own: it imports what `yinzheng serve` imports once, then reads one JSON
request a line. `start` forks a process that runs the command line as the console script would and
answers with its pid; `reap` answers with the exit code of one that has ended, else null. At the end
of its input it kills whatever it started.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import psycopg
import uvicorn.lifespan.on
import uvicorn.loops.auto
import uvicorn.protocols.http.auto
import uvicorn.protocols.websockets.auto

import api.app
from tests.cli.forked import child

PRELOADED = (api.app, psycopg, uvicorn)


def start(request: dict[str, Any]) -> dict[str, Any]:
    process = os.fork()
    if process == 0:
        with Path(request["out"]).open("wb") as out, Path(request["err"]).open("ab") as err:
            child(request, out, err)
    return {"pid": process}


def reap(pid: int) -> dict[str, Any]:
    found, status = os.waitpid(pid, os.WNOHANG)
    return {"code": os.waitstatus_to_exitcode(status) if found else None}


def serve_requests() -> None:
    alive: set[int] = set()
    for line in sys.stdin:
        request = json.loads(line)
        if "start" in request:
            answer = start(request["start"])
            alive.add(answer["pid"])
        else:
            answer = reap(request["reap"])
            if answer["code"] is not None:
                alive.discard(request["reap"])
        print(json.dumps(answer), flush=True)
    for pid in alive:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


if __name__ == "__main__":
    serve_requests()
