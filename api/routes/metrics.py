"""Metrics: figures for whoever runs the server, and for nobody else."""

from __future__ import annotations

from ipaddress import ip_address

from fastapi import APIRouter, Request, Response

from api.access import access
from api.errors import RouteNotFound
from api.reading import read_query
from api.rooms import Here, Rooms
from api.schemas import PROBLEMS

router = APIRouter(tags=["health"])

# A proxy on this machine speaks for clients elsewhere, and most say so by one of these.
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")


@router.get(
    "/metrics",
    operation_id="get_metrics",
    summary="Give figures to a monitor",
    response_class=Response,
    responses={
        200: {
            "description": "OpenMetrics 1.0.0",
            "content": {"application/openmetrics-text": {"schema": {"type": "string"}}},
        },
        **PROBLEMS,
    },
    openapi_extra=access(anonymous="local"),
)
async def get_metrics(request: Request, rooms: Here) -> Response:
    """Give figures to a monitor: on a port of their own, or to clients on this machine only.

    To everybody else there is nothing here.
    """
    if not _may_see(request, rooms):
        raise RouteNotFound("nothing is served under this path")
    read_query(request)
    text, media_type = await rooms.read(rooms.metrics.render, request.headers.get("accept", ""))
    return Response(text, headers={"Cache-Control": "no-store", "Content-Type": media_type})


def _may_see(request: Request, rooms: Rooms) -> bool:
    port = rooms.settings.metrics_port
    if port is not None:
        server = request.scope.get("server")
        return server is not None and server[1] == port
    if any(name in request.headers for name in _FORWARDED):
        return False
    return request.client is not None and _is_loopback(request.client.host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
