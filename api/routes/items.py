"""Items: who holds one, what happened to it, and the proof."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import Freshness, answer, freshness, json_answer
from api.cursors import read_cursor, write_cursor
from api.errors import ItemNotFound
from api.moments import check_shown, moment_of, wait_for_index
from api.provenance import history_document, provenance_of
from api.provenance_schemas import Provenance
from api.reading import read_limit, read_number, read_query
from api.rooms import Here, Rooms
from api.schemas import (
    AT_INDEX,
    AT_TIME,
    CURSOR,
    INDEX,
    LIMIT,
    PROBLEMS,
    TEXT,
    WAIT_FOR_INDEX,
    HistoryPage,
    Item,
)
from api.signatures import content_digest
from ledger.rules.entries import Entry, read_entry
from ledger.rules.errors import Malformed
from ledger.rules.items import item_stream
from ledger.rules.text import check_item, format_time

router = APIRouter(prefix="/v1/items", tags=["items"])

_OFFERED = "transfer-offered/1"


@router.get(
    "/{namespace}/{id}",
    operation_id="get_item",
    summary="Read who holds an item",
    response_model=Item,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [AT_INDEX, AT_TIME, WAIT_FOR_INDEX]},
)
async def get_item(request: Request, rooms: Here, namespace: str, id: str) -> Response:  # noqa: A002
    """Read owner, freeze and standing offer of an item, now or as of an earlier entry or time."""
    query = read_query(request, ("at_index", "at_time", "wait_for_index"))
    name = check_item(f"{namespace}/{id}", field="path")
    await wait_for_index(request, rooms, query)
    document, fresh = await rooms.read(_item, rooms, name, query)
    # What an item is changes only with its stream; `as_of` alone is no other representation.
    return json_answer(request, document, etag=document["head"]["leaf"], headers=fresh.headers)


def _item(rooms: Rooms, item: str, query: Mapping[str, str]) -> tuple[dict[str, Any], Freshness]:
    fresh = freshness(rooms)
    index = moment_of(rooms, query, shown=fresh.projected)
    held = rooms.ownership.after(item, index).found
    last = rooms.house.reader.last_of_stream(item_stream(item), lte_index=index)
    if held is None or last is None:
        raise ItemNotFound("the log held no such item then", item=item, index=index)
    head = read_entry(last.entry)
    return {
        "as_of": fresh.as_of(index),
        "frozen": bool(held.frozen),
        "head": {"index": head.index, "leaf": head.leaf, "seq": head.seq},
        "item": item,
        "offer": _standing_offer(head),
        "owner": held.owner,
        "since": {"at": format_time(held.from_at), "index": held.from_index},
    }, fresh


def _standing_offer(head: Entry) -> dict[str, Any] | None:
    """Read the offer that stands: whatever comes after an offer on the item's stream ends it."""
    if head.type != _OFFERED or head.command is None:
        return None
    body = head.command.body
    named = {name: body[name] for name in ("price", "to", "until")}
    return {"digest": head.command.digest, **named}


@router.get(
    "/{namespace}/{id}/history",
    operation_id="list_item_history",
    summary="Read what happened to an item",
    response_model=HistoryPage,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [AT_INDEX, AT_TIME, CURSOR, LIMIT, WAIT_FOR_INDEX]},
)
async def list_item_history(
    request: Request,
    rooms: Here,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """Read an item's history, oldest first; pages are pinned to one size of the log."""
    query = read_query(request, ("at_index", "at_time", "cursor", "limit", "wait_for_index"))
    name = check_item(f"{namespace}/{id}", field="path")
    await wait_for_index(request, rooms, query)
    document, fresh = await rooms.read(_history, rooms, name, query)
    headers = fresh.headers
    if document["has_more"]:
        following = f"?cursor={document['next_cursor']}&limit={read_limit(query)}"
        headers["Link"] = f'<{request.url.path}{following}>; rel="next"'
    return json_answer(request, document, headers=headers)


def _history(rooms: Rooms, item: str, query: Mapping[str, str]) -> tuple[dict[str, Any], Freshness]:
    fresh = freshness(rooms)
    if "cursor" in query:
        if query.keys() & {"at_index", "at_time"}:
            raise Malformed("query.cursor", "is given beside another moment")
        cursor = read_cursor(query["cursor"])
        size, start = cursor.size, cursor.start
        check_shown(rooms, size - 1, shown=fresh.projected)
    else:
        size, start = moment_of(rooms, query, shown=fresh.projected) + 1, 0
    page = rooms.history.page(item, start=start, limit=read_limit(query), size=size)
    if not page.rows and start == 0:
        raise ItemNotFound("the log held no such item then", item=item, index=size - 1)
    following = None if page.following is None else write_cursor(size, page.following)
    return {
        "as_of": fresh.as_of(size - 1),
        "data": [history_document(row) for row in page.rows],
        "has_more": following is not None,
        "next_cursor": following,
    }, fresh


@router.get(
    "/{namespace}/{id}/provenance",
    operation_id="get_item_provenance",
    summary="Read where an item comes from and what is known against it",
    response_model=Provenance,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [AT_INDEX, AT_TIME, WAIT_FOR_INDEX]},
)
async def get_item_provenance(
    request: Request,
    rooms: Here,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """Read what a buyer asks before paying: its first entry, every owner since, and flags."""
    query = read_query(request, ("at_index", "at_time", "wait_for_index"))
    name = check_item(f"{namespace}/{id}", field="path")
    await wait_for_index(request, rooms, query)
    document, fresh = await rooms.read(_provenance, rooms, name, query)
    return json_answer(request, document, headers=fresh.headers)


def _provenance(
    rooms: Rooms, item: str, query: Mapping[str, str]
) -> tuple[dict[str, Any], Freshness]:
    fresh = freshness(rooms)
    index = moment_of(rooms, query, shown=fresh.projected)
    document = provenance_of(rooms.house.reader, item, index)
    if document is None:
        raise ItemNotFound("the log held no such item then", item=item, index=index)
    return {"as_of": fresh.as_of(index), **document}, fresh


@router.get(
    "/{namespace}/{id}/proof",
    operation_id="get_item_proof",
    summary="Get the proof of an item",
    response_class=Response,
    responses=TEXT | PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [INDEX]},
)
async def get_item_proof(
    request: Request,
    rooms: Here,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """Get a .tlog-proof file that holds all that a verifier needs, the checkpoint's key aside."""
    query = read_query(request, ("index",))
    name = check_item(f"{namespace}/{id}", field="path")
    proof = await rooms.read(rooms.house.prover.prove, name, read_number(query, "index"))
    headers = {
        "Content-Digest": content_digest(proof),
        "Content-Disposition": f'attachment; filename="{namespace}_{id}.tlog-proof"',
    }
    return answer(request, proof, media_type="text/plain; charset=utf-8", headers=headers)
