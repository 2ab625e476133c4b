"""What a command prints: one JSON line, or text for people; progress goes to stderr.

With `--json` stdout holds that one line and nothing else. Progress bars are drawn on a terminal
only, and never with `--json`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

_WIDTH_ELSEWHERE = 160

Step = Callable[[int, int], None]


class Output:
    """Where the results of one command go."""

    def __init__(self, *, as_json: bool) -> None:
        """Choose between one JSON line and text."""
        self.as_json = as_json

    def result(self, document: Mapping[str, Any], *shown: RenderableType) -> None:
        """Print the result, once: as JSON, or as what is shown to people."""
        if self.as_json:
            write_line(document)
            return
        # Tables are cut to a terminal's width, never to that of a pipe.
        width = None if sys.stdout.isatty() else _WIDTH_ELSEWHERE
        # Nothing of what is shown means anything else: not even `:key:` in a card key.
        console = Console(width=width, highlight=False, emoji=False)
        for each in shown:
            console.print(each, markup=False, soft_wrap=isinstance(each, str))

    def say(self, text: str) -> None:
        """Tell people on stderr what is going on; silent with `--json`."""
        if not self.as_json:
            print(text, file=sys.stderr, flush=True)

    @contextmanager
    def progress(self, what: str) -> Iterator[Step]:
        """Draw a bar on stderr while the block runs.

        Args:
            what: Two or three words.

        Yields:
            A function of (done, in all).

        """
        hidden = self.as_json or not sys.stderr.isatty() or bool(os.environ.get("CI"))
        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=hidden,
        )
        with bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def write_line(document: Mapping[str, Any]) -> None:
    """Write one line of JSON to stdout, in UTF-8 whatever the locale."""
    line = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.flush()
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace") + b"\n")
    sys.stdout.buffer.flush()


def plain(document: Mapping[str, Any]) -> str:
    """Write a flat document as aligned lines for people."""
    width = max(map(len, document), default=0)
    return "\n".join(f"{name:<{width}}  {_plain(value)}" for name, value in document.items())


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {each}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
