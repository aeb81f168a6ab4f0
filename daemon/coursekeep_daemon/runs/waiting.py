"""Waiting, as tasks that may be cancelled need it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["see_through", "wait_for_event"]

R = TypeVar("R")

#: seconds that what is seen through gets once its caller was cancelled: a stop must end, whatever the store does
_LONGEST = 2.0


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


async def see_through(work: Coroutine[Any, Any, R]) -> R:
    """Await what would be cut in two by a cancellation: it gets some seconds to end by itself, then it is cancelled.

    So what the store did becomes known to whoever asked for it. The caller is cancelled in any case.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_LONGEST)
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # seen by nobody, for the caller is gone
        raise
