"""Tiles: the paths, widths and bytes in which a log serves its hashes and entries.

A *tile* (level, number) of width `w` holds `w` hashes: item `i` is the root over the leaves
`[(number * 256 + i) * 256**level, (number * 256 + i + 1) * 256**level)`. A full tile is 256 wide.
An *entry bundle* has no level; it holds the entries of the level-0 tile of the same number.

Specification: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ledger.proof.errors import MalformedEvidence
from ledger.proof.hashing import HASH_SIZE, node_hash
from ledger.proof.tree import NodeReader, OutOfRange

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
LEVEL_MAX = 63
NUMBER_LIMIT = 1 << 55  # a tree has fewer than 2**63 leaves, a level-0 tile holds 2**8
ENTRY_BYTES_MAX = 65_535

_LENGTH_BYTES = 2
_PATH_LENGTH_MAX = 64
_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<number>(?:x[0-9]{3}/)*[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, order=True)
class Tile:
    """One resource of the tile interface.

    Attributes:
        level: 0 to 63, or None for an entry bundle.
        number: 0-based number of the tile in its level.
        width: Hashes or entries in it, 1 to 256; 256 is a full tile.

    """

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Path below the log's prefix, without a leading slash. Raises `OutOfRange`."""
        if self.level is None:
            return bundle_path(self.number, self.width)
        return tile_path(self.level, self.number, self.width)


def tile_path(level: int, number: int, width: int = TILE_WIDTH) -> str:
    """Write the path of a tile below the log's prefix.

    Raises:
        OutOfRange: Level not 0 to 63, number negative or over 55 bits, width not 1 to 256.

    """
    if not 0 <= level <= LEVEL_MAX:
        raise OutOfRange("level", level)
    return f"tile/{level}/{_number_path(number, width)}"


def bundle_path(number: int, width: int = TILE_WIDTH) -> str:
    """Write the path of an entry bundle below the log's prefix.

    Raises:
        OutOfRange: Number negative or over 55 bits, width not 1 to 256.

    """
    return f"tile/entries/{_number_path(number, width)}"


def _number_path(number: int, width: int) -> str:
    if not 0 <= number < NUMBER_LIMIT:
        raise OutOfRange("number", number)
    if not 1 <= width <= TILE_WIDTH:
        raise OutOfRange("width", width)
    text = f"{number % 1000:03d}"
    while number >= 1000:  # noqa: PLR2004 (groups of three decimal digits)
        number //= 1000
        text = f"x{number % 1000:03d}/{text}"
    return text if width == TILE_WIDTH else f"{text}.p/{width}"


def parse_path(text: str) -> Tile:
    """Read the path of a tile or bundle: exactly what `Tile.path` writes.

    Raises:
        MalformedEvidence: Any other text, also a second spelling of a valid path.

    """
    match = _PATH.fullmatch(text) if len(text) <= _PATH_LENGTH_MAX else None
    if match is None:
        raise MalformedEvidence("tile", "not the path of a tile", field="path")
    level = None if match["level"] == "entries" else int(match["level"])
    number = int(match["number"].replace("x", "").replace("/", ""))
    tile = Tile(level, number, int(match["width"] or TILE_WIDTH))
    try:
        again = tile.path
    except OutOfRange as error:
        raise MalformedEvidence("tile", str(error), field="path") from None
    if again != text:
        raise MalformedEvidence("tile", "the path has a second spelling", field="path")
    return tile


def tiles_of(size: int) -> Iterator[Tile]:
    """List every tile of a tree of `size` leaves, level by level, left to right.

    The last tile of a level may be partial; a tile without hashes does not exist.
    """
    level, items = 0, size
    while items > 0:
        yield from _row(level, items)
        level, items = level + 1, items // TILE_WIDTH


def bundles_of(size: int) -> Iterator[Tile]:
    """List every entry bundle of a tree of `size` leaves, left to right."""
    yield from _row(None, size)


def _row(level: int | None, items: int) -> Iterator[Tile]:
    full, rest = divmod(items, TILE_WIDTH)
    for number in range(full):
        yield Tile(level, number)
    if rest:
        yield Tile(level, full, rest)


def partial_width(level: int, size: int) -> int:
    """Count the hashes in the last, partial tile of a level; 0 if there is none."""
    return (size >> TILE_HEIGHT * level) % TILE_WIDTH


def paths_of(size: int) -> Iterator[str]:
    """List the paths of all tiles, then of all entry bundles, of a tree of `size` leaves."""
    for tile in tiles_of(size):
        yield tile.path
    for bundle in bundles_of(size):
        yield bundle.path


def encode_tile(hashes: Sequence[bytes]) -> bytes:
    """Write 1 to 256 hashes of 32 bytes as a tile.

    Raises:
        OutOfRange: Another count or length.

    """
    if not 1 <= len(hashes) <= TILE_WIDTH:
        raise OutOfRange("width", len(hashes))
    for value in hashes:
        if len(value) != HASH_SIZE:
            raise OutOfRange("hash_bytes", len(value))
    return b"".join(hashes)


def decode_tile(data: bytes, *, width: int) -> list[bytes]:
    """Read a tile of exactly `width` hashes.

    Raises:
        MalformedEvidence: The data has another length.

    """
    if len(data) != width * HASH_SIZE:
        raise MalformedEvidence(
            "tile",
            f"{len(data)} bytes are not {width} hashes",
            field="length",
            expected=width * HASH_SIZE,
            found=len(data),
        )
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Write entries as a bundle: for each a big-endian 16-bit length, then its bytes.

    Raises:
        OutOfRange: An entry exceeds 65,535 bytes, or there are not 1 to 256 entries.

    """
    parts = []
    for entry in entries:
        if len(entry) > ENTRY_BYTES_MAX:
            raise OutOfRange("entry_bytes", len(entry))
        parts.append(len(entry).to_bytes(_LENGTH_BYTES, "big") + entry)
    if not 1 <= len(parts) <= TILE_WIDTH:
        raise OutOfRange("width", len(parts))
    return b"".join(parts)


def decode_bundle(data: bytes, *, width: int) -> list[bytes]:
    """Read a bundle of exactly `width` entries.

    Raises:
        MalformedEvidence: The data ends early, or holds more than `width` entries.

    """
    entries: list[bytes] = []
    at = 0
    for position in range(width):
        start = at + _LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        if start > len(data) or at > len(data):
            raise MalformedEvidence(
                "bundle",
                f"the bundle ends inside entry {position} of {width}",
                field="length",
                expected=width,
                found=position,
            )
        entries.append(data[start:at])
    if at != len(data):
        raise MalformedEvidence(
            "bundle",
            f"{len(data) - at} bytes follow entry {width}",
            field="length",
            expected=at,
            found=len(data),
        )
    return entries


def read_through(fetch: Callable[[int, int], Sequence[bytes]]) -> NodeReader:
    """Make a node reader from a reader of tiles.

    Args:
        fetch: Gives the hashes of tile (level, number), as many as the tree has there.

    Returns:
        A reader that raises `OutOfRange` for a node that the tile does not complete.

    """

    def read(level: int, index: int, /) -> bytes:
        tile_level, height = divmod(level, TILE_HEIGHT)
        number, first = divmod(index << height, TILE_WIDTH)
        hashes = list(fetch(tile_level, number)[first : first + (1 << height)])
        if len(hashes) != 1 << height:
            raise OutOfRange("node", index)
        while len(hashes) > 1:
            hashes = [node_hash(*hashes[at : at + 2]) for at in range(0, len(hashes), 2)]
        return hashes[0]

    return read
