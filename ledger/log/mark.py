"""The signer's mark: the largest tree that was ever signed here, kept outside the database.

The mark is durable before a signature leaves. When the database comes back from an old copy, the
mark is ahead of it and nothing is signed until the missing entries are back.
Specification: docs/spec.md section 13.3.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.log.errors import MarkDamaged
from ledger.log.files import write_durably
from ledger.rules.errors import Malformed
from ledger.rules.text import decimal, hex32

_BYTES_MAX: Final = 128


@dataclass(frozen=True, slots=True)
class Marked:
    """A tree that was, or is about to be, signed: its size and its 32-byte root."""

    size: int
    root: bytes


class Mark:
    """A file of one line: the size, a space, the root in hex."""

    def __init__(self, path: Path) -> None:
        """Use a file in a folder that is not restored together with the database."""
        self._path = path

    def read(self) -> Marked | None:
        """Return the largest tree ever marked; None before the first.

        Raises:
            MarkDamaged: The file is there and cannot be read as a mark.

        """
        try:
            with self._path.open("rb") as file:
                line = file.read(_BYTES_MAX).decode("ascii")
            size, _, rest = line.partition(" ")
            root, end, after = rest.partition("\n")
            if not end or after:
                raise MarkDamaged(str(self._path), "is not one line")
            return Marked(decimal(size, field="size"), hex32(root, field="root"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise MarkDamaged(str(self._path), os.strerror(error.errno or 0)) from error
        except (UnicodeDecodeError, Malformed) as error:
            raise MarkDamaged(str(self._path), "is no size and root") from error

    def advance(self, marked: Marked) -> None:
        """Write a larger tree durably, whole or not at all; a mark never goes back.

        Raises:
            MarkDamaged: The mark before cannot be read.

        """
        before = self.read()
        if before is None or before.size < marked.size:
            write_durably(self._path, f"{marked.size} {marked.root.hex()}\n".encode("ascii"))
