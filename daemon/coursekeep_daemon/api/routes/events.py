"""Changes as they happen, as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from coursekeep_daemon.api.models import in_utc
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Caller, Reader
from coursekeep_daemon.api.state import Daemon, closing_of
from coursekeep_daemon.service import Service
from coursekeep_daemon.store.records import Event

__all__ = ["HEARTBEAT", "SEND_TIMEOUT", "EventStream", "parse_event_id", "router"]

router = APIRouter(tags=["events"])

#: seconds between comments that keep proxies from closing a quiet stream
HEARTBEAT = 15
#: seconds after which a listener that takes nothing is given up
SEND_TIMEOUT = 30
#: seconds after which a stream asks again whether its token still holds
RECHECK = 60.0
_BATCH = 500


@router.get(
    "/events",
    summary="Follow changes",
    response_class=EventSourceResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def follow_events(
    request: Request,
    service: Daemon,
    caller: Reader,
    run: Annotated[int | None, Query(description="Only events of this run.")] = None,
    last_event_id: Annotated[str | None, Header(description="Go on after this event.")] = None,
) -> EventSourceResponse:
    """Send changes as they happen: `run`, `item`, `integration` and `hold`, each with its data as JSON.

    A `hello` event comes first. With `Last-Event-ID` the stream goes on after that event; where it is older than what
    is kept, or unknown, a `reset` event says so: read anew what you show. A comment every 15 seconds keeps it open.
    """
    after = parse_event_id(last_event_id)
    stream = EventStream(service, caller, closing_of(request), run)
    return EventSourceResponse(stream.events(after), ping=HEARTBEAT, send_timeout=SEND_TIMEOUT)


def parse_event_id(last_event_id: str | None) -> int | None:
    if not last_event_id:
        return None
    if not last_event_id.isdecimal() or len(last_event_id) > 18:
        raise Problem(400, "bad-request", "Last-Event-ID must be the id of an event of this stream, a whole number.")
    return int(last_event_id)


class EventStream:
    """What one listener is sent."""

    def __init__(self, service: Service, caller: Caller, closing: asyncio.Event, run_id: int | None) -> None:
        self.store = service.store
        self.caller = caller
        self.closing = closing
        self.run_id = run_id

    async def events(self, after: int | None) -> AsyncIterator[ServerSentEvent]:
        with self.store.subscribe() as changed:
            newest = await self.store.last_event_id()
            oldest = await self.store.oldest_event_id()
            # `oldest - 1` is where a listener stands that has seen everything dropped since
            lost = after is not None and (after > newest or after < oldest - 1)
            position = newest if after is None or lost else after
            yield _message("hello", {"last_event_id": position}, position)
            if lost:
                yield _message("reset", {"reason": f"Event {after} is no longer kept, or never was."}, position)
            while not self.closing.is_set():
                changed.clear()  # before reading: what comes in between wakes us again
                found = await self.store.events_after(position, limit=_BATCH)
                for message in self._messages(found):
                    yield message
                if found:
                    position = found[-1].id
                elif not await self._wait(changed):
                    return

    def _messages(self, found: list[Event]) -> list[ServerSentEvent]:
        wanted = [each for each in found if self.run_id is None or each.run_id in (self.run_id, None)]
        messages = [_event(each) for each in wanted]
        if found and (not wanted or wanted[-1] is not found[-1]):
            # an id without data moves the listener's Last-Event-ID past what it does not want
            messages.append(ServerSentEvent(id=str(found[-1].id)))
        return messages

    async def _wait(self, changed: asyncio.Event) -> bool:
        """Wait for a change; False where the stream must end."""
        while not changed.is_set():
            waits = [asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self.closing.wait())]
            try:
                await asyncio.wait(waits, timeout=RECHECK, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
            if self.closing.is_set() or not await self.caller.still_allowed():
                return False
        return True


def _event(event: Event) -> ServerSentEvent:
    data = {
        "at": in_utc(event.at).isoformat().replace("+00:00", "Z"),
        "run_id": event.run_id,
        "item_id": event.item_id,
        **event.data,
    }
    return _message(event.kind, data, event.id)


def _message(kind: str, data: object, event_id: int) -> ServerSentEvent:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=kind, id=str(event_id))
