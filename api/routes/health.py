"""Health: whether the process lives, and whether it should get requests."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import unstored
from api.errors import InternalError
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS, Health
from ledger.record.errors import RecordError

router = APIRouter(tags=["health"])

_STEPS = ("standing", "disk", "checkpoint", "projections", "timers")


@router.get(
    "/livez",
    operation_id="get_liveness",
    summary="Say that the process lives",
    response_model=Health,
    responses=PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_liveness(request: Request) -> Response:
    """Say that the process lives; nothing else is looked at."""
    read_query(request)
    return _answer({"status": "ok", "checks": {}})


@router.get(
    "/readyz",
    operation_id="get_readiness",
    summary="Say whether the ledger can be read and written here",
    response_model=Health,
    responses={503: {"description": "A check fails", "model": Health}, **PROBLEMS},
    openapi_extra=PUBLIC,
)
async def get_readiness(request: Request, rooms: Here) -> Response:
    """Check the database, the writer, the views, the timers and the publishing of checkpoints."""
    read_query(request)
    failures = rooms.keeper.failures
    checks = {"database": await rooms.read(_database, rooms)}
    checks |= {step: _check(failures.get(step)) for step in _STEPS}
    broken = rooms.writer.broken
    checks["writer"] = _check(None if broken is None else InternalError.code)
    failing = any(check["status"] != "ok" for check in checks.values())
    return _answer({"status": "failing" if failing else "ok", "checks": checks})


def _database(rooms: Rooms) -> dict[str, str]:
    try:
        rooms.house.reader.size()
    except RecordError as error:
        return _check(error.code)
    return _check(None)


def _check(failure: str | None) -> dict[str, str]:
    return {"status": "ok"} if failure is None else {"status": "failing", "error": failure}


def _answer(document: dict[str, object]) -> Response:
    status = 200 if document["status"] == "ok" else 503
    return unstored(document, status)
