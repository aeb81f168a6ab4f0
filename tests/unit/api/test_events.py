"""The stream of events, over a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fakes.api_service import ApiHouse, in_house, served

from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.store.records import ItemPlan

Message = dict[str, Any]


class Listener:
    """Reads a stream message by message."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self._lines = response.aiter_lines()

    async def next(self) -> Message | None:
        """Return the next message, or None at the end of the stream; comments are left out."""
        message: Message = {}
        async with asyncio.timeout(10):
            async for line in self._lines:
                name, _, value = line.partition(": ")
                if line and name:
                    message[name] = value
                elif message:
                    if "data" in message:
                        message["data"] = json.loads(message["data"])
                    return message
        return None

    async def until(self, kind: str) -> Message:
        while (message := await self.next()) is not None:
            if message.get("event") == kind:
                return message
        raise AssertionError(f"the stream ended before {kind}")


@asynccontextmanager
async def listening(
    url: str, token: str, *, after: int | None = None, run: int | None = None
) -> AsyncIterator[Listener]:
    headers = {"Authorization": f"Bearer {token}"}
    if after is not None:
        headers["Last-Event-ID"] = str(after)
    async with httpx.AsyncClient(trust_env=False) as client:
        params = {} if run is None else {"run": run}
        async with client.stream("GET", f"{url}/api/v1/events", headers=headers, params=params) as response:
            yield Listener(response)


def _test(test: Callable[[ApiHouse, str], Awaitable[None]]) -> None:
    async def main(house: ApiHouse) -> None:
        async with served(house) as url:
            await test(house, url)

    in_house(main)


async def _new_run(house: ApiHouse) -> int:
    run, _ = await house.store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="t"
    )
    return run.id


def test_a_change_reaches_whoever_listens() -> None:
    """A listener is greeted with the newest id, and told of a change after it is committed."""

    async def test(house: ApiHouse, url: str) -> None:
        async with listening(url, house.tokens["read"]) as listener:
            hello = await listener.next()
            run_id = await _new_run(house)
            message = await listener.until("run")

        assert hello is not None
        assert hello["event"] == "hello"
        assert message["data"]["run_id"] == run_id
        assert message["data"]["at"].endswith("Z")
        assert int(message["id"]) > hello["data"]["last_event_id"]

    _test(test)


def test_a_listener_resumes_where_it_stopped() -> None:
    """With Last-Event-ID everything after that event comes, also what happened while nobody listened."""

    async def test(house: ApiHouse, url: str) -> None:
        first = await _new_run(house)
        seen = await house.store.last_event_id()
        second = await _new_run(house)
        async with listening(url, house.tokens["read"], after=seen) as listener:
            hello = await listener.next()
            message = await listener.until("run")

        assert hello is not None
        assert hello["id"] == str(seen)
        assert message["data"]["run_id"] == second != first

    _test(test)


def test_an_unknown_place_is_answered_with_a_reset() -> None:
    """Whoever asks to resume after an event that is not kept is told to read anew, and goes on from now."""

    async def test(house: ApiHouse, url: str) -> None:
        await _new_run(house)
        async with listening(url, house.tokens["read"], after=10**9) as listener:
            reset = await listener.until("reset")

        assert reset["id"] == str(await house.store.last_event_id())

    _test(test)


def test_a_listener_to_one_run_hears_of_that_run_only() -> None:
    """Events of other runs are left out, but the listener's place moves past them."""

    async def test(house: ApiHouse, url: str) -> None:
        mine = await _new_run(house)
        async with listening(url, house.tokens["read"], run=mine) as listener:
            await listener.next()
            await _new_run(house)
            moved = await listener.next()
            await house.store.add_items(mine, [ItemPlan(ref="1")])
            await house.store.change_run(mine, RunStatus.PLANNING)
            message = await listener.until("run")

        assert moved is not None
        assert set(moved) == {"id"}
        assert message["data"]["run_id"] == mine

    _test(test)


def test_many_events_come_in_order_without_a_hole() -> None:
    """More events than are read at once arrive complete and in order."""

    async def test(house: ApiHouse, url: str) -> None:
        start = await house.store.last_event_id()
        for _ in range(30):
            run_id = await _new_run(house)
            await house.store.add_items(run_id, [ItemPlan(ref=str(n)) for n in range(30)])
        end = await house.store.last_event_id()
        ids = []
        async with listening(url, house.tokens["read"], after=start) as listener:
            while not ids or ids[-1] < end:
                message = await listener.next()
                assert message is not None
                ids.append(int(message["id"]))

        assert ids[0] == start  # the greeting
        expected = [event.id for event in await house.store.events_after(start, 10_000)]
        assert ids[1:] == expected

    _test(test)


def test_the_stream_ends_when_the_daemon_stops() -> None:
    """A stopping daemon ends its streams, so that they do not hold it up."""

    async def test(house: ApiHouse, url: str) -> None:
        async with listening(url, house.tokens["read"]) as listener:
            await listener.next()
            house.app.state.closing.set()
            end = await listener.next()

        assert end is None

    _test(test)


def test_the_stream_ends_when_its_token_is_revoked() -> None:
    """A revoked token hears nothing more."""

    async def test(house: ApiHouse, url: str) -> None:
        async with listening(url, house.tokens["read"]) as listener:
            await listener.next()
            await house.store.revoke_token("read")
            await _new_run(house)
            seen = [message async for message in _rest(listener)]

        assert all(message.get("event") != "item" for message in seen)

    async def _rest(listener: Listener) -> AsyncIterator[Message]:
        while (message := await listener.next()) is not None:
            yield message

    _test(test)


def test_a_last_event_id_that_is_no_number_is_refused() -> None:
    """A Last-Event-ID that cannot be one of ours is a problem, not an empty stream."""

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            response = await client.get("/events", headers={"Last-Event-ID": "x"})

        assert response.status_code == 400

    in_house(test)
