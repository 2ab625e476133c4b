"""The published log as static resources, byte for byte as C2SP tlog-tiles says.

Every path has one spelling; any other is not found. Tiles never change, partial ones neither: they
stay available after the full tile exists. Specification: c2sp.org/tlog-tiles.
"""

from __future__ import annotations

import gzip

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import IMMUTABLE, REVALIDATE, answer
from api.errors import CheckpointNotFound, RouteNotFound, TileNotFound
from api.rooms import Here, Rooms
from api.schemas import BINARY, PROBLEMS, TEXT
from ledger.proof.errors import MalformedEvidence
from ledger.proof.tiles import Tile, parse_path
from ledger.rules.errors import Malformed
from ledger.rules.text import decimal

router = APIRouter(prefix="/log", tags=["published log"], default_response_class=Response)

_TEXT = "text/plain; charset=utf-8"
_OCTETS = "application/octet-stream"
_GZIP_LEVEL = 6


@router.get(
    "/vkey",
    operation_id="get_vkey",
    summary="Read the checkpoint key",
    responses=TEXT | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_vkey(request: Request, rooms: Here) -> Response:
    """Read the C2SP verifier key of the log. Who verifies should have it from elsewhere."""
    _check_spelling(request)
    return answer(request, f"{rooms.house.vkey}\n".encode(), media_type=_TEXT)


@router.get(
    "/checkpoint",
    operation_id="get_checkpoint",
    summary="Read the latest checkpoint",
    responses=TEXT | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_checkpoint(request: Request, rooms: Here) -> Response:
    """Read the latest signed checkpoint, a C2SP signed note."""
    _check_spelling(request)
    note = await rooms.read(rooms.house.reader.checkpoint)
    if note is None:
        raise CheckpointNotFound("no checkpoint was published yet")
    return answer(request, note, media_type=_TEXT, headers={"Cache-Control": REVALIDATE})


@router.get(
    "/checkpoints/sizes",
    operation_id="list_checkpoints",
    summary="List the sizes of all checkpoints",
    responses=TEXT | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def list_checkpoints(request: Request, rooms: Here) -> Response:
    """List the sizes for which a checkpoint was published, one decimal a line, ascending."""
    _check_spelling(request)
    sizes = await rooms.read(lambda: list(rooms.house.reader.checkpoint_sizes()))
    listed = "".join(f"{size}\n" for size in sizes).encode("ascii")
    return answer(request, listed, media_type=_TEXT, headers={"Cache-Control": REVALIDATE})


@router.get(
    "/checkpoints/{size}",
    operation_id="get_checkpoint_of_size",
    summary="Read an earlier checkpoint",
    responses=TEXT | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_checkpoint_of_size(request: Request, rooms: Here, size: str) -> Response:
    """Read the checkpoint that was published for a tree of this size, exact bytes."""
    _check_spelling(request)
    try:
        number = decimal(size, field="path.size")
    except Malformed:
        raise RouteNotFound("a size has one spelling: decimal, without leading zeros") from None
    note = await rooms.read(rooms.house.reader.checkpoint_at, number)
    if note is None:
        raise CheckpointNotFound("no checkpoint of this size was published", size=number)
    return answer(request, note, media_type=_TEXT, headers={"Cache-Control": IMMUTABLE})


@router.get(
    "/tile/entries/{path:path}",
    operation_id="get_entry_bundle",
    summary="Read a bundle of entries",
    responses=BINARY | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_entry_bundle(request: Request, rooms: Here, path: str) -> Response:
    """Read up to 256 entries, each behind its 16-bit length; gzip where the client takes it."""
    _check_spelling(request)
    tile = _read_path(f"tile/entries/{path}")
    content = await rooms.read(rooms.house.reader.bundle, tile.number, tile.width)
    if content is None:
        raise _missing(tile)
    headers = {"Cache-Control": IMMUTABLE, "Vary": "Accept-Encoding"}
    if _takes_gzip(request):
        content = await rooms.read(_compress, content)
        headers["Content-Encoding"] = "gzip"
    return answer(request, content, media_type=_OCTETS, headers=headers)


@router.get(
    "/tile/{level}/{path:path}",
    operation_id="get_tile",
    summary="Read a tile of hashes",
    responses=BINARY | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_tile(request: Request, rooms: Here, level: str, path: str) -> Response:
    """Read up to 256 hashes of one level of the tree, 32 bytes each."""
    _check_spelling(request)
    tile = _read_path(f"tile/{level}/{path}")
    content = await rooms.read(_hashes, rooms, tile)
    if content is None:
        raise _missing(tile)
    return answer(request, content, media_type=_OCTETS, headers={"Cache-Control": IMMUTABLE})


def _hashes(rooms: Rooms, tile: Tile) -> bytes | None:
    assert tile.level is not None  # noqa: S101 - bundles have a route of their own
    return rooms.house.reader.tile(tile.level, tile.number, tile.width)


def _read_path(text: str) -> Tile:
    try:
        return parse_path(text)
    except MalformedEvidence:
        raise RouteNotFound("not the path of a tile in its one spelling") from None


def _missing(tile: Tile) -> TileNotFound:
    return TileNotFound("no such tile was published", path=tile.path)


def _check_spelling(request: Request) -> None:
    """Refuse percent-encoded spellings and queries: a cache would keep each by itself."""
    raw = request.scope.get("raw_path")
    written = request.scope["path"].encode("utf-8", "replace")
    if (raw is not None and raw != written) or request.scope["query_string"]:
        raise RouteNotFound("this path has one spelling, without a query")


def _takes_gzip(request: Request) -> bool:
    choices = request.headers.get("accept-encoding", "").lower().split(",")
    for choice in choices:
        coding, _, weight = choice.replace(" ", "").partition(";")
        if coding == "gzip":
            return weight.removeprefix("q=").strip("0.") != "" or not weight
    return False


def _compress(content: bytes) -> bytes:
    # Without a time the same content is always the same bytes.
    return gzip.compress(content, _GZIP_LEVEL, mtime=0)
