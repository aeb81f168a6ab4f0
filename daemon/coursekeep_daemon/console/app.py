"""The console as an application of its own, which `api.app` puts beside the API: its errors are pages, not problems."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from starlette._utils import get_route_path
from starlette.routing import Match, Mount

from coursekeep_daemon.api.hub import EventHub
from coursekeep_daemon.api.state import put_state
from coursekeep_daemon.console.errors import install_error_pages
from coursekeep_daemon.console.pages import CONSOLE_HEADERS, Pages
from coursekeep_daemon.console.routes import (
    account,
    activity,
    assets,
    connectors,
    courses,
    events,
    fixity,
    imports,
    integrations,
    new_import,
    notifications,
    openid,
    packages,
    runs,
    schedule_form,
    schedules,
    sign_in,
    system,
    users,
)
from coursekeep_daemon.service import Service

__all__ = ["ConsoleMount", "create_console"]

_ROUTES = (
    sign_in,
    openid,
    account,
    imports,
    new_import,
    runs,
    integrations,
    connectors,
    courses,
    packages,
    fixity,
    activity,
    schedule_form,
    schedules,
    notifications,
    system,
    users,
    events,
    assets,
)


class ConsoleMount(Mount):
    """Everything that is not below `/api` is the console's: whatever is unknown there stays an error of the API."""

    def matches(self, scope: MutableMapping[str, Any]) -> tuple[Match, MutableMapping[str, Any]]:
        path = get_route_path(scope)
        if path == "/api" or path.startswith("/api/"):
            return Match.NONE, {}
        return super().matches(scope)


def create_console(service: Service, closing: asyncio.Event, hub: EventHub | None) -> FastAPI:
    """Return the console of a service. `closing` is set when the daemon stops; `hub` hands out the events."""
    app = FastAPI(title="Coursekeep console", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    put_state(app, service, closing, hub)
    app.state.pages = Pages()
    install_error_pages(app, CONSOLE_HEADERS)
    for module in _ROUTES:
        app.include_router(module.router)
    return app
