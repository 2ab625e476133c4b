"""Parties: keys and roles under a pseudonym. Who stands behind it is not in the log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import freshness, json_answer
from api.errors import PartyNotFound
from api.moments import wait_for_index
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS, WAIT_FOR_INDEX, Party
from ledger.rules.text import check_party, format_time
from ledger.rules.views import PartyRow

router = APIRouter(prefix="/v1/parties", tags=["parties"])

_KNOWN = ("wait_for_index",)


@router.get(
    "/{id}",
    operation_id="get_party",
    summary="Read a party's keys and roles",
    response_model=Party,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [WAIT_FOR_INDEX]},
)
async def get_party(request: Request, rooms: Here, id: str) -> Response:  # noqa: A002
    """Read the keys, roles and waiting key change of a registered party."""
    return await _answer(request, rooms, check_party(id, field="path.id"))


@router.get(
    "/imported/{namespace}/{id}",
    operation_id="get_imported_party",
    summary="Read a claimed imported party",
    response_model=Party,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [WAIT_FOR_INDEX]},
)
async def get_imported_party(
    request: Request,
    rooms: Here,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """Read a party of imported history that somebody claimed."""
    party = check_party(f"imported/{namespace}/{id}", field="path.id")
    return await _answer(request, rooms, party)


async def _answer(request: Request, rooms: Rooms, party: str) -> Response:
    query: Mapping[str, str] = read_query(request, _KNOWN)
    await wait_for_index(request, rooms, query)
    fresh = await rooms.read(freshness, rooms)
    asked = await rooms.read(rooms.parties.get, party)
    if asked.found is None:
        raise PartyNotFound("the log knows no such party", party=party)
    document = _document(asked.found)
    document["as_of"] = fresh.as_of(asked.size - 1)
    headers = fresh.headers | {"Yinzheng-Projection-Index": str(asked.size - 1)}
    return json_answer(request, document, etag=f"party-{asked.found.head_index}", headers=headers)


def _document(row: PartyRow) -> dict[str, Any]:
    change = None
    if row.change_due is not None:
        change = {"digest": row.change_digest, "due": format_time(row.change_due)}
    return {
        "attested": bool(row.attested),
        "change": change,
        "founder": bool(row.founder),
        "head_index": row.head_index,
        "keys": json.loads(row.keys),
        "party": row.party,
        "party_class": row.party_class,
        "roles": json.loads(row.roles),
    }
