"""Exporting the published log as static files that any C2SP client, or an auditor, can read.

The layout is that of docs/spec.md section 13.4; the same paths are served under `/log/`. Every file
is written whole or not at all, and the latest checkpoint after all that it covers is durable: a
crash leaves the older export, whole. An export into an older export adds what is new.
Specification: docs/spec.md section 13.4; c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ledger.log.errors import EntryMissing, ExportConflict, NotPublished
from ledger.log.files import sync_folder, write_durably, write_whole
from ledger.log.reader import LogReader
from ledger.log.stored_state import checked_entry
from ledger.proof.checkpoint import parse_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.note import split_note
from ledger.proof.tiles import TILE_HEIGHT, Tile, bundles_of, partial_width, tiles_of

Progress = Callable[[int, int], None]

CHECKPOINT = "checkpoint"
VKEY = "vkey"
SIZES = "checkpoints/sizes"


def export_log(reader: LogReader, folder: Path, progress: Progress | None = None) -> int:
    """Write the log, as far as it is published, into a folder.

    Args:
        reader: The log.
        folder: Made where it does not exist; may hold an earlier export of the same log.
        progress: Called with (files done, files in all) after each file.

    Returns:
        The size that was exported.

    Raises:
        NotPublished: There is no checkpoint yet.
        ExportConflict: The folder holds another log, a later export, or a changed file.
        EntryMissing: Storage lacks an entry.
        OSError: A file cannot be written; the earlier export, if any, is still whole.

    Spec: docs/spec.md section 13.4.

    """
    note = reader.checkpoint()
    if note is None:
        raise NotPublished(index=None, published=0)
    size = parse_checkpoint(split_note(note)[0]).size
    sizes = [each for each in reader.checkpoint_sizes() if each <= size]
    resources = sorted(
        {*tiles_of(size), *bundles_of(size), *_partial_tiles(sizes, size)}, key=_path
    )
    folder.mkdir(parents=True, exist_ok=True)
    vkey = _vkey(reader)
    _is_there(folder / VKEY, VKEY, vkey)
    _check_older(folder, note, size)
    _put(folder, VKEY, vkey)
    total = len(resources) + len(sizes)
    for done, (name, data) in enumerate(_files(reader, resources, sizes), start=1):
        _put(folder, name, data)
        if progress is not None:
            progress(done, total)
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    write_durably(folder / CHECKPOINT, note)
    # After the checkpoint: a list that names more than it covers would look like a loss.
    write_durably(folder / SIZES, "".join(f"{each}\n" for each in sizes).encode("ascii"))
    return size


def _files(
    reader: LogReader, resources: Sequence[Tile], sizes: Sequence[int]
) -> Iterator[tuple[str, bytes]]:
    """Yield every file that never changes, with its path in the folder."""
    for tile in resources:
        data = (
            reader.bundle(tile.number, tile.width)
            if tile.level is None
            else reader.tile(tile.level, tile.number, tile.width)
        )
        assert data is not None, "a published checkpoint covers every tile listed here"  # noqa: S101
        yield tile.path, data
    for size in sizes:
        note = reader.checkpoint_at(size)
        assert note is not None, "published checkpoints are never taken back"  # noqa: S101
        yield f"checkpoints/{size}", note


def _partial_tiles(sizes: Sequence[int], latest: int) -> Iterator[Tile]:
    """Yield the partial tiles and bundles of earlier sizes that no full tile replaces yet."""
    for size in sizes:
        level = 0
        while size >> TILE_HEIGHT * level:
            width = partial_width(level, size)
            number = size >> TILE_HEIGHT * (level + 1)
            if width and number == latest >> TILE_HEIGHT * (level + 1):
                yield Tile(level, number, width)
                if level == 0:
                    yield Tile(None, number, width)
            level += 1


def _path(tile: Tile) -> str:
    return tile.path


def _vkey(reader: LogReader) -> bytes:
    row = reader.entry(0)
    if row is None:
        raise EntryMissing(0)
    command = checked_entry(row).command
    assert command is not None, "entry 0 carries the command that opened the log"  # noqa: S101
    return f"{command.body['vkey']}\n".encode()


def _check_older(folder: Path, note: bytes, size: int) -> None:
    """Refuse a folder whose checkpoint is larger, or another one of the same size."""
    file = folder / CHECKPOINT
    if not file.exists():
        return
    found = file.read_bytes()
    try:
        older = parse_checkpoint(split_note(found)[0]).size
    except VerificationError as error:
        raise ExportConflict(CHECKPOINT, "is no checkpoint") from error
    if older > size:
        raise ExportConflict(CHECKPOINT, f"is of size {older}, later than {size}")
    if older == size and found != note:
        raise ExportConflict(CHECKPOINT, f"of size {size} is another one")


def _put(folder: Path, name: str, data: bytes) -> None:
    """Write a file that never changes, unless it is there."""
    file = folder / name
    if not _is_there(file, name, data):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, data)


def _is_there(file: Path, name: str, data: bytes) -> bool:
    """Whether the file exists; one with other bytes is left alone, with `ExportConflict`."""
    if not file.exists():
        return False
    if file.read_bytes() != data:
        raise ExportConflict(name, "holds other bytes")
    return True
