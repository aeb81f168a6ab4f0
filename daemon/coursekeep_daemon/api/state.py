"""What the application holds for its routes: the service, and whether the API is closing."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from coursekeep_daemon.service import Service

__all__ = ["Daemon", "closing_of", "put_state", "service_of"]


def put_state(app: FastAPI, service: Service, closing: asyncio.Event) -> None:
    """Hand the service to an application, and what is set when the daemon stops: endless answers end then."""
    app.state.service = service
    app.state.closing = closing


def service_of(request: Request) -> Service:
    """Return the service behind a request."""
    service: Service = request.app.state.service
    return service


def closing_of(request: Request) -> asyncio.Event:
    """Return the event that is set when the daemon stops."""
    closing: asyncio.Event = request.app.state.closing
    return closing


Daemon = Annotated[Service, Depends(service_of)]
