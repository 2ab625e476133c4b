"""The page of every problem type, and where the description of the API lies."""

from __future__ import annotations

import inspect

from fastapi import APIRouter, Request, Response

from api.access import PUBLIC
from api.answers import answer, json_answer
from api.errors import STATUS_OF, RouteNotFound
from api.reading import read_query
from api.schemas import LINKSET, PROBLEMS, TEXT
from api.titles import TITLES

router = APIRouter(tags=["description"], default_response_class=Response)

_LINKSET = "application/linkset+json"


@router.get(
    "/errors/{code}",
    operation_id="get_problem_type",
    summary="Read what a problem type means",
    responses=TEXT | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_problem_type(request: Request, code: str) -> Response:
    """Read what a problem's `type` stands for."""
    read_query(request)
    for error, status in STATUS_OF.items():
        if error.code == code:
            english, chinese = TITLES[code]
            lines = (code, english, chinese, "", inspect.getdoc(error) or "", f"HTTP {int(status)}")
            text = "\n".join(lines) + "\n"
            return answer(request, text.encode(), media_type="text/plain; charset=utf-8")
    raise RouteNotFound("there is no such problem type")


@router.get(
    "/.well-known/api-catalog",
    operation_id="get_api_catalog",
    summary="Find the description of this API",
    responses=LINKSET | PROBLEMS,
    openapi_extra=PUBLIC,
)
async def get_api_catalog(request: Request) -> Response:
    """Find the OpenAPI description (RFC 9727)."""
    read_query(request)
    described = [{"href": "/openapi.json", "type": "application/vnd.oai.openapi+json"}]
    linkset = {"linkset": [{"anchor": "/v1", "service-desc": described}]}
    catalog = json_answer(request, linkset)
    catalog.headers["Content-Type"] = _LINKSET
    return catalog
