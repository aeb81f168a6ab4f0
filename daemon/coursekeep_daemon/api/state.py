"""What the application holds for its routes: the service, whether the API is closing, and the hub of events."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from coursekeep_daemon.api.hub import EventHub
from coursekeep_daemon.service import Service

__all__ = ["Daemon", "Hub", "closing_of", "hub_of", "put_state", "service_of"]


def put_state(app: FastAPI, service: Service, closing: asyncio.Event, hub: EventHub | None) -> None:
    """Hand an application the service, the hub of its events, and what is set when the daemon stops."""
    app.state.service = service
    app.state.closing = closing
    app.state.hub = hub


def service_of(request: Request) -> Service:
    """Return the service behind a request."""
    service: Service = request.app.state.service
    return service


def closing_of(request: Request) -> asyncio.Event:
    """Return the event that is set when the daemon stops."""
    closing: asyncio.Event = request.app.state.closing
    return closing


def hub_of(request: Request) -> EventHub:
    """Return the hub of events."""
    hub: EventHub = request.app.state.hub
    return hub


async def _daemon(request: Request) -> Service:
    return service_of(request)  # asynchronous, since FastAPI sends other dependencies through a thread


async def _hub(request: Request) -> EventHub:
    return hub_of(request)


Daemon = Annotated[Service, Depends(_daemon)]
Hub = Annotated[EventHub, Depends(_hub)]
