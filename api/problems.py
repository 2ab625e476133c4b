"""Problem documents: the one form of every answer that is not the thing asked for.

`application/problem+json` with `type` (a page that explains it), `title` (in the reader's
language), `status`, `detail`, `instance`, and our members `code`, `evidence`, `retryable` and, for
malformed input, `errors` with JSON Pointers. Specification: RFC 9457.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from api.errors import (
    RETRYABLE,
    STATUS_OF,
    TREES,
    ApiError,
    BadRequest,
    BodyIncomplete,
    Coded,
    InternalError,
    MethodNotAllowed,
    RouteNotFound,
)
from api.titles import language_of, title_of
from ledger.errors import LedgerError
from ledger.rules.errors import Malformed, Refused

MEDIA_TYPE = "application/problem+json"
_RETRY_AFTER_S = 1
_LATER = frozenset({HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS})
# Under these names a request's state tells what was answered, and which bug was behind it.
PROBLEM, BUG = "problem", "bug"
_BESIDE = "beside"
# "command.expect[2].leaf" becomes "/command/expect/2/leaf".
_BETWEEN = re.compile(r"[.\[\]]+")


def problem_of(error: Coded, *, instance: str, language: str) -> dict[str, Any]:
    """Write an error as a problem document.

    Args:
        error: Of one of the four trees; its class must be in `STATUS_OF`.
        instance: Path of the request.
        language: `en` or `zh`, of the title.

    """
    status = STATUS_OF[type(error)]
    document: dict[str, Any] = {
        "type": f"/errors/{error.code}",
        "title": title_of(error.code, language),
        "status": int(status),
        "detail": str(error),
        "instance": instance,
        "code": error.code,
        "evidence": _evidence(error),
        "retryable": type(error) in RETRYABLE,
    }
    if isinstance(error, Malformed):
        document["errors"] = [
            {"code": error.code, "detail": error.message, "pointer": _pointer(error.field)}
        ]
    return document


def tell_beside(request: Request, headers: Mapping[str, str]) -> None:
    """Have header fields ready for the case that a request is answered with 401."""
    request.scope.setdefault("state", {})[_BESIDE] = dict(headers)


def problem_response(error: Coded, request: Request) -> Response:
    """Answer a request with a problem document in its reader's language."""
    request.scope.setdefault("state", {})[PROBLEM] = error.code
    language = language_of(request.headers.get("accept-language", ""))
    document = problem_of(error, instance=request.url.path, language=language)
    headers = {"Cache-Control": "no-store", "Content-Language": language, "Vary": "Accept-Language"}
    if document["status"] in _LATER:
        # How long a queue or a quota takes is known; what else may pass is tried again soon.
        headers["Retry-After"] = str(document["evidence"].get("retry_after_s", _RETRY_AFTER_S))
    if document["status"] == HTTPStatus.UNAUTHORIZED:
        headers |= request.scope["state"].get(_BESIDE, {})
    return Response(
        json_bytes(document), document["status"], headers=headers, media_type=MEDIA_TYPE
    )


def json_bytes(document: object) -> bytes:
    """Write JSON as UTF-8; what no UTF-8 can hold (from a strange path) becomes a question mark."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def install(app: FastAPI) -> None:
    """Answer every error with a problem document, those of the framework too."""
    for tree in TREES:
        app.add_exception_handler(tree, _answer)
    app.add_exception_handler(HTTPException, _answer_framework)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(ClientDisconnect, _answer_disconnect)
    app.add_exception_handler(Exception, _answer_bug)


async def _answer(request: Request, error: Exception) -> Response:
    assert isinstance(error, TREES)  # noqa: S101 - registered for these only
    return problem_response(error, request)


async def _answer_framework(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it only
    told: Mapping[int, Coded] = {
        404: RouteNotFound("nothing is served under this path"),
        405: MethodNotAllowed("the path knows other methods", method=request.method),
    }
    known = told.get(error.status_code, BadRequest("the request cannot be read"))
    answer = problem_response(known, request)
    if error.headers and "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


async def _answer_validation(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it only
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"])
    return problem_response(Malformed(field, str(first["msg"])), request)


async def _answer_disconnect(request: Request, _error: Exception) -> Response:
    return problem_response(BodyIncomplete("the request ended early"), request)


async def _answer_bug(request: Request, error: Exception) -> Response:
    # Whoever wraps the application logs it.
    request.scope.setdefault("state", {})[BUG] = error
    return problem_response(InternalError("a fault of this server; it was logged"), request)


def _evidence(error: Coded) -> dict[str, Any]:
    if isinstance(error, Malformed):
        return {"field": error.field, "message": error.message}
    if isinstance(error, Refused | LedgerError | ApiError):
        return dict(error.evidence)
    # What the storage knows of itself is no business of a client.
    return {}


def _pointer(field: str) -> str:
    return "".join(f"/{part}" for part in _BETWEEN.split(field) if part)
