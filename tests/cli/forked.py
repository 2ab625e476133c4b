"""Runs the command line many times without importing it each time.

Started as a program of its own: it imports `api.cli.main` once, then reads one JSON request a line
(arguments and environment), forks a process that runs the command as the console script would, and
answers with one JSON line: exit code, stdout and stderr.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
from typing import IO, Any

from api.cli.main import main


def child(request: dict[str, Any], out: IO[bytes], err: IO[bytes]) -> None:
    """Become the program; never returns."""
    os.environ.clear()
    os.environ.update(request["environment"])
    empty = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((empty, 0), (out.fileno(), 1), (err.fileno(), 2)):
        os.dup2(source, target)
    # Whatever runs in a shell's background is deaf to it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["yinzheng", *request["arguments"]]
    code = 70
    try:
        main()
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 70
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def answer(request: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = os.fork()
        if process == 0:
            child(request, out, err)
        _, status = os.waitpid(process, 0)
        told = {"code": os.waitstatus_to_exitcode(status)}
        for name, file in (("out", out), ("err", err)):
            file.seek(0)
            told[name] = file.read().decode("utf-8")
    return told


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answer(json.loads(line))), flush=True)
