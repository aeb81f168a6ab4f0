"""Changes as they happen, for the script of the pages: the stream of the API, for whoever is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse

from coursekeep_daemon.api.routes.events import HEARTBEAT, SEND_TIMEOUT, EventStream, parse_event_id
from coursekeep_daemon.api.state import Daemon, closing_of
from coursekeep_daemon.console.security import Viewer

__all__ = ["router"]

router = APIRouter()


@router.get("/events", response_class=EventSourceResponse)
async def follow_events(
    request: Request,
    service: Daemon,
    visit: Viewer,
    run: Annotated[int | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventSourceResponse:
    """Send changes, as `GET /api/v1/events` does."""
    stream = EventStream(service, visit, closing_of(request), run)
    return EventSourceResponse(stream.events(parse_event_id(last_event_id)), ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)
