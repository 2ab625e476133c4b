"""Entries: the exact bytes of the log, one by one."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import IMMUTABLE, REVALIDATE, answer
from api.errors import EntryNotFound
from api.reading import read_query
from api.rooms import Here
from api.schemas import PROBLEMS, Entry
from ledger.rules.text import decimal

router = APIRouter(tags=["log"])


@router.get(
    "/v1/entries/{index}",
    operation_id="get_entry",
    summary="Read the exact bytes of an entry",
    response_model=Entry,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_entry(request: Request, rooms: Here, index: str) -> Response:
    """Read the entry at a 0-based index: the very bytes whose leaf hash stands in the tree."""
    read_query(request)
    number = decimal(index, field="path.index")
    found = await rooms.read(rooms.house.reader.entry, number)
    if found is None:
        raise EntryNotFound("the log has no entry at this index", index=number)
    # Until a checkpoint covers it, a restored older copy of the log could hold another entry here.
    published = await rooms.read(rooms.house.reader.published_size)
    caching = IMMUTABLE if number < published else REVALIDATE
    headers = {"Cache-Control": caching, "Yinzheng-Leaf": found.leaf.hex()}
    return answer(request, found.entry, etag=found.leaf.hex(), headers=headers)
