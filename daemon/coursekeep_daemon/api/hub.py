"""The hub of events: reads what happened once, and hands it to all who listen.

One task reads the new events after a commit, makes each the bytes that are sent, and keeps the newest in memory. A
listener who keeps up is served from there; one who resumes from before, or falls behind, reads the store until it has
caught up. So a change costs one read however many listen, and none where nobody does.
"""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass

import structlog
from sse_starlette import ServerSentEvent

from coursekeep_daemon.api.models import in_utc
from coursekeep_daemon.store import Event, Store, StoreError

__all__ = ["KEPT", "RECHECK", "EventHub", "EventStream"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: events kept in memory, about 500 bytes each
KEPT = 10_000
#: seconds after which a stream asks whether its listener may still hear, though nothing happened
RECHECK = 60.0
#: events in one read, and in one piece of a stream
_BATCH = 500
#: seconds of rest for each listener after they were woken. Waking one costs about 0.16 ms of the processor here, and as
#: much where it listens, so that streams take few hundredths of it, however much happens; events that come meanwhile
#: are sent together.
_REST = 0.008
#: the longest rest, in seconds: how late an event can be
_LONGEST_REST = 2.0


@dataclass(frozen=True, kw_only=True, slots=True)
class _Told:
    """An event, ready to be sent."""

    id: int
    run_id: int | None
    message: bytes


class EventHub:
    """Hands the events of one store to any number of listeners. One for each application."""

    def __init__(self, store: Store, closing: asyncio.Event, *, kept: int = KEPT) -> None:
        self.store = store
        #: set when the daemon stops, which ends all streams
        self.closing = closing
        self._kept = kept
        self._ring: list[_Told] = []
        #: the ring holds every event after this one; None until the hub has begun to read
        self._since: int | None = None
        self._newest = 0
        self._listeners: set[asyncio.Event] = set()
        self._reading: asyncio.Task[None] | None = None

    @contextmanager
    def listen(self) -> Iterator[asyncio.Event]:
        """Give a flag that is set when there may be something new. The hub reads as long as anybody listens."""
        woken = asyncio.Event()
        self._listeners.add(woken)
        if self._reading is None or self._reading.done():
            self._ring, self._since = [], None
            self._reading = asyncio.create_task(self._read(), name="event-hub")
            self._reading.add_done_callback(_log_failure)
        try:
            yield woken
        finally:
            self._listeners.discard(woken)
            if not self._listeners:
                self._reading.cancel()
                self._reading, self._ring, self._since = None, [], None

    async def after(self, position: int) -> tuple[Sequence[_Told], bool]:
        """Return the next events after one, and whether some between were dropped. Raises `StoreError`."""
        if self._reading is not None and self._reading.done() and not self._reading.cancelled():
            self._reading.result()  # what kept the hub from reading concerns all who listen
        if self._since is not None and position >= self._since:
            start = bisect_right(self._ring, position, key=lambda told: told.id)
            return self._ring[start : start + _BATCH], False
        found = await self.store.events_after(position, limit=_BATCH)
        # asked after reading: what was dropped before the read is seen here
        return [_told(each) for each in found], position < await self.store.oldest_event_id() - 1

    async def _read(self) -> None:
        try:
            with self.store.subscribe() as changed:
                self._since = self._newest = await self.store.last_event_id()
                self._wake()  # a listener may have read the store before this place was known
                while not self.closing.is_set():
                    changed.clear()  # before reading: what comes in between wakes us again
                    if await self._read_all():
                        self._wake()
                        await _until(self.closing, min(_REST * len(self._listeners), _LONGEST_REST))
                    else:
                        await _first(changed, self.closing)
        finally:
            self._wake()

    async def _read_all(self) -> bool:
        """Read what is new into the ring, and tell whether there was anything."""
        before = self._newest
        while found := await self.store.events_after(self._newest, limit=_BATCH):
            if found[0].id != self._newest + 1:  # events were dropped before they were read here
                self._ring, self._since = [], found[0].id - 1
            self._ring += [_told(each) for each in found]
            self._newest = found[-1].id
            if len(self._ring) > self._kept:
                self._since = self._ring[-self._kept - 1].id
                del self._ring[: -self._kept]
            if len(found) < _BATCH:
                break
        return self._newest > before

    def _wake(self) -> None:
        for woken in self._listeners:
            woken.set()


class EventStream:
    """What one listener is sent, as pieces of `text/event-stream`: for `EventSourceResponse(stream.pieces())`.

    A `hello` comes first. Where `after` is given, the stream goes on after that event; where that place is not known
    any more, a `reset` says so. It ends when the daemon stops, when the store cannot be read, so that who listens comes
    back, and when `still_allowed` says no, which is asked before anything new is sent, and once a minute.
    """

    def __init__(
        self,
        hub: EventHub,
        still_allowed: Callable[[], Awaitable[bool]],
        *,
        run_id: int | None = None,
        after: int | None = None,
    ) -> None:
        self._hub = hub
        self._still_allowed = still_allowed
        self._run_id = run_id
        self._after = after

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield one or more whole messages at a time."""
        async with aclosing(self._pieces()) as pieces:
            try:
                async for piece in pieces:
                    yield piece
            except StoreError as error:
                log.info("stream_ended", reason=str(error))

    async def _pieces(self) -> AsyncGenerator[bytes, None]:
        store, closing, after = self._hub.store, self._hub.closing, self._after
        with self._hub.listen() as woken:
            newest = await store.last_event_id()
            oldest = await store.oldest_event_id()
            # `oldest - 1` is where a listener stands that has seen everything dropped since
            lost = after is not None and (after > newest or after < oldest - 1)
            position = newest if after is None or lost else after
            yield _message("hello", {"last_event_id": position}, position)
            if lost:
                yield _reset(after, position)
            while not closing.is_set():
                woken.clear()  # before reading: what comes in between wakes us again
                found, dropped = await self._hub.after(position)
                if not found and not dropped:
                    await _until(woken, RECHECK)
                    if woken.is_set():
                        continue
                # also asked where nothing came for so long
                if closing.is_set() or not await self._still_allowed():
                    return
                if dropped:
                    lost_at, position = position, await store.last_event_id()
                    yield _reset(lost_at, position)
                elif found:
                    position = found[-1].id
                    yield self._piece(found)

    def _piece(self, found: Sequence[_Told]) -> bytes:
        wanted = [each.message for each in found if self._run_id is None or each.run_id in (self._run_id, None)]
        if not wanted or wanted[-1] is not found[-1].message:
            # an id without data moves the listener's Last-Event-ID past what it does not want
            wanted.append(ServerSentEvent(id=str(found[-1].id)).encode())
        return b"".join(wanted)


async def _until(event: asyncio.Event, seconds: float) -> None:
    """Wait until this is set, but no longer than so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _log_failure(reading: asyncio.Task[None]) -> None:
    if not reading.cancelled() and (error := reading.exception()) is not None:
        log.warning("events_not_read", reason=str(error))


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of these is set."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


def _told(event: Event) -> _Told:
    data = {
        "at": in_utc(event.at).isoformat().replace("+00:00", "Z"),
        "run_id": event.run_id,
        "item_id": event.item_id,
        **event.data,
    }
    return _Told(id=event.id, run_id=event.run_id, message=_message(event.kind, data, event.id))


def _message(kind: str, data: object, event_id: int) -> bytes:
    return ServerSentEvent(json.dumps(data, ensure_ascii=False), event=kind, id=str(event_id)).encode()


def _reset(lost: int | None, position: int) -> bytes:
    return _message("reset", {"reason": f"Event {lost} is no longer kept, or never was."}, position)
