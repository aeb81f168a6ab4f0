"""Read several streams at once and hand them on in order, within bounds of memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["in_order"]

T = TypeVar("T")


@dataclass(kw_only=True, slots=True)
class _Lane(Generic[T]):
    """One stream being read ahead: batches of at most one item, empty at its end."""

    queue: asyncio.Queue[tuple[T, ...]]
    task: asyncio.Task[None] | None = None


async def in_order(
    streams: Iterable[AsyncGenerator[T, None]], *, width: int, ahead: int = 64
) -> AsyncGenerator[T, None]:
    """Yield the items of all streams, the first stream's first, while up to `width` streams are being read.

    Each may be `ahead` items ahead of its reader. A stream's error is raised in its turn. Streams are taken from the
    iterable only when there is room for them. Breaking off cancels what is being read.
    """
    coming = iter(streams)
    lanes: deque[_Lane[T]] = deque()
    try:
        while True:
            while len(lanes) < width and (stream := next(coming, None)) is not None:
                lanes.append(_start(stream, ahead))
            if not lanes:
                return
            lane = lanes[0]
            while batch := await lane.queue.get():
                yield batch[0]
            assert lane.task is not None
            await lane.task
            lanes.popleft()
    finally:
        await _stop(lanes)


def _start(stream: AsyncGenerator[T, None], ahead: int) -> _Lane[T]:
    lane: _Lane[T] = _Lane(queue=asyncio.Queue(ahead))
    lane.task = asyncio.create_task(_fill(stream, lane.queue))
    return lane


async def _fill(stream: AsyncGenerator[T, None], queue: asyncio.Queue[tuple[T, ...]]) -> None:
    try:
        async for item in stream:
            await queue.put((item,))
    finally:
        await stream.aclose()
        task = asyncio.current_task()
        # A cancelled reader has nobody waiting; a full queue would hold it for ever.
        if task is None or not task.cancelling():
            await queue.put(())


async def _stop(lanes: Iterable[_Lane[T]]) -> None:
    tasks = [lane.task for lane in lanes if lane.task is not None]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
