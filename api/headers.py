"""What every answer carries: security headers, the request's id, and HEAD as GET without a body."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, MutableMapping
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import InternalError, ServerBusy
from api.logs import logger
from api.problems import BUG, PROBLEM, problem_response
from ledger.errors import WriterStopped
from projections.errors import ViewBehind

SECURITY = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SERVER_FAULT, _LATER = 500, 503
_METHOD = "method"
_ID_BYTES = 8
# What anybody can bring about as often as he likes is counted, and does not fill the log.
_QUIET = frozenset({None, ServerBusy.code, ViewBehind.code, WriterStopped.code})
_LOG = logger("requests")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class AnswerHeaders:
    """Middleware around the whole application, its error answers too.

    An answer that says that the server failed carries an id, the one that the client chose or a
    new one, and the same id stands in the log.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        on_problem: Callable[[str], object] = lambda _code: None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        """Wrap an application.

        Args:
            app: The application.
            on_problem: Told the code of every problem that is answered.
            random: Gives random bytes, for ids.

        """
        self._app, self._on_problem, self._random = app, on_problem, random

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bodiless = scope["method"] == "HEAD"
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else None
        state = scope.setdefault("state", {})
        begun = False
        state[_METHOD] = scope["method"]

        async def send_on(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY.items():
                    headers.setdefault(name, value)
                told = self._tell(scope, message["status"], state, request_id)
                if told is not None:
                    headers["X-Request-Id"] = told
            elif bodiless and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        inner = {**scope, "method": "GET"} if bodiless else scope
        try:
            await self._app(inner, receive, send_on)
        except Exception as error:  # a bug: it is logged, and the client learns its id
            if begun:
                raise
            state[BUG] = error
            bug = InternalError("a fault of this server; it was logged")
            await problem_response(bug, Request(scope))(inner, receive, send_on)

    def _tell(
        self, scope: Scope, status: int, state: MutableMapping[str, Any], request_id: str | None
    ) -> str | None:
        """Count a problem, log a failure of the server, and return the id of the request."""
        code = state.get(PROBLEM)
        if code is not None:
            self._on_problem(code)
        if status < _SERVER_FAULT or (status == _LATER and code in _QUIET):
            return request_id
        told = request_id or self._random(_ID_BYTES).hex()
        log = _LOG.warning if status == _LATER else _LOG.error
        where = {"method": scope["method"], "path": scope["path"], "status": status}
        log("request-failed", request_id=told, problem=code, **where, error=state.get(BUG))
        return told


def method_of(scope: Scope) -> str:
    """Return the method of a request as it was sent: HEAD, too, which is served as GET."""
    return str(scope["state"][_METHOD])
