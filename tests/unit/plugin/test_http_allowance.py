"""A governor whose part of what an LMS bears is set from outside."""

from __future__ import annotations

import asyncio

import pytest
from fakes.http_client import make_client, run
from fakes.scripted_server import ScriptedServer, answer_json

from coursekeep import FileAuth, Governor, RetryLater


class Listener:
    """Remembers what it was told."""

    def __init__(self):
        self.changes = 0
        self.shares: list[float] = []
        self.throttles: list[tuple[float | None, bool]] = []

    def changed(self):
        self.changes += 1

    def answered(self, share):
        self.shares.append(share)

    def throttled(self, after, *, news):
        self.throttles.append((after, news))


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


def test_an_allowance_stands_in_place_of_the_window():
    """As many requests begin as are allowed, none where it is 0, never more than the maximum; None is as before."""

    async def main():
        governor = Governor(3)
        governor.allow(0)
        waiting = [asyncio.create_task(governor.acquire()) for _ in range(5)]
        seen = []
        for places in (0, 2, 9):
            governor.allow(places)
            await asyncio.sleep(0)
            seen.append((governor.limit, governor.in_flight, governor.demand))
        governor.allow(1)
        assert governor.held == 3, "those in flight go on"
        governor.release()
        governor.release()
        assert governor.in_flight == 1
        governor.allow(None)
        await asyncio.wait(waiting)
        return seen, governor.limit

    assert run(main()) == ([(0, 0, 5), (2, 2, 5), (3, 3, 5)], 3)


def test_throttling_halves_an_allowance_until_the_next():
    """Throttling halves the allowance at once, once a round and never to 0; what all bear is for the caller to say."""

    async def main():
        governor, listener = Governor(16), Listener()
        governor.listen(listener)
        governor.allow(8)
        async with governor.turn() as first, governor.turn() as second:
            first.throttled(0.0)
            second.throttled(None)
        limits = [governor.limit]
        governor.allow(1)
        async with governor.turn() as third:
            governor.begin_round()
            third.throttled(None)
            limits.append(governor.limit)
        async with governor.turn() as fourth:
            fourth.throttled(None)
            limits.append(governor.limit)
        return limits, listener.throttles

    assert run(main()) == ([4, 1, 1], [(0.0, True), (None, False), (None, False), (None, True)])


def test_a_listener_is_told_demand_and_headroom():
    """A listener hears of every request that comes, begins or leaves, cancelled ones too, and of the headroom."""

    async def main():
        governor, listener = Governor(1), Listener()
        governor.listen(listener)
        async with governor.turn() as turn:
            waiting = asyncio.create_task(governor.acquire())
            await asyncio.sleep(0)
            assert (governor.demand, governor.in_flight, listener.changes) == (2, 1, 2)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert (governor.demand, listener.changes) == (1, 3)
            turn.answered(0.15)
        assert (governor.demand, listener.changes, listener.shares) == (0, 4, [0.5])

    run(main())


def test_nothing_begins_while_it_is_held():
    """`hold` keeps requests back for so long, as Retry-After does."""

    async def main():
        governor = Governor(1)
        clock = asyncio.get_running_loop().time
        start = clock()
        governor.hold(0.05)
        await governor.acquire()
        return clock() - start

    assert run(main()) >= 0.05


def test_what_an_allowance_that_ended_leaves(server):
    """At the end of an allowance requests in flight fail with RetryLater, downloads too, and none begins."""
    gate = server.gate()
    server.on("/x", gate.before(answer_json({})))
    server.on("/file", gate.before(answer_json({})))

    async def main():
        async with make_client(server.url, max_concurrency=4) as client:
            governor = client.governor
            governor.allow(2)

            async def download():
                async with client.download("/file", auth=FileAuth.TOKEN) as opened:
                    return [block async for block in opened.chunks]

            tasks = [asyncio.create_task(client.get("/x")), asyncio.create_task(download())]
            await server.until(lambda: len(server.requests) == 2)
            governor.allow(2, until=asyncio.get_running_loop().time() + 0.02)
            while governor.in_flight or not governor.demand:
                await asyncio.sleep(0.001)
            assert governor.limit == governor.held == 0, "both are asked again, and wait"
            gate.open()
            governor.allow(2)
            await asyncio.gather(*tasks)
            governor.end()
            assert governor.in_flight == 0

    run(main())
    assert len(server.requests) == 4


def test_a_request_that_was_given_up_says_why(server):
    """Whoever does not repeat it is told that the process lost its share; a cancellation stays one."""
    gate = server.gate()
    server.on("/x", gate.before(answer_json({})))

    async def main():
        governor = Governor(2)

        async def held():
            async with governor.turn():
                await asyncio.Event().wait()

        given_up, cancelled = asyncio.create_task(held()), asyncio.create_task(held())
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.wait([cancelled])
        governor.end()
        with pytest.raises(RetryLater, match="could not renew its share"):
            await given_up
        assert cancelled.cancelled()
        assert governor.in_flight == 0

    run(main())


def test_a_renewed_allowance_does_not_end():
    """The end of an allowance is that of the newest."""

    async def main():
        governor = Governor(2)
        now = asyncio.get_running_loop().time()
        governor.allow(2, until=now + 0.02)
        governor.allow(1, until=now + 60)
        async with governor.turn():
            await asyncio.sleep(0.04)
        return governor.limit

    assert run(main()) == 1
