"""Proofs over the published tree. Paths hold everything, so that no cache mixes them up."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import IMMUTABLE, json_answer
from api.errors import ProofNotAvailable
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS, Consistency, Inclusion
from ledger.rules.text import decimal

router = APIRouter(prefix="/v1/proofs", tags=["proofs"])

_CACHED = {"Cache-Control": IMMUTABLE}


@router.get(
    "/inclusion/{index}/{size}",
    operation_id="get_inclusion_proof",
    summary="Prove that an entry is in a tree",
    response_model=Inclusion,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_inclusion_proof(request: Request, rooms: Here, index: str, size: str) -> Response:
    """Prove the entry at `index` in the tree of the first `size` entries (RFC 9162, 2.1.3)."""
    read_query(request)
    place, count = decimal(index, field="path.index"), decimal(size, field="path.size")
    return json_answer(request, await rooms.read(_inclusion, rooms, place, count), headers=_CACHED)


def _inclusion(rooms: Rooms, index: int, size: int) -> dict[str, Any]:
    reader = rooms.house.reader
    published = reader.published_size()
    if not index < size <= published:
        raise ProofNotAvailable(
            "needs index < size <= published size", index=index, size=size, published=published
        )
    entry = reader.entry(index)
    assert entry is not None  # noqa: S101 - what is published is there
    path = [node.hex() for node in reader.inclusion(index, size)]
    return {"index": index, "leaf": entry.leaf.hex(), "path": path, "size": size}


@router.get(
    "/consistency/{old}/{new}",
    operation_id="get_consistency_proof",
    summary="Prove that a tree extends another",
    response_model=Consistency,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_consistency_proof(request: Request, rooms: Here, old: str, new: str) -> Response:
    """Prove that the tree of `new` entries extends the tree of `old` ones (RFC 9162, 2.1.4)."""
    read_query(request)
    before, after = decimal(old, field="path.old"), decimal(new, field="path.new")
    return json_answer(
        request, await rooms.read(_consistency, rooms, before, after), headers=_CACHED
    )


def _consistency(rooms: Rooms, old: int, new: int) -> dict[str, Any]:
    published = rooms.house.reader.published_size()
    if not 1 <= old <= new <= published:
        raise ProofNotAvailable(
            "needs 1 <= old <= new <= published size", old=old, new=new, published=published
        )
    path = [node.hex() for node in rooms.house.reader.consistency(old, new)]
    return {"new": new, "old": old, "path": path}
