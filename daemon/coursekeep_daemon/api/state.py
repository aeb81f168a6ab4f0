"""What the application holds for its routes: the service, whether the API is closing, and the hub of events."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from coursekeep_daemon.api.hub import EventHub
from coursekeep_daemon.service import Service

__all__ = ["Daemon", "Hub", "closing_of", "hub_of", "put_state", "service_of"]


def put_state(app: FastAPI, service: Service) -> None:
    """Hand the service to the application."""
    app.state.service = service
    #: set when the daemon stops: endless answers end, and readiness says no
    app.state.closing = asyncio.Event()
    app.state.hub = None


def service_of(request: Request) -> Service:
    """Return the service behind a request."""
    service: Service = request.app.state.service
    return service


def closing_of(request: Request) -> asyncio.Event:
    """Return the event that is set when the daemon stops."""
    closing: asyncio.Event = request.app.state.closing
    return closing


def hub_of(request: Request) -> EventHub:
    """Return the hub of events, made for whoever asks first."""
    state = request.app.state
    if state.hub is None:
        state.hub = EventHub(state.service.store, state.closing)
    hub: EventHub = state.hub
    return hub


async def _daemon(request: Request) -> Service:
    return service_of(request)  # asynchronous, since FastAPI sends other dependencies through a thread


async def _hub(request: Request) -> EventHub:
    return hub_of(request)


Daemon = Annotated[Service, Depends(_daemon)]
Hub = Annotated[EventHub, Depends(_hub)]
