"""The web application over one open ledger."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import problems
from api.callers import check_declared
from api.headers import AnswerHeaders
from api.house import House
from api.keeper import PUBLISH_EVERY_S, Keeper
from api.metrics import Metrics
from api.rooms import Rooms
from api.routes import (
    cards,
    codes,
    commands,
    disclosures,
    entries,
    health,
    items,
    log,
    metrics,
    orders,
    pages,
    parties,
    payments,
    policies,
    proofs,
    tiles,
    trade,
)
from api.schemas import NAMED
from api.settings import Settings

API_VERSION = "1.0.0"

_ROUTERS = tuple(
    module.router
    for module in (
        *(commands, items, parties, policies, trade, orders, payments, cards, codes),
        *(entries, disclosures, proofs),
        *(log, tiles, health, metrics, pages),
    )
)
_DESCRIPTION = (
    "A hash-chained ledger of digital goods that anyone can check. Reads are public and "
    "pseudonymous, but for sealed fields, whose readers sign; whoever writes signs. Every error is "
    "a problem document (RFC 9457)."
)


def create_app(
    house: House, *, publish_every_s: float = PUBLISH_EVERY_S, settings: Settings | None = None
) -> FastAPI:
    """Make the application that serves an open ledger.

    Args:
        house: Open for reading and writing; the caller closes it after the application ended.
        publish_every_s: Least seconds between two checkpoints.
        settings: Bounds, quota and where metrics are served; the defaults when None.

    """
    figures = Metrics()
    keeper = Keeper(house, publish_every_s=publish_every_s, on_failure=figures.keeper_failed)
    rooms = Rooms(house, keeper=keeper, metrics=figures, settings=settings or Settings())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        # The first request shall find the views as they were left, or newer.
        await keeper.round()
        rooms.writer.start()
        working = asyncio.create_task(keeper.run())
        try:
            yield
        finally:
            await asyncio.to_thread(rooms.writer.stop)
            keeper.stop()
            await working

    app = FastAPI(
        title="Yinzheng",
        version=API_VERSION,
        description=_DESCRIPTION,
        lifespan=lifespan,
        # The pages of the framework load scripts from third parties.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.rooms = rooms
    app.add_middleware(AnswerHeaders, on_problem=figures.problem)
    problems.install(app)
    for router in _ROUTERS:
        check_declared(router)
        app.include_router(router)
    app.openapi = lambda: _described(app)  # type: ignore[method-assign]
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """Describe the API; the framework's own form of a 422 never occurs and is left out."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version=app.openapi_version,
            description=app.description,
            routes=app.routes,
        )
        schemas = document["components"]["schemas"]
        for shape in NAMED:
            schema = shape.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas |= schema.pop("$defs", {})
            schemas[shape.__name__] = schema
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)
        document["components"]["schemas"] = dict(sorted(schemas.items()))
        app.openapi_schema = document
    return app.openapi_schema
