"""Where an audit reads from: an exported folder, or the tiles that a log serves.

Both have the layout of C2SP tlog-tiles: `checkpoint`, `tile/...`, `tile/entries/...`, and beside it
`checkpoints/sizes` and `checkpoints/<size>` where offered. Nothing read here is trusted.

Specification: docs/spec.md section 13.
"""

from __future__ import annotations

import http.client
import os
import stat
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from ledger.proof.errors import Incomplete, MalformedEvidence, Tampered, Unverifiable, reading
from ledger.proof.tiles import Tile, bundles_of, decode_tile, tiles_of
from ledger.proof.tree import MemoryTree
from ledger.rules.entries import Entry
from ledger.rules.state import Stream
from ledger.rules.text import decimal

_STEP = "fetch"
_SIZES = "checkpoints/sizes"
_LENGTH_BYTES = 2
_TILE_ENTRIES = 256
# A full bundle of the largest entries; nothing that a log serves is larger.
FILE_BYTES_MAX = _TILE_ENTRIES * (_LENGTH_BYTES + 65_535)
TIMEOUT_S = 30

Fetch = Callable[[str], bytes | None]


class Source(Protocol):
    """A log to audit."""

    lost: int
    """Sealed values that the source itself says are lost; a log audit needs none of them."""

    lost_parcels: int
    """Parcels that the platform delivered and the source does not hold."""

    def checkpoint(self) -> bytes:
        """Return the latest signed checkpoint. Raises `Unverifiable` where there is none."""

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """Yield earlier signed checkpoints that are offered, with the size they are kept under."""

    def entries(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield (index, bytes) of what is present, in order; `size` is the checkpoint's."""

    def references(self, size: int) -> Iterator[list[bytes]]:
        """Yield candidates for the first `size` leaf hashes, as stored or served."""

    def observe(
        self, entry: Entry, before: Stream | None, after: Stream, cause: Entry | None
    ) -> None:
        """Take notice of an entry that replayed, with its stream's state before and after."""

    def check_derived(self, tree: MemoryTree, size: int) -> None:
        """Compare what is stored or served beside the entries. Raises `VerificationError`."""


class TileSource:
    """A log read through its static files."""

    lost = 0
    lost_parcels = 0

    def __init__(self, fetch: Fetch) -> None:
        """Take a function from relative path to bytes, None where there is no such file."""
        self._fetch = fetch
        self._listed: bytes | None = None

    def file(self, path: str) -> bytes | None:
        """Return a file by its relative path, None where there is none. Raises `Unverifiable`."""
        return self._fetch(path)

    def checkpoint(self) -> bytes:
        """Return the latest signed checkpoint."""
        # The list comes first: what a log publishes meanwhile must not look like a lack.
        self._listed = self._fetch(_SIZES)
        note = self._fetch("checkpoint")
        if note is None:
            raise Unverifiable(_STEP, "there is no checkpoint", field="checkpoint")
        return note

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """Yield the earlier checkpoints that the log offers."""
        for size in _sizes((self._listed or b"").decode("ascii", "replace")):
            note = self._fetch(f"checkpoints/{size}")
            if note is None:
                raise Incomplete(_STEP, "a listed checkpoint is missing", field=f"size {size}")
            yield size, note

    def entries(self, size: int) -> Iterator[tuple[int, bytes]]:
        """Yield the entries of the bundles that cover `size`."""
        for bundle in bundles_of(size):
            start = bundle.number * _TILE_ENTRIES
            data = self._fetch(bundle.path)
            if data is None:
                raise Incomplete(
                    _STEP, "an entry bundle is missing", index=start, field=bundle.path
                )
            yield from split_bundle(data, start=start, width=bundle.width)

    def references(self, size: int) -> Iterator[list[bytes]]:
        """Yield the hashes of the level-0 tiles, if all are there."""
        hashes: list[bytes] = []
        for tile in tiles_of(size):
            if tile.level != 0:
                break
            data = self._fetch(tile.path)
            if data is None:
                return
            try:
                hashes += decode_tile(data, width=tile.width)
            except MalformedEvidence:
                return
        yield hashes

    def observe(
        self, entry: Entry, before: Stream | None, after: Stream, cause: Entry | None
    ) -> None:
        """Do nothing: beside the entries, a log serves only tiles."""

    def check_derived(self, tree: MemoryTree, size: int) -> None:
        """Compare every served tile of the tree of `size` leaves with the recomputed one."""
        for tile in tiles_of(size):
            data = self._fetch(tile.path)
            if data is None:
                raise Incomplete("tile", "a tile is missing", field=tile.path)
            check_tile(tile, data, tree)


def _sizes(listed: str) -> Iterator[int]:
    """Read one decimal a line, ascending: none can be listed, and checked, again and again."""
    *lines, rest = listed.split("\n")
    last = -1
    for line in lines:
        with reading(_STEP):
            size = decimal(line, field=_SIZES)
        if size <= last:
            raise MalformedEvidence(_STEP, "sizes do not ascend", field=_SIZES, found=size)
        yield size
        last = size
    if rest:
        raise MalformedEvidence(_STEP, "a size does not end in a newline", field=_SIZES)


def split_bundle(data: bytes, *, start: int, width: int) -> Iterator[tuple[int, bytes]]:
    """Yield the entries of a bundle with their indices, as far as it can be read.

    Raises:
        MalformedEvidence: The bundle ends early or holds more; `index` names where.

    """
    at = 0
    for index in range(start, start + width):
        first = at + _LENGTH_BYTES
        at = first + int.from_bytes(data[at:first], "big")
        if first > len(data) or at > len(data):
            raise MalformedEvidence("bundle", "the bundle ends early", index=index, field="length")
        yield index, data[first:at]
    if at != len(data):
        last = start + width - 1
        raise MalformedEvidence("bundle", "bytes follow the last entry", index=last, field="length")


def check_tile(tile: Tile, data: bytes, tree: MemoryTree) -> None:
    """Compare one tile's bytes with the recomputed tree.

    Raises:
        MalformedEvidence: Another length.
        Tampered: A hash differs; `index` is the first entry it covers.

    """
    level = tile.level or 0
    hashes = decode_tile(data, width=tile.width)
    for place, found in enumerate(hashes):
        position = tile.number * _TILE_ENTRIES + place
        expected = tree.node(8 * level, position)
        if found != expected:
            raise Tampered(
                "tile",
                "a stored hash differs from the recomputed one",
                index=position << 8 * level,
                field=tile.path,
                expected=expected,
                found=found,
            )


def folder_source(folder: Path) -> TileSource:
    """Read an exported folder.

    Raises:
        Unverifiable: There is no such folder.

    """
    if not folder.is_dir():
        raise Unverifiable(_STEP, f"there is no folder {folder}", field="folder")

    def fetch(path: str) -> bytes | None:
        try:
            with open(folder / path, "rb", opener=_open_at_once) as stream:
                if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                    raise Unverifiable(_STEP, "it is no regular file", field=path)
                return _limited(stream.read(FILE_BYTES_MAX + 1), path)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            message = f"a file cannot be read: {error.strerror}"
            raise Unverifiable(_STEP, message, field=path) from None

    return TileSource(fetch)


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting: a named pipe in a hostile folder has nobody at its other end."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def url_source(url: str) -> TileSource:
    """Read what a log serves, at `url` or at `url`/log.

    Raises:
        Unverifiable: The address is not http(s), nothing answers, or it serves no log.

    """
    if not url.lower().startswith(("http://", "https://")):
        raise Unverifiable(_STEP, "the address is neither http nor https", field="url", found=url)
    base = url.rstrip("/")
    for prefix in (base, f"{base}/log"):
        if _get(f"{prefix}/checkpoint") is not None:
            return TileSource(partial(_get_below, prefix))
    raise Unverifiable(_STEP, "no log is served there", field="url", found=url)


def _get_below(prefix: str, path: str) -> bytes | None:
    return _get(f"{prefix}/{path}")


def _get(url: str) -> bytes | None:
    try:
        # The scheme was checked when the source was made.
        request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            data: bytes = answer.read(FILE_BYTES_MAX + 1)
            if answer.length and len(data) <= FILE_BYTES_MAX:
                # A read with a limit takes a broken connection for the end of the file.
                raise http.client.IncompleteRead(data, answer.length)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            return None
        raise Unverifiable(_STEP, f"the server answers {error.code}", field=url) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        # HTTPException: it answers, but not with HTTP, or less than it announced.
        raise Unverifiable(_STEP, f"the server cannot be reached: {error}", field=url) from None
    return _limited(data, url)


def _limited(data: bytes, path: str) -> bytes:
    if len(data) > FILE_BYTES_MAX:
        raise MalformedEvidence(_STEP, "the file is too large", field=path, expected=FILE_BYTES_MAX)
    return data
