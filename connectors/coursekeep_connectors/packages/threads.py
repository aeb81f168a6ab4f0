"""Blocking work beside the event loop: begun in threads, waited for also where the caller is cancelled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TypeVar

from coursekeep import Part, Record

__all__ = ["in_thread", "pulled"]

R = TypeVar("R")

#: parts, and characters of text, that are made before they are handed over
_BATCH = 64
_WEIGHT = 2 * 2**20


async def in_thread(
    function: Callable[..., R],
    *args: object,
    halt: threading.Event | None = None,
    discard: Callable[[R], object] | None = None,
) -> R:
    """Call a function in a thread. A cancelled caller sets `halt`, and waits until the function has come back.

    `discard` takes what it gives then, where that must be closed.
    """
    work = asyncio.ensure_future(asyncio.to_thread(function, *args))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        if halt is not None:
            halt.set()
        await asyncio.wait({work})
        if not work.cancelled() and work.exception() is None and discard is not None:
            discard(work.result())
        raise


async def pulled(parts: Generator[Part, None, None]) -> AsyncGenerator[Part]:
    """Yield what a generator yields that runs in threads, some parts at a time; it is closed in the end."""
    try:
        while batch := await in_thread(_take, parts):
            for part in batch:
                yield part
    finally:
        await in_thread(parts.close)


def _take(parts: Generator[Part, None, None]) -> list[Part]:
    batch: list[Part] = []
    weight = 0
    while len(batch) < _BATCH and weight < _WEIGHT:
        part = next(parts, None)
        if part is None:
            break
        batch.append(part)
        if isinstance(part, Record):
            weight += sum(len(value) for value in part.data.values() if isinstance(value, str))
    return batch
