"""Orders: what was ordered, where the money of each line is, and what is free to order."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import freshness, json_answer
from api.errors import ListingNotFound, OrderNotFound
from api.order_schemas import Order, OrderPage, StockPage
from api.orders import order_document
from api.reading import read_limit, read_number, read_query
from api.rooms import Here, Rooms
from api.schemas import LIMIT, PROBLEMS
from api.streams import stored_stream
from ledger.rules.errors import Malformed
from ledger.rules.listings import listing_stream
from ledger.rules.order_state import Order as OrderState
from ledger.rules.orders import order_stream
from ledger.rules.text import check_id, check_item, check_uuid7
from ledger.rules.trade_state import Listing
from ledger.rules.views_orders import OrderRow
from projections.orders import PAGE_MAX, Orders
from projections.stock import STOCK_MAX, Stock

router = APIRouter(prefix="/v1", tags=["trade"])

_TEXT: Final = {"type": "string"}
_BUYER: Final = {"name": "buyer", "in": "query", "required": True, "schema": _TEXT}
_AFTER: Final = {"name": "after", "in": "query", "schema": _TEXT}
_START: Final = {"name": "start", "in": "query", "schema": {"type": "integer", "minimum": 0}}


@router.get(
    "/orders/{id}",
    operation_id="get_order",
    summary="Read an order and where the money of each line is",
    response_model=Order,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_order(request: Request, rooms: Here, id: str) -> Response:  # noqa: A002
    """Read an order as its stream says it is: lines, escrow, claims, and what falls due."""
    read_query(request)
    order = check_uuid7(id, field="path.id")
    return await _answer(request, rooms, await rooms.read(_order, rooms, order))


@router.get(
    "/orders",
    operation_id="list_orders",
    summary="Read the orders of a buyer",
    response_model=OrderPage,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [_BUYER, _AFTER, LIMIT]},
)
async def list_orders(request: Request, rooms: Here) -> Response:
    """Read the orders of a buyer, by number; the next page begins after `next_after`."""
    query = read_query(request, ("after", "buyer", "limit"))
    if "buyer" not in query:
        raise Malformed("query.buyer", "is missing")
    buyer = check_id(query["buyer"], field="query.buyer")
    after = check_uuid7(query["after"], field="query.after") if "after" in query else ""
    limit = min(read_limit(query), PAGE_MAX)
    return await _answer(request, rooms, await rooms.read(_orders, rooms, buyer, after, limit))


@router.get(
    "/listings/{namespace}/{id}/stock",
    operation_id="list_stock",
    summary="Read which items of a listing are free to order",
    response_model=StockPage,
    responses=PROBLEMS,
    openapi_extra={**PUBLIC, "parameters": [_START, LIMIT]},
)
async def list_stock(
    request: Request,
    rooms: Here,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """Read items that an order at this listing may name: pick any, and another if it is gone."""
    query = read_query(request, ("limit", "start"))
    name = check_item(f"{namespace}/{id}", field="path.id")
    start, limit = read_number(query, "start") or 0, min(read_limit(query), STOCK_MAX)
    return await _answer(request, rooms, await rooms.read(_stock, rooms, name, start, limit))


async def _answer(request: Request, rooms: Rooms, document: dict[str, Any]) -> Response:
    fresh = await rooms.read(freshness, rooms)
    return json_answer(request, document, headers=fresh.headers)


def _order(rooms: Rooms, order: str) -> dict[str, Any]:
    found = stored_stream(rooms, order_stream(order))
    if found is None or not isinstance(found.state, OrderState):
        raise OrderNotFound("the log knows no such order", order=order)
    return order_document(order, found.state, found.head)


def _orders(rooms: Rooms, buyer: str, after: str, limit: int) -> dict[str, Any]:
    rows = Orders(rooms.house.reader).of_buyer(buyer, after=after, limit=limit)
    full = len(rows) == limit
    return {
        "data": [_in_short(row) for row in rows],
        "has_more": full,
        "next_after": rows[-1].order_id if full else None,
    }


def _in_short(row: OrderRow) -> dict[str, Any]:
    return {
        "buyer": row.buyer,
        "head_index": row.head_index,
        "lines": row.lines,
        "order": row.order_id,
        "state": row.state,
        "total": {"amount": row.total, "currency": row.currency},
    }


def _stock(rooms: Rooms, listing: str, start: int, limit: int) -> dict[str, Any]:
    found = stored_stream(rooms, listing_stream(listing))
    if found is None or not isinstance(found.state, Listing):
        raise ListingNotFound("the log knows no such listing", listing=listing)
    data = []
    if not found.state.ended:
        terms = found.state.terms
        free = Stock(rooms.house.reader).free(
            terms["merchant"], terms["class"], terms["product"], start=start, limit=limit
        )
        for row in free:
            head = rooms.house.reader.entry(row.head_index)
            if head is not None:
                data.append({"head": head.leaf.hex(), "item": row.item})
    return {"data": data, "listing": listing}
