"""Verification codes: their owners see them, and whoever has one asks whether it is genuine."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import unstored
from api.callers import Signed
from api.codes import answer
from api.reading import body_of, read_query
from api.revealing import ACCESS, open_code
from api.rooms import Here
from api.schemas import PROBLEMS, SUBMISSION_BODY, TOO_MUCH
from api.schemas_signed import SIGNED_FIELDS, UNSIGNED, CodeAnswer, IssuedCode
from api.submitting import results_of
from ledger.application import Accepted
from ledger.rules.codes import CHECK
from ledger.rules.commands import Command, read_command
from ledger.rules.errors import Malformed
from ledger.rules.text import check_item
from ledger.submission import Submission

router = APIRouter(tags=["trade"])


@router.get(
    "/v1/items/{namespace}/{id}/code",
    operation_id="get_code",
    summary="See the verification code of a card that the signer owns",
    response_model=IssuedCode,
    responses={**UNSIGNED, **PROBLEMS},
    openapi_extra={"parameters": SIGNED_FIELDS, **ACCESS},
)
async def get_code(
    request: Request,
    rooms: Here,
    caller: Signed,
    namespace: str,
    id: str,  # noqa: A002
) -> Response:
    """See the code that a card was issued with, and what opens the commitment to it.

    The request is signed as RFC 9421 says. It is answered to the item's owner; to everybody else
    403, whatever the item is.
    """
    read_query(request)
    item = check_item(f"{namespace}/{id}", field="path.id")
    return unstored(await rooms.read(open_code, rooms.house, item, caller))


@router.post(
    "/v1/checks",
    operation_id="submit_check",
    summary="Ask whether a verification code is an item's, and be answered",
    response_model=CodeAnswer,
    responses={**TOO_MUCH, **PROBLEMS},
    openapi_extra={**PUBLIC, "requestBody": SUBMISSION_BODY},
)
async def check_code(request: Request, rooms: Here) -> Response:
    """Record a `check-code/1`, answer it, and say what stands in the log.

    The body is that of `POST /v1/commands` with one command. The same command is answered the
    same however often it comes. Whoever does not own the item is told `valid` or `invalid` alone.
    Where the question was recorded and cannot be answered now, the error says so: send the same
    command again.
    """
    read_query(request)
    async with body_of(request, rooms.large_bodies) as body:
        rooms.writer.check_room()
        asked, command = _question(*await rooms.unpack(body))
    (recorded,) = results_of([asked], await rooms.writer.submit_async([asked]))
    if not isinstance(recorded, Accepted):
        raise recorded
    try:
        # Not through the queue of what parties write: `system` has no quota to wait for.
        found = await rooms.answer(answer, rooms.house, command.by, command.id)
    finally:
        rooms.keeper.wake()
    return unstored(found.document())


def _question(
    read: list[Submission | Malformed],
    many: bool,  # noqa: FBT001 - as the body was read
) -> tuple[Submission, Command]:
    """Accept one question. Raises `Malformed` for anything else."""
    first = read[0]
    if many:
        raise Malformed("body", "is not one command")
    if isinstance(first, Malformed):
        raise first
    command = read_command(first.command)
    if command.kind != CHECK:
        raise Malformed("command.kind", f"is not {CHECK}")
    return first, command
