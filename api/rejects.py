"""Rows that an import could not take: nothing of them is lost."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path
from typing import BinaryIO, Self

from api.config import PRIVATE_FILE, PRIVATE_FOLDER
from api.sales import Line, reject_document


class Rejects:
    """The file of rejected rows: written beside, and put in place when the import has ended."""

    def __init__(self, folder: Path, name: str) -> None:
        """Use a file of this name, and none before the first reject."""
        self.path = folder / f"{name}.jsonl"
        self._draft = folder / f".{name}.draft"
        self._file: BinaryIO | None = None
        self.reasons: Counter[str] = Counter()

    def add(self, line: Line, reason: str, message: str) -> None:
        """Keep one row."""
        if self._file is None:
            self._draft.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
            self._draft.unlink(missing_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            self._file = os.fdopen(os.open(self._draft, flags, PRIVATE_FILE), "wb")
        document = reject_document(line, reason, message)
        self._file.write(json.dumps(document, ensure_ascii=False).encode() + b"\n")
        self.reasons[reason] += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, failed: type[BaseException] | None, *_rest: object) -> None:
        if self._file is None:
            if failed is None:
                self.path.unlink(missing_ok=True)
            return
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        if failed is None:
            self._draft.replace(self.path)
