"""The hub of events: one reader for any number of listeners, and nothing lost for those who are late."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from fakes.store_house import House, new_run, plans, sqlite_house

from coursekeep_daemon.api.hub import EventHub, EventStream
from coursekeep_daemon.store import Event, Store, StoreError

Heard = list[tuple[str, int]]


class CountingHub(EventHub):
    """A hub over a store whose reads of events are counted, and can be made to fail."""

    def __init__(self, store: Store, *, kept: int = 10_000) -> None:
        super().__init__(store, asyncio.Event(), kept=kept)
        self.reads = 0
        self.fails = False
        self._original = store.events_after
        store.events_after = self._counted  # type: ignore[method-assign]  # counted where the hub and its streams read

    async def _counted(self, event_id: int, limit: int = 1000) -> list[Event]:
        self.reads += 1
        if self.fails:
            raise StoreError("The disk is gone.")
        return await self._original(event_id, limit)

    def pieces(self, after: int | None = None, run_id: int | None = None) -> AsyncIterator[bytes]:
        return EventStream(self, _yes, after=after, run_id=run_id).pieces()


async def _yes() -> bool:
    return True


def in_store(test: Callable[[Store, House], Awaitable[None]], **options: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = sqlite_house(Path(folder))
        house.run(lambda store: test(store, house), **options)


def read(piece: bytes) -> Heard:
    """Give kind and id of the messages in a piece of a stream."""
    found = []
    for message in piece.decode().strip().split("\r\n\r\n"):
        fields = dict(line.split(": ", 1) for line in message.splitlines())
        found.append((fields.get("event", ""), int(fields["id"])))
    return found


async def hear(pieces: AsyncIterator[bytes], last: int) -> list[int]:
    """Listen until an event has come, and give the ids of all that came, the greeting left out."""
    ids: list[int] = []
    async with asyncio.timeout(20):
        while not ids or ids[-1] < last:
            ids += [number for kind, number in read(await anext(pieces)) if kind != "hello"]
    return ids


async def to_the_end(pieces: AsyncIterator[bytes]) -> None:
    """Listen until the stream ends by itself."""
    async for _ in pieces:
        pass


async def make_events(store: Store, number: int) -> int:
    """Make at least so many events by as many commits, and give the id of the newest."""
    for _ in range(number):
        await new_run(store, started=False)
    return await store.last_event_id()


def test_many_listeners_cost_one_reader() -> None:
    """A hundred listeners hear every event in order, and the store is read as for one."""

    async def test(store: Store, house: House) -> None:
        hub = CountingHub(store)
        streams = [hub.pieces() for _ in range(100)]
        for stream in streams:
            await anext(stream)
        heard = [asyncio.create_task(hear(stream, 21)) for stream in streams]
        last = await make_events(store, 20)
        assert last == 20
        assert await make_events(store, 1) == 21
        everything = await asyncio.gather(*heard)

        assert all(ids == list(range(1, 22)) for ids in everything)
        # each listener may read the store once, before the hub has found its place
        assert hub.reads <= 100 + 2 * 21 + 2

    in_store(test)


def test_a_slow_listener_loses_nothing() -> None:
    """Who falls behind what the hub keeps reads the store, and then goes on with the others."""

    async def test(store: Store, house: House) -> None:
        hub = CountingHub(store, kept=5)
        slow, fast = hub.pieces(), hub.pieces()
        assert read(await anext(slow)) == read(await anext(fast)) == [("hello", 0)]
        hearing = asyncio.create_task(hear(fast, 40))
        assert await make_events(store, 40) == 40
        assert await hearing == list(range(1, 41))

        assert await hear(slow, 40) == list(range(1, 41))
        assert await make_events(store, 1) == 41
        assert await hear(slow, 41) == await hear(fast, 41) == [41]

    in_store(test)


def test_a_listener_resumes_from_before_what_the_hub_keeps() -> None:
    """Whoever resumes from an event that the hub has dropped, or never had, hears all that followed."""

    async def test(store: Store, house: House) -> None:
        await make_events(store, 10)
        hub = CountingHub(store, kept=3)
        first = hub.pieces()
        await anext(first)
        await make_events(store, 10)
        assert await hear(first, 20) == list(range(11, 21))

        for after in (0, 4, 12, 19):
            assert await hear(hub.pieces(after=after), 20) == list(range(after + 1, 21))

    in_store(test)


def test_who_misses_dropped_events_is_told() -> None:
    """A listener who is so slow that the store dropped what it had not heard gets a reset, and goes on from now."""

    async def test(store: Store, house: House) -> None:
        hub = CountingHub(store, kept=5)
        slow, fast = hub.pieces(), hub.pieces()
        await anext(slow)
        await anext(fast)
        run = await new_run(store)
        await store.add_items(run.id, plans(1100))
        hearing = asyncio.create_task(hear(fast, 1100))
        await store.claim_items(run.id, limit=1100, now=house.clock())
        await hearing
        newest = await store.last_event_id()
        assert await store.oldest_event_id() > 900

        assert read(await anext(slow)) == [("reset", newest)]
        last = await make_events(store, 1)
        assert await hear(slow, last) == [last]

    in_store(test, events_kept=100)


def test_nothing_is_read_where_nobody_listens() -> None:
    """When the last listener has gone the hub stops reading; the next one starts it again."""

    async def test(store: Store, house: House) -> None:
        hub = CountingHub(store)
        stream = hub.pieces()
        await anext(stream)
        last = await make_events(store, 1)
        assert await hear(stream, last) == [last]
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
        before = hub.reads
        last = await make_events(store, 3)

        assert hub.reads == before
        stream = hub.pieces()
        assert read(await anext(stream)) == [("hello", last)]
        last = await make_events(store, 1)
        assert await hear(stream, last) == [last]

    in_store(test)


def test_a_store_that_cannot_be_read_ends_the_streams_and_no_more() -> None:
    """Listeners are let go when the store cannot be read, so that they come back; then all goes on."""

    async def test(store: Store, house: House) -> None:
        hub = CountingHub(store)
        streams = [hub.pieces() for _ in range(3)]
        for stream in streams:
            await anext(stream)
        hearing = [asyncio.create_task(to_the_end(stream)) for stream in streams]
        await make_events(store, 1)
        hub.fails = True
        await make_events(store, 1)
        await asyncio.wait_for(asyncio.gather(*hearing), 20)
        hub.fails = False

        again = hub.pieces(after=0)
        assert await hear(again, 2) == [1, 2]

    in_store(test)


def test_a_listener_who_may_no_longer_hear_is_let_go_amid_events() -> None:
    """Whether a listener may hear is asked before anything new is sent."""

    async def test(store: Store, house: House) -> None:
        hub = CountingHub(store)
        allowed = True

        async def still_allowed() -> bool:
            return allowed

        stream = EventStream(hub, still_allowed).pieces()
        await anext(stream)
        last = await make_events(store, 1)
        assert await hear(stream, last) == [last]
        allowed = False
        await make_events(store, 1)

        async with asyncio.timeout(20):
            assert [piece async for piece in stream] == []

    in_store(test)


def test_who_may_not_hear_gets_nothing_of_what_was_missed() -> None:
    """Whether a listener may hear is asked before what they missed is sent, however soon after the greeting."""

    async def test(store: Store, house: House) -> None:
        await make_events(store, 3)

        async def not_allowed() -> bool:
            return False

        stream = EventStream(CountingHub(store), not_allowed, after=1).pieces()
        async with asyncio.timeout(20):
            assert [read(piece) async for piece in stream] == [[("hello", 1)]]

    in_store(test)


def test_a_store_that_cannot_say_who_may_hear_ends_the_stream() -> None:
    """A database that is away while a listener's token is looked at ends the stream as any other end does."""

    async def test(store: Store, house: House) -> None:
        async def cannot_say() -> bool:
            raise StoreError("The server is away.")

        stream = EventStream(CountingHub(store), cannot_say).pieces()
        await anext(stream)
        await make_events(store, 1)

        async with asyncio.timeout(20):
            await to_the_end(stream)

    in_store(test)


def test_many_token_checks_at_once_are_one_read() -> None:
    """Checks that wait together are answered together, each with its own token, and a revoked one with none."""

    async def test(store: Store, house: House) -> None:
        secrets = [(await store.create_token(f"t{n}", "read"))[1] for n in range(5)]
        await store.revoke_token("t3")
        asked = [*secrets, "unknown", *secrets]
        found = await asyncio.gather(*map(store.token_for, asked))

        names = ["t0", "t1", "t2", None, "t4"]
        assert [each and each[0].name for each in found] == [*names, None, *names]

    in_store(test)
