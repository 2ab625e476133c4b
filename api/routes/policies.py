"""The trade policies of the log: in force, pending, superseded."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import freshness, json_answer
from api.policies.publishing import described, terms_recorded
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS, TradePolicies

router = APIRouter(prefix="/v1/policies", tags=["policies"])


@router.get(
    "/trade",
    operation_id="list_trade_policies",
    summary="Read the trade policies: in force, pending, superseded",
    response_model=TradePolicies,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def list_trade_policies(request: Request, rooms: Here) -> Response:
    """Read every trade policy that the log keeps, with its digest and the time it takes effect."""
    read_query(request)
    document = await rooms.read(_policies, rooms)
    fresh = await rooms.read(freshness, rooms)
    return json_answer(request, document, headers=fresh.headers)


def _policies(rooms: Rooms) -> dict[str, Any]:
    return described(terms_recorded(rooms.house.reader), rooms.house.clock.now())
