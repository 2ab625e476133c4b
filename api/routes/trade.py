"""Trade: what merchants are qualified for, deposited and list, and what balances hold."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import freshness, json_answer
from api.credit import credit_document
from api.deposits import deposit_document
from api.errors import ListingNotFound, MerchantNotFound, PartyNotFound
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS
from api.streams import stored_stream
from api.trade_schemas import Balance, Listing, MemberCredit, Merchant, MerchantDeposit
from ledger.rules import trade_state as states
from ledger.rules.credit import credit_stream
from ledger.rules.deposits import deposit_stream
from ledger.rules.entries import read_entry
from ledger.rules.evolve import evolve
from ledger.rules.listings import listing_stream
from ledger.rules.merchants import merchant_stream
from ledger.rules.money import balance_stream, written
from ledger.rules.state import Stream
from ledger.rules.text import check_id, check_item, format_time, party_stream

router = APIRouter(prefix="/v1", tags=["trade"])


@router.get(
    "/merchants/{id}",
    operation_id="get_merchant",
    summary="Read what a merchant is qualified for",
    response_model=Merchant,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_merchant(request: Request, rooms: Here, id: str) -> Response:  # noqa: A002
    """Read a merchant's namespace and labels, and every class it is qualified for, with its end."""
    read_query(request)
    party = check_id(id, field="path.id")
    return await _answer(request, rooms, await rooms.read(_merchant, rooms, party))


@router.get(
    "/merchants/{id}/deposit",
    operation_id="get_deposit",
    summary="Read what a merchant deposited",
    response_model=MerchantDeposit,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_deposit(request: Request, rooms: Here, id: str) -> Response:  # noqa: A002
    """Read what a deposit holds, what of it was asked back, and what is open on it."""
    read_query(request)
    party = check_id(id, field="path.id")
    return await _answer(request, rooms, await rooms.read(_deposit, rooms, party))


@router.get(
    "/listings/{namespace}/{id}",
    operation_id="get_listing",
    summary="Read a listing as it was published last",
    response_model=Listing,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_listing(
    request: Request,
    rooms: Here,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """Read the last edit of a listing, its digest, its merchant's labels, whether it has ended."""
    read_query(request)
    name = check_item(f"{namespace}/{id}", field="path.id")
    return await _answer(request, rooms, await rooms.read(_listing, rooms, name))


@router.get(
    "/balances/{id}",
    operation_id="get_balance",
    summary="Read what the platform owes a party",
    response_model=Balance,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_balance(request: Request, rooms: Here, id: str) -> Response:  # noqa: A002
    """Read what a balance holds: nothing, where money never came in."""
    read_query(request)
    party = check_id(id, field="path.id")
    return await _answer(request, rooms, await rooms.read(_balance, rooms, party))


@router.get(
    "/credit/{id}",
    operation_id="get_credit",
    summary="Read a member's credit, points and level",
    response_model=MemberCredit,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_credit(request: Request, rooms: Here, id: str) -> Response:  # noqa: A002
    """Read what a member has of each unit, what it owes, and the level recorded last."""
    read_query(request)
    party = check_id(id, field="path.id")
    return await _answer(request, rooms, await rooms.read(_credit, rooms, party))


async def _answer(request: Request, rooms: Rooms, document: dict[str, Any]) -> Response:
    fresh = await rooms.read(freshness, rooms)
    return json_answer(request, document, headers=fresh.headers)


def _merchant(rooms: Rooms, party: str) -> dict[str, Any]:
    found = stored_stream(rooms, merchant_stream(party))
    if found is None or not isinstance(found.state, states.Merchant):
        raise MerchantNotFound("the log knows no such merchant", merchant=party)
    now = rooms.house.clock.now()
    return {
        "head_index": found.head.index,
        "labels": _labels(found.state),
        "merchant": party,
        "namespace": found.state.namespace,
        "qualified": [
            {
                "class": each.item_class,
                "ended": each.until <= now,
                "origin": each.origin,
                "until": format_time(each.until),
            }
            for each in found.state.qualified
        ],
    }


def _labels(merchant: states.Merchant) -> list[dict[str, str]]:
    return [{"label": each.name, "since": format_time(each.since)} for each in merchant.labels]


def _listing(rooms: Rooms, name: str) -> dict[str, Any]:
    found = stored_stream(rooms, listing_stream(name))
    if found is None or not isinstance(found.state, states.Listing):
        raise ListingNotFound("the log knows no such listing", listing=name)
    merchant = stored_stream(rooms, merchant_stream(found.state.merchant))
    # Who lists something was qualified before.
    assert merchant is not None  # noqa: S101 - said above
    assert isinstance(merchant.state, states.Merchant)  # noqa: S101 - by the stream's name
    return {
        "ended": found.state.ended,
        "head_index": found.head.index,
        "labels": _labels(merchant.state),
        "listing": found.state.terms,
        "snapshot": found.state.snapshot,
    }


def _deposit(rooms: Rooms, party: str) -> dict[str, Any]:
    _merchant(rooms, party)
    return deposit_document(party, _said_last(rooms, deposit_stream(party)))


def _said_last(rooms: Rooms, stream: str) -> Stream | None:
    """Read an account from its last entry, which says all of it: no other one is read."""
    row = rooms.house.reader.last_of_stream(stream)
    if row is None:
        return None
    return evolve(None, read_entry(row.entry), command=row.command.hex())


def _credit(rooms: Rooms, party: str) -> dict[str, Any]:
    member = stored_stream(rooms, party_stream(party))
    if member is None:
        raise PartyNotFound("the log knows no such party", party=party)
    return credit_document(party, member, _said_last(rooms, credit_stream(party)))


def _balance(rooms: Rooms, party: str) -> dict[str, Any]:
    found = _said_last(rooms, balance_stream(party))
    if found is None:
        return {"head_index": None, "holds": [], "party": party}
    assert isinstance(found.state, states.Account)  # noqa: S101 - by the stream's name
    return {"head_index": found.head.index, "holds": written(found.state), "party": party}
