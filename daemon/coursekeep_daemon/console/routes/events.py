"""Changes as they happen, for the script of the pages: the stream of the API, for whoever is signed in."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse

from coursekeep_daemon.api.hub import EventStream
from coursekeep_daemon.api.routes.events import HEARTBEAT, SEND_TIMEOUT, parse_event_id
from coursekeep_daemon.api.state import Hub
from coursekeep_daemon.console.security import Viewer

__all__ = ["router"]

router = APIRouter()


@router.get("/events", response_class=EventSourceResponse)
async def follow_events(
    visit: Viewer,
    hub: Hub,
    run: Annotated[int | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> EventSourceResponse:
    """Send changes, as `GET /api/v1/events` does."""
    stream = EventStream(hub, visit.still_allowed, run_id=run, after=parse_event_id(last_event_id))
    return EventSourceResponse(stream.pieces(), ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)
