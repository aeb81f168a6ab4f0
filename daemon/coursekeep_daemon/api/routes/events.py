"""Changes as they happen, as server-sent events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query
from sse_starlette import EventSourceResponse

from coursekeep_daemon.api.hub import EventStream
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Reader
from coursekeep_daemon.api.state import Hub

__all__ = ["HEARTBEAT", "SEND_TIMEOUT", "parse_event_id", "router"]

router = APIRouter(tags=["events"])

#: seconds between comments that keep proxies from closing a quiet stream
HEARTBEAT = 15
#: seconds after which a listener that takes nothing is given up
SEND_TIMEOUT = 30


@router.get(
    "/events",
    summary="Follow changes",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_events(
    caller: Reader,
    hub: Hub,
    run: Annotated[int | None, Query(description="Only events of this run.")] = None,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None,
) -> EventSourceResponse:
    """Send changes as they happen: `run`, `item`, `integration` and `hold`, each with its data as JSON.

    A `hello` event comes first. With `Last-Event-ID` the stream goes on after that event; where it is older than what
    is kept, or unknown, a `reset` event says so: read anew what you show. A comment every 15 seconds keeps it open.
    """
    stream = EventStream(hub, caller.still_allowed, run_id=run, after=parse_event_id(last_event_id))
    return EventSourceResponse(stream.pieces(), ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)


def parse_event_id(last_event_id: str | None) -> int | None:
    """Read what a browser or client sends to go on after an event; None where it sends nothing."""
    if not last_event_id:
        return None
    if not last_event_id.isdecimal() or len(last_event_id) > 18:
        raise Problem(400, "bad-request", "Last-Event-ID must be the id of an event of this stream, a whole number.")
    return int(last_event_id)
