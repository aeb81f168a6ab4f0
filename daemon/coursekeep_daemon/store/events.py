"""Events: what changed, for listeners that follow and resume."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Select, func, select

from coursekeep_daemon.store.listening import Listening
from coursekeep_daemon.store.models import event
from coursekeep_daemon.store.records import Event
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import LARGEST_ID, Shape

__all__ = ["Events"]

_EVENT = Shape(Event, event)


class Events(Room):
    """The newest events, and who is woken by them. An event is written in the transaction of its change."""

    _listeners: set[asyncio.Event]
    _listening: Listening | None

    async def events_after(self, event_id: int, limit: int = 1000) -> list[Event]:
        """Return the events after one, oldest first. Compare `oldest_event_id` to see whether some were dropped."""
        known = min(event_id, LARGEST_ID)
        query = select(*_EVENT.columns).where(event.c.id > known).order_by(event.c.id).limit(limit)
        return await self._reader(lambda connection: _EVENT.all(connection, query))

    async def kinds_after(self, event_id: int) -> tuple[int, set[str]]:
        """Return the id of the newest event, and the kinds of those after one; those of items are left out."""
        newest = select(func.coalesce(func.max(event.c.id), 0))
        kinds = select(event.c.kind).where(event.c.id > event_id, event.c.kind != "item").distinct()
        return await self._reader(
            lambda connection: (connection.execute(newest).scalar_one(), set(connection.execute(kinds).scalars()))
        )

    async def last_event_id(self) -> int:
        """Return the id of the newest event; 0 where there is none."""
        return await self._event_id(select(func.max(event.c.id)))

    async def oldest_event_id(self) -> int:
        """Return the id of the oldest event that is kept; 0 where there is none."""
        return await self._event_id(select(func.min(event.c.id)))

    async def _event_id(self, query: Select[tuple[int]]) -> int:
        return await self._reader(lambda connection: connection.scalar(query) or 0)

    @contextmanager
    def subscribe(self) -> Iterator[asyncio.Event]:
        """Give a flag that is set after each commit that wrote events.

        Clear it, then read with `events_after`, then wait: nothing is missed in that order. On PostgreSQL commits of
        other processes set it too, from the first subscription on; where the server was away, it is set once more.
        """
        if self._listening is not None:
            self._listening.start()
        listener = asyncio.Event()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _wake_listeners(self) -> None:
        for listener in self._listeners:
            listener.set()
