"""Cards that were sold: shown to their owner, once the log says that they were asked for."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.callers import Signed
from api.problems import json_bytes
from api.reading import read_query
from api.revealing import ACCESS, open_card
from api.rooms import Here
from api.schemas import PROBLEMS
from api.schemas_signed import SIGNED_FIELDS, UNSIGNED, RevealedCard
from ledger.rules.text import check_item

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
    return Response(
        json_bytes(document), headers={"Cache-Control": "no-store"}, media_type="application/json"
    )
