"""Waiting for an event."""

from __future__ import annotations

import asyncio

__all__ = ["wait_for_event"]


async def wait_for_event(event: asyncio.Event, seconds: float | None) -> bool:
    """Wait until an event is set, or some seconds have passed (None: however long it takes); tell whether it was set.

    `asyncio.wait_for` would do, but up to Python 3.11 it swallows a cancellation that comes together with the event:
    a loop that waits so may never stop.
    """
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
