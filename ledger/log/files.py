"""Writing files so that a crash leaves the old file or the new one, never half of either."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def write_durably(
    path: Path, data: bytes, *, check: Callable[[bytes], object] | None = None
) -> None:
    """Write a file whole, and make its name durable too.

    Args:
        path: The file; its folder exists. A draft left by a crash is written over.
        data: Its new bytes.
        check: Raises unless the draft, as read back, may take the file's place.

    """
    write_whole(path, data, check=check)
    sync_folder(path.parent)


def write_whole(path: Path, data: bytes, *, check: Callable[[bytes], object] | None = None) -> None:
    """Write a file into a draft beside it, made durable, then renamed over it.

    Args:
        path: The file; its folder exists, and is to be synced by the caller.
        data: Its new bytes.
        check: Raises unless the draft, as read back, may take the file's place.

    """
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if check is not None:
        check(draft.read_bytes())
    draft.replace(path)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
