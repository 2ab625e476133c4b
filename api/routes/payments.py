"""Webhooks of payment providers: a notice in, the answer that its provider waits for out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import NOT_STORED
from api.errors import (
    STATUS_OF,
    TREES,
    BodyTooLarge,
    BodyTooSlow,
    Coded,
    NoticeSignatureInvalid,
    NoticeStale,
    ProviderNotConfigured,
)
from api.logs import logger
from api.payments.notices import take
from api.payments.port import Fields
from api.payments.setup import read_port
from api.problems import PROBLEM, json_bytes, problem_response
from api.reading import read_query, read_small
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS
from ledger.application import Accepted
from ledger.rules.errors import CommandConflict, Malformed
from ledger.submission import Submission

router = APIRouter(prefix="/v1/payments", tags=["payments"])

_LOG = logger("payments")
# What anybody can bring about as often as he likes is counted, and does not fill the log.
_QUIET = (
    *(BodyTooLarge, BodyTooSlow, Malformed),
    *(NoticeSignatureInvalid, NoticeStale, ProviderNotConfigured),
)
_JSON_NOTICE: dict[str, Any] = {
    **PUBLIC,
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
}
_DONE = "The payment is recorded, or was before, or there is nothing to record"


@router.post(
    "/alipay",
    operation_id="submit_alipay_notice",
    summary="Take an asynchronous notification of Alipay",
    response_class=Response,
    responses={
        200: {"description": _DONE, "content": {"text/plain": {"schema": {"const": "success"}}}},
        **PROBLEMS,
    },
    openapi_extra={
        **PUBLIC,
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": {"type": "object"}}},
        },
    },
)
async def submit_alipay_notice(request: Request, rooms: Here) -> Response:
    """Take a notification that Alipay signed (RSA2). The answer is `success` or `fail`.

    Anything but `success` has Alipay send it again, for a day.
    """

    def refused(error: Coded) -> Response:
        return Response("fail", STATUS_OF[type(error)], NOT_STORED, media_type="text/plain")

    done = Response("success", 200, NOT_STORED, media_type="text/plain")
    return await _answer(request, rooms, "alipay", done, refused)


@router.post(
    "/wechat",
    operation_id="submit_wechat_notice",
    summary="Take a notification of WeChat Pay v3",
    status_code=204,
    response_class=Response,
    responses={204: {"description": _DONE}, **PROBLEMS},
    openapi_extra=_JSON_NOTICE,
)
async def submit_wechat_notice(request: Request, rooms: Here) -> Response:
    """Take a notification that WeChat Pay signed over its body. The answer is 204 without a body.

    What was not taken is answered by an error's status and `{"code": "FAIL", "message"}`; WeChat
    Pay sends it again, for a day.
    """

    def refused(error: Coded) -> Response:
        told = json_bytes({"code": "FAIL", "message": error.code})
        return Response(told, STATUS_OF[type(error)], NOT_STORED, media_type="application/json")

    return await _answer(request, rooms, "wechat", Response(None, 204, NOT_STORED), refused)


@router.post(
    "/internal",
    operation_id="submit_till_notice",
    summary="Take a notice of the marketplace's own till",
    status_code=204,
    response_class=Response,
    responses={204: {"description": _DONE}, **PROBLEMS},
    openapi_extra=_JSON_NOTICE,
)
async def submit_till_notice(request: Request, rooms: Here) -> Response:
    """Take a notice that the till signed (Ed25519). The answer is 204 without a body.

    What was not taken is answered by a problem; the till sends it again until it is taken.
    """

    def refused(error: Coded) -> Response:
        return problem_response(error, request)

    return await _answer(request, rooms, "internal", Response(None, 204, NOT_STORED), refused)


async def _answer(
    request: Request,
    rooms: Rooms,
    provider: str,
    done: Response,
    refused: Callable[[Coded], Response],
) -> Response:
    try:
        read_query(request)
        body = await read_small(request)
        headers = {name: request.headers.getlist(name) for name in request.headers}
        submission = await rooms.identify(_take, rooms, provider, headers, body)
        if submission is not None:
            await _record(rooms, submission)
    except TREES as error:
        if not isinstance(error, _QUIET):
            _LOG.error("notice-not-recorded", provider=provider, problem=error.code)
        request.scope.setdefault("state", {})[PROBLEM] = error.code
        return refused(error)
    return done


def _take(rooms: Rooms, provider: str, headers: Fields, body: bytes) -> Submission | None:
    return take(rooms.house, read_port(rooms.house.folder, provider), headers, body)


async def _record(rooms: Rooms, submission: Submission) -> None:
    """Hand in the command of a notice, and accept that another notice of it was first."""
    (result,) = await rooms.writer.submit_async([submission])
    if isinstance(result, Exception) and not isinstance(result, CommandConflict):
        raise result
    if isinstance(result, Accepted):
        rooms.keeper.wake()
