"""The control API as an application: `create_api(service)`."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse

from coursekeep_daemon.api import models
from coursekeep_daemon.api.docs_page import DOCS_POLICY, docs_page
from coursekeep_daemon.api.hub import EventHub
from coursekeep_daemon.api.middleware import SECURITY_HEADERS, BodyLimit, SecurityHeaders
from coursekeep_daemon.api.problems import PROBLEM_RESPONSES, ProblemBody, install_problem_handlers
from coursekeep_daemon.api.routes import (
    accounts,
    connectors,
    control,
    events,
    fixity,
    health,
    integrations,
    notifications,
    packages,
    runs,
    schedules,
    system,
)
from coursekeep_daemon.api.state import put_state
from coursekeep_daemon.service import Service

__all__ = ["PREFIX", "close_api", "create_api"]

PREFIX = "/api/v1"

#: in the order in which the documents list them
_ROUTES = (
    health,
    integrations,
    connectors,
    runs,
    control,
    schedules,
    notifications,
    packages,
    fixity,
    accounts,
    events,
    system,
)

_DESCRIPTION = """\
Archives ended courses of an LMS into open, versioned, verifiable packages.

Send a token as Authorization: Bearer TOKEN; coursekeep token create makes one. Its scope is read, operate (also \
starts, pauses, cancels, checks, verifies, downloads) or admin (also edits schedules and users).

Times are RFC 3339 in UTC. Lists answer with items and, where there is more, a Link header with rel="next"."""


def create_api(service: Service) -> FastAPI:
    """Return the control API of a service. The application keeps all its state in itself."""
    app = FastAPI(
        title="Coursekeep",
        version=version("coursekeep"),
        description=_DESCRIPTION,
        openapi_url="/api/openapi.json",
        docs_url=None,  # ours, below
        redoc_url=None,
        redirect_slashes=False,  # a redirect drops the body of a POST
        generate_unique_id_function=lambda route: route.name,
    )
    closing = asyncio.Event()
    hub = EventHub(service.store, closing) if service else None  # only the document is wanted without a service
    put_state(app, service, closing, hub)
    install_problem_handlers(app, SECURITY_HEADERS)
    app.add_middleware(BodyLimit)
    app.add_middleware(SecurityHeaders)  # added last, so it is outermost
    for module in _ROUTES:
        app.include_router(module.router, prefix=PREFIX, responses=PROBLEM_RESPONSES)
    app.include_router(_docs(app))
    app.openapi = lambda: _document(app)  # type: ignore[method-assign]  # the way FastAPI documents
    return app


def close_api(app: FastAPI) -> None:
    """Tell the application that the daemon stops: readiness says no, endless answers end."""
    app.state.closing.set()


def _docs(app: FastAPI) -> APIRouter:
    router = APIRouter()

    @router.get("/api/docs", include_in_schema=False, response_class=HTMLResponse)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi()), headers={"Content-Security-Policy": DOCS_POLICY})

    return router


def _document(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with what FastAPI cannot know: our errors, and bodies that are read by hand."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document["components"]["schemas"]
        for model in (ProblemBody, models.NewRun):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas[model.__name__] = schema
        for path in document["paths"].values():
            for operation in path.values():
                operation["responses"].pop("422", None)  # FastAPI's own error shape, which is never sent
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        app.openapi_schema = document
    return app.openapi_schema
