"""Sealed fields: opened for the party that they are about, and for nobody else."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.answers import unstored
from api.callers import Signed, row_of
from api.disclosures import ACCESS, open_fields
from api.reading import read_query
from api.rooms import Here
from api.schemas import PROBLEMS
from api.schemas_signed import SIGNED_FIELDS, UNSIGNED, DisclosureList
from ledger.rules.text import decimal

router = APIRouter(tags=["disclosures"])


@router.get(
    "/v1/entries/{index}/disclosures",
    operation_id="list_disclosures",
    summary="Open the sealed fields of an entry that are about the signer",
    response_model=DisclosureList,
    responses={**UNSIGNED, **PROBLEMS},
    openapi_extra={"parameters": SIGNED_FIELDS, **ACCESS},
)
async def list_disclosures(request: Request, rooms: Here, caller: Signed, index: str) -> Response:
    """Open salt and value of each sealed field of an entry that the signer may read.

    The request is signed as RFC 9421 says, over method, authority, URI and the digest of its empty
    body. A field is `open`, `erased` (its key is not in the vault) or `lost`. Where nothing is
    for the signer to read, the answer is 403, whatever the entry holds.
    """
    read_query(request)
    number = decimal(index, field="path.index")
    found = await rooms.read(open_fields, rooms.house, number, caller, row_of(request))
    document = {"disclosures": [each.document() for each in found], "index": number}
    return unstored(document)
