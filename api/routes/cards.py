"""Cards that were sold: parcels for their buyers, and keys for owners who asked in the log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.answers import unstored
from api.callers import Signed
from api.fetching import ACCESS as FETCHING
from api.fetching import fetch_parcel
from api.reading import read_query
from api.revealing import ACCESS, open_card
from api.rooms import Here
from api.schemas import PROBLEMS
from api.schemas_signed import SIGNED_FIELDS, UNSIGNED, Parcel, RevealedCard
from ledger.rules.errors import Malformed
from ledger.rules.orders import LINES_MAX
from ledger.rules.text import check_item, check_uuid7

router = APIRouter(tags=["trade"])


@router.get(
    "/v1/items/{namespace}/{id}/card",
    operation_id="get_card",
    summary="See the key of a card that the signer owns and has revealed",
    response_model=RevealedCard,
    responses={**UNSIGNED, **PROBLEMS},
    openapi_extra={"parameters": SIGNED_FIELDS, **ACCESS},
)
async def get_card(
    request: Request,
    rooms: Here,
    caller: Signed,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """See the key of a card, and what opens the commitment to it that the merchant signed.

    The request is signed as RFC 9421 says. It is answered to the card's owner, after a
    `reveal-card/1` of that owner stands in the log; to everybody else 403, whatever the item is.
    """
    read_query(request)
    item = check_item(f"{namespace}/{id}", field="path.id")
    document = await rooms.read(open_card, rooms.house, item, caller)
    return unstored(document)


@router.get(
    "/v1/orders/{id}/parcels/{line}",
    operation_id="get_parcel",
    summary="Fetch what was delivered to the key of an order that the signer placed",
    response_model=Parcel,
    responses={**UNSIGNED, **PROBLEMS},
    openapi_extra={"parameters": SIGNED_FIELDS, **FETCHING},
)
async def get_parcel(
    request: Request,
    rooms: Here,
    caller: Signed,
    id: str,  # noqa: A002
    line: str,
) -> Response:
    """Fetch the parcel of a line, as often as its buyer wants; nobody but the buyer can open it.

    The request is signed as RFC 9421 says. To whoever did not place the order it is answered 403,
    whether or not there is such an order.
    """
    read_query(request)
    order, number = check_uuid7(id, field="path.id"), _line(line)
    return unstored(await rooms.read(fetch_parcel, rooms.house, order, number, caller))


def _line(text: str) -> int:
    if text not in map(str, range(1, LINES_MAX + 1)):
        raise Malformed("path.line", f"is not a whole number from 1 to {LINES_MAX}")
    return int(text)
