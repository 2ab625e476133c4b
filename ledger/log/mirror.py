"""A mirror: any copy of the published log, to find out how far the log went and to heal from.

Nothing in a mirror is believed but what the log's own key signed: its checkpoint is opened under
the verifier key, and every hash and entry is led back to the signed root before it is used.
Specification: docs/spec.md section 13.4; c2sp.org/tlog-tiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

from ledger.log.errors import MirrorUnusable
from ledger.proof.checkpoint import Checkpoint, open_checkpoint
from ledger.proof.errors import VerificationError
from ledger.proof.hashing import EMPTY_ROOT, leaf_hash
from ledger.proof.merkle import check_consistency
from ledger.proof.sources import TileSource, folder_source, split_bundle, url_source
from ledger.proof.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, bundles_of, decode_tile, read_through
from ledger.proof.tree import OutOfRange, consistency_path, root_of
from ledger.proof.vkey import VerifierKey

_TILES_KEPT: Final = 256
_FILE: Final = "file://"


class Mirror:
    """One copy of the log, as it was when its checkpoint was first read."""

    def __init__(self, place: str, vkey: str) -> None:
        """Name a mirror; nothing is read yet.

        Args:
            place: An http(s) address of a served log, or a folder of exported files.
            vkey: Verifier key of the log, as the caller trusts it.

        """
        self.place = place
        self._key = VerifierKey.parse(vkey)
        self._source: TileSource | None = None
        self._signed: tuple[Checkpoint, bytes] | None = None
        self._tile = lru_cache(_TILES_KEPT)(self._load_tile)

    def checkpoint(self) -> Checkpoint:
        """Return the mirror's latest checkpoint, signed by the log.

        Raises:
            MirrorUnusable: It cannot be reached, or holds no checkpoint of this log.

        """
        return self._opened()[0]

    def note(self) -> bytes:
        """Return the exact bytes of that checkpoint. Raises `MirrorUnusable`."""
        return self._opened()[1]

    def root(self, size: int) -> bytes:
        """Return the root of the first `size` leaves of the signed tree, proven from its tiles.

        Args:
            size: At most that of the mirror's checkpoint.

        Raises:
            MirrorUnusable: Its tiles do not lead to the signed root.

        """
        signed = self.checkpoint()
        if size == 0:
            return EMPTY_ROOT
        if size == signed.size:
            return signed.root
        try:
            root = root_of(size, self._node)
            check_consistency(
                old_size=size,
                old_root=root,
                new_size=signed.size,
                new_root=signed.root,
                path=consistency_path(size, signed.size, self._node),
            )
        except VerificationError as error:
            raise MirrorUnusable(self.place, str(error)) from error
        return root

    def leaves(self, start: int) -> list[bytes]:
        """Return the leaf hashes from `start` to the mirror's end, as it serves them.

        The caller rebuilds the signed root from them before it believes one.

        Raises:
            MirrorUnusable: A tile is missing or has another length.

        """
        size, found = self.checkpoint().size, []
        for number in range(start // TILE_WIDTH, -(-size // TILE_WIDTH)):
            found += self._tile(0, number)
        return found[start % TILE_WIDTH :]

    def entries(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Yield index and bytes of the entries from `start` to the mirror's end.

        Raises:
            MirrorUnusable: A bundle is missing or cannot be read.

        """
        for bundle in bundles_of(self.checkpoint().size):
            first = bundle.number * TILE_WIDTH
            if first + bundle.width <= start:
                continue
            data = self._read(bundle.path)
            try:
                split = list(split_bundle(data, start=first, width=bundle.width))
            except VerificationError as error:
                raise MirrorUnusable(self.place, f"{bundle.path}: {error}") from error
            yield from ((index, raw) for index, raw in split if index >= start)

    def checkpoints(self) -> Iterator[tuple[int, bytes]]:
        """Yield the published checkpoints that the mirror keeps, each opened, with its size.

        Raises:
            MirrorUnusable: One is missing, or is not of this log and this size.

        """
        self.checkpoint()
        assert self._source is not None  # noqa: S101 - opened by the line above
        try:
            for size, note in self._source.checkpoints():
                checkpoint, _ = open_checkpoint(note, log=self._key)
                if checkpoint.size != size:
                    reason = f"the checkpoint kept for {size} is of {checkpoint.size}"
                    raise MirrorUnusable(self.place, reason)
                yield size, note
        except VerificationError as error:
            raise MirrorUnusable(self.place, str(error)) from error

    def _opened(self) -> tuple[Checkpoint, bytes]:
        if self._signed is None:
            try:
                self._source = _source(self.place)
                note = self._source.checkpoint()
                self._signed = open_checkpoint(note, log=self._key)[0], note
            except VerificationError as error:
                raise MirrorUnusable(self.place, str(error)) from error
        return self._signed

    def _node(self, level: int, index: int, /) -> bytes:
        try:
            return read_through(self._tile)(level, index)
        except OutOfRange as error:
            raise MirrorUnusable(self.place, str(error)) from error

    def _load_tile(self, level: int, number: int) -> list[bytes]:
        items = self.checkpoint().size >> TILE_HEIGHT * level
        width = min(TILE_WIDTH, items - number * TILE_WIDTH)
        path = Tile(level, number, width).path
        try:
            return decode_tile(self._read(path), width=width)
        except VerificationError as error:
            raise MirrorUnusable(self.place, f"{path}: {error}") from error

    def _read(self, path: str) -> bytes:
        assert self._source is not None  # noqa: S101 - read only after the checkpoint
        try:
            data = self._source.file(path)
        except VerificationError as error:
            raise MirrorUnusable(self.place, str(error)) from error
        if data is None:
            raise MirrorUnusable(self.place, f"{path} is missing")
        return data


def _source(place: str) -> TileSource:
    if place.lower().startswith(("http://", "https://")):
        return url_source(place)
    return folder_source(Path(place.removeprefix(_FILE)))


def check_leaf(place: str, index: int, raw: bytes, leaf: bytes) -> None:
    """Check that an entry of a mirror is the one whose leaf was signed.

    Raises:
        MirrorUnusable: It is another one.

    """
    if leaf_hash(raw) != leaf:
        raise MirrorUnusable(place, f"entry {index} is not the one that was signed")
