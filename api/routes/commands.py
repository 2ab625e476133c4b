"""Writing: signed commands in, receipts or problems out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import unstored
from api.order_limits import Admitted, orders_in
from api.problems import problem_of
from api.reading import body_of, read_query
from api.rooms import Here, Rooms
from api.schemas import (
    PROBLEMS,
    SUBMISSION_BODY,
    TOO_MUCH,
    ReceiptAnswer,
    ResultList,
)
from api.submitting import Result, readable, results_of
from api.titles import language_of
from ledger.application import Accepted
from ledger.rules.errors import Malformed
from ledger.submission import Submission

router = APIRouter(tags=["commands"])


@router.post(
    "/v1/commands",
    operation_id="submit_commands",
    summary="Append signed commands to the log",
    status_code=201,
    response_model=ReceiptAnswer,
    responses={
        200: {
            "description": "The same command was in the log already, or the results of an array",
            "model": ReceiptAnswer | ResultList,
        },
        **TOO_MUCH,
        **PROBLEMS,
    },
    openapi_extra={**PUBLIC, "requestBody": SUBMISSION_BODY},
)
async def submit_commands(request: Request, rooms: Here) -> Response:
    """Append one command, or up to 1,000 in order.

    The body is canonical JSON of at most 8 MiB. One command is answered with 201 and its receipt,
    with 200 if the same bytes were recorded before, or with a problem. An array is answered with
    200 and one `receipt` or `problem` each; what is refused keeps nothing else from being recorded.

    When too much waits to be written, the whole request is answered with 429 at once.
    """
    read_query(request)
    async with body_of(request, rooms.large_bodies) as body:
        rooms.writer.check_room()
        read, many = await rooms.unpack(body)
    results = await (_order if orders_in(read) else _submit)(rooms, read)
    rooms.keeper.wake()
    if many:
        listed = [_element(result, request) for result in results]
        return unstored(listed, 200)
    (result,) = results
    if not isinstance(result, Accepted):
        raise result
    answer = unstored({"receipt": result.receipt.document()}, 200 if result.again else 201)
    answer.headers["Location"] = f"/v1/entries/{result.index}"
    return answer


async def _order(rooms: Rooms, read: Sequence[Submission | Malformed]) -> list[Result]:
    """Hand in what the limit of unpaid orders lets through."""
    admitted = await to_thread.run_sync(rooms.orders.admit, read)
    results: list[Result] = []
    try:
        results = await _submit(rooms, admitted)
    finally:
        accepted = [isinstance(each, Accepted) for each in results]
        await to_thread.run_sync(rooms.orders.settle, admitted, accepted)
    return results


async def _submit(rooms: Rooms, admitted: Sequence[Admitted]) -> list[Result]:
    return results_of(admitted, await rooms.writer.submit_async(readable(admitted)))


def _element(result: Result, request: Request) -> dict[str, Any]:
    if isinstance(result, Accepted):
        return {"receipt": result.receipt.document()}
    language = language_of(request.headers.get("accept-language", ""))
    return {"problem": problem_of(result, instance=request.url.path, language=language)}
