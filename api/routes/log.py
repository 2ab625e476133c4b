"""The log itself: what it is called, how far it got, and the policy in force."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import checkpoint_ref, freshness, json_answer, size_and_root
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS, Log, Policy
from ledger.errors import LedgerNotOpen
from ledger.rules.digests import policy_digest
from ledger.rules.entries import Entry, read_entry
from ledger.rules.model import POLICY_STREAM

router = APIRouter(prefix="/v1", tags=["log"])


@router.get(
    "/log",
    operation_id="get_log",
    summary="Read what a client needs to know of the log",
    response_model=Log,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_log(request: Request, rooms: Here) -> Response:
    """Read origin, checkpoint key, sizes and the delay that receipts promise."""
    return await _answer(request, rooms, _log)


def _log(rooms: Rooms) -> dict[str, Any]:
    reader = rooms.house.reader
    body = _body(_opening(rooms))
    return {
        "origin": rooms.house.origin,
        "published": checkpoint_ref(size_and_root(reader.checkpoint())),
        "receipt_delay_s": body["receipt_delay_s"],
        "size": reader.size(),
        "vkey": rooms.house.vkey,
    }


@router.get(
    "/policy",
    operation_id="get_policy",
    summary="Read the ledger policy in force",
    response_model=Policy,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_policy(request: Request, rooms: Here) -> Response:
    """Read the whole policy in force after the last entry, and the digest that commands name."""
    return await _answer(request, rooms, _policy)


def _policy(rooms: Rooms) -> dict[str, Any]:
    published = rooms.house.reader.last_of_stream(POLICY_STREAM)
    entry = _opening(rooms) if published is None else read_entry(published.entry)
    policy = _body(entry)["policy"]
    return {"digest": policy_digest(policy), "policy": policy, "since": entry.index}


async def _answer(
    request: Request, rooms: Rooms, read: Callable[[Rooms], dict[str, Any]]
) -> Response:
    read_query(request)
    document = await rooms.read(read, rooms)
    fresh = await rooms.read(freshness, rooms)
    return json_answer(request, document, headers=fresh.headers)


def _opening(rooms: Rooms) -> Entry:
    first = rooms.house.reader.entry(0)
    if first is None:
        raise LedgerNotOpen("the log has no entry 0")
    return read_entry(first.entry)


def _body(entry: Entry) -> dict[str, Any]:
    assert entry.command is not None  # noqa: S101 - both types come with a command only
    return entry.command.body
