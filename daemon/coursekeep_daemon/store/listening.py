"""Being woken by what other processes commit: a connection that hears the notices of PostgreSQL's NOTIFY.

A notice says only that events were written, and by which store; what happened is read from the events themselves. So
one that is lost while the connection is down costs nothing: who was cut off wakes all who listen once it is back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.standing import Standing

__all__ = ["CHANNEL", "Listening"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: what notices are sent to; a channel belongs to one database
CHANNEL: Final = "coursekeep_events"

#: seconds without a notice after which the connection is asked whether it still stands, and has to answer
_PROBE: Final = 5.0
#: seconds until a connection that was lost is tried again: at first, and at most
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 1.0


class Listening:
    """Calls `wake` after each commit of another store on this database that wrote events, as long as it is started."""

    def __init__(self, connect: Callable[[], Awaitable[Standing]], wake: Callable[[], None], *, own: str) -> None:
        """Take what opens a connection, whom to wake, and what the own store's notices say: it needs none."""
        self._connect = connect
        self._wake = wake
        self._own = own
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen, in a task of the running loop. Once the connection stands, `wake` is called."""
        if self._task is None:
            self._task = lasting(self._listen, "store-listening")

    async def stop(self) -> None:
        """Listen no more."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])

    async def _listen(self) -> None:
        pause, lost = _FIRST_PAUSE, False
        while True:
            try:
                async with await self._connect() as connection:
                    await connection.ask(f"LISTEN {CHANNEL}", within=_PROBE)
                    if lost:
                        log.info("store_listens_again")
                    pause, lost = _FIRST_PAUSE, False
                    self._wake()  # something may have been told before
                    await self._hear(connection)
            except StoreError as error:
                if not lost:
                    log.warning("store_does_not_listen", reason=str(error))
                lost = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _hear(self, connection: Standing) -> None:
        """Wake whenever there is a notice of another store. Raises what ends the connection."""
        while True:
            async for by in connection.notices(_PROBE):
                if by != self._own:
                    self._wake()
            await connection.ask("SELECT 1", within=_PROBE)
