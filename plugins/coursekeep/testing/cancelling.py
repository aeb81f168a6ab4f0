"""An export that is broken off leaves nothing behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any, cast

import httpx

from coursekeep.connector import Connector
from coursekeep.records import Course
from coursekeep.testing.export import Known, collect
from coursekeep.testing.grades import Area, Grade, promise
from coursekeep.testing.running import asked_of, course_of, places, run, wired
from coursekeep.testing.wire import Answerer, Asked, Trick

__all__ = ["CancellationPromises"]

#: turns of the loop that cleaning up may take
_TURNS = 50


class CancellationPromises:
    """What holds where an export ends before its end."""

    positions = 5

    @promise(Area.CANCELLATION, Grade.REQUIRED)
    def test_cancelled_export_leaves_nothing_open(self, connector: Connector[Any], known: Known) -> None:
        """An export that is cancelled, or left after its first part, frees its places; the connector still works."""

        async def cancel() -> Course | None:
            course = await course_of(connector, known)
            task = asyncio.create_task(collect(connector, course))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            async with aclosing(cast(Any, connector.export(course))) as parts:
                await anext(parts)
            assert not connector.over_http or connector.client.governor.in_flight == 0, "a request is still in flight"
            return await connector.course(known.ended)

        assert run(connector, cancel) is not None, "the connector finds nothing any more"

    @promise(Area.CANCELLATION, Grade.REQUIRED)
    def test_cancelled_at_any_request(self, connector: Connector[Any], known: Known) -> None:
        """An export that is cancelled while a request is under way ends at once, with every request and task of it."""
        _, asked = asked_of(connector, known)
        for place in places(asked, self.positions):
            _cancel_at(connector, known, place)

    @promise(Area.CANCELLATION, Grade.EXPECTED)
    def test_left_export_stops(self, connector: Connector[Any], known: Known) -> None:
        """An export that is left in its middle leaves no task behind, and closes every answer."""
        total = len(run(connector, lambda: _read(connector, known)))

        async def leave() -> set[asyncio.Task[Any]]:
            before = asyncio.all_tasks()
            course = await course_of(connector, known)
            async with aclosing(cast(Any, connector.export(course))) as parts:
                for _ in range(max(1, total // 2)):
                    await anext(parts)
            await _settled()
            assert not connector.over_http or connector.client.governor.in_flight == 0, "a request is still in flight"
            return asyncio.all_tasks() - before

        left = run(connector, leave)
        assert not left, f"tasks that go on: {[task.get_coro() for task in left]}"


def _cancel_at(connector: Connector[Any], known: Known, place: Asked) -> None:
    held = _Held(place)
    stopped, wire = wired(connector, held.trick)

    async def cancel() -> None:
        course = await course_of(stopped, known)
        wire.begin()
        before = asyncio.all_tasks()
        task = asyncio.create_task(collect(stopped, course))
        reached = asyncio.create_task(held.reached.wait())
        await asyncio.wait([task, reached], return_when=asyncio.FIRST_COMPLETED)
        reached.cancel()
        task.cancel()
        await asyncio.wait([task])
        await _settled()
        left = asyncio.all_tasks() - before - {reached}
        assert task.cancelled() or not held.reached.is_set(), f"{place.label}: the export did not stop when cancelled"
        assert wire.open == 0, f"{place.label}: {wire.open} requests are still open after the export was cancelled"
        assert not left, f"{place.label}: tasks that go on: {[each.get_coro() for each in left]}"

    run(stopped, cancel)


async def _read(connector: Connector[Any], known: Known) -> list[object]:
    return [part async for part in connector.export(await course_of(connector, known))]


async def _settled() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)


class _Held:
    """Leaves one request without an answer."""

    def __init__(self, place: Asked) -> None:
        self._place = place
        self.reached = asyncio.Event()

    @property
    def trick(self) -> Trick:
        """What the wire plays."""
        return self._play

    async def _play(self, asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.identity == self._place.identity:
            self.reached.set()
            await asyncio.Event().wait()
        return None
