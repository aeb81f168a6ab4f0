"""How much is asked at once, and how patiently where the LMS asks for less."""

from __future__ import annotations

import asyncio
import email.utils
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fakes.http_client import TOKEN, make_client, run
from fakes.scripted_server import ScriptedServer, answer_json, status
from pydantic import SecretStr

from coursekeep import BearerDialect, Governor, RetryLater, RetryPolicy, retry_after
from coursekeep.retry import persist


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


class Metered(BearerDialect):
    """Reads its headroom from a header."""

    def headroom(self, response):
        return float(response.headers["x-left"])


def test_no_more_than_allowed_run_at_once(server):
    """As many requests as allowed run at once, and not one more."""
    gate = server.gate()
    server.on("/x", gate.before(answer_json({})))

    async def main():
        async with make_client(server.url, max_concurrency=150) as client:
            tasks = [asyncio.create_task(client.get("/x")) for _ in range(300)]
            await server.until(lambda: len(server.requests) == 150)
            gate.open()
            await asyncio.gather(*tasks)

    run(main())
    assert server.most_in_flight == 150


def test_turns_are_given_in_order():
    """Who asked first comes first."""
    order: list[int] = []

    async def main():
        governor = Governor(1)

        async def work(number: int):
            async with governor.turn():
                order.append(number)
                await asyncio.sleep(0)

        await asyncio.gather(*(work(number) for number in range(20)))

    run(main())
    assert order == list(range(20))


def test_cancelled_waiters_lose_no_turn():
    """Waiting requests that are cancelled, even in the moment of their turn, do not use up a place."""

    async def main():
        governor = Governor(1)
        await governor.acquire()
        waiting = [asyncio.create_task(governor.acquire()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        governor.release()  # gives the turn to the first, which is cancelled before it runs
        waiting[0].cancel()
        await asyncio.wait(waiting)

        assert [task.cancelled() for task in waiting] == [True, True, False]
        assert governor.in_flight == 1
        governor.release()
        assert governor.in_flight == 0

    run(main())


def test_throttling_halves_once_a_round_and_recovers():
    """Throttled answers of one round halve the limit once; good answers bring it back, never above the maximum."""

    async def main():
        governor = Governor(16)
        async with governor.turn() as first, governor.turn() as second:
            first.throttled(None)
            second.throttled(None)
        assert governor.limit == 8
        async with governor.turn() as third:
            third.throttled(None)
            for _ in range(4):
                third.answered(None)
            assert governor.limit == 4
            for _ in range(500):
                third.answered(None)
        assert governor.limit == 16

    run(main())


def test_limit_never_falls_below_one():
    """However often it is throttled, one request may run."""

    async def main():
        governor = Governor(3)
        for _ in range(9):
            async with governor.turn() as turn:
                turn.throttled(None)
        assert governor.limit == 1

    run(main())


@pytest.mark.parametrize(("headroom", "limit"), [(1.0, 20), (0.3, 20), (0.15, 10), (0.0, 1), (-3.0, 1), (None, 20)])
def test_low_headroom_slows_down(headroom, limit):
    """Below three tenths of what the LMS allows, fewer requests run, down to one."""
    governor = Governor(20)

    governor.answered(headroom)

    assert governor.limit == limit
    governor.answered(1.0)
    assert governor.limit == 20


def test_headroom_is_read_from_answers(server):
    """The dialect's headroom reaches the governor with every answer."""
    server.on("/x", answer_json({}, headers={"X-Left": "0.06"}))

    async def main():
        async with make_client(server.url, max_concurrency=10, dialect=Metered(SecretStr(TOKEN))) as client:
            await client.get("/x")
            return client.governor.limit

    assert run(main()) == 2


def test_throttled_requests_have_their_own_patience(server):
    """Throttled answers and failures are counted apart: neither uses up the other's attempts."""
    server.on("/x", *[status(429)] * 3, status(502), status(502), answer_json({"id": 1}))

    async def main():
        async with make_client(server.url, max_concurrency=8) as client:
            return (await client.get("/x")).body, client.governor.limit

    assert run(main()) == ({"id": 1}, 2)  # halved to 1, and one good answer


def test_lasting_throttling_ends_with_the_policy(server):
    """Throttling without end is raised after its own number of attempts, and known as throttling."""
    server.on("/x", status(429))

    async def main():
        async with make_client(server.url) as client:
            await client.get("/x")

    with pytest.raises(RetryLater) as caught:
        run(main())
    assert caught.value.throttled
    assert len(server.requests) == 4


def test_wish_to_wait_is_respected(server):
    """After a Retry-After no request begins before its time, neither this one nor another."""
    server.on("/x", status(429, headers={"Retry-After": "1"}), answer_json({}))
    server.on("/y", answer_json({}))

    async def main():
        clock = asyncio.get_running_loop().time
        async with make_client(server.url) as client:
            began = clock()
            first = asyncio.create_task(client.get("/x"))
            while client.governor._not_before == 0.0:
                await asyncio.sleep(0)
            await client.get("/y")
            other = clock() - began
            await first
            return other, clock() - began

    other, own = run(main())
    assert other >= 0.95
    assert own >= 0.95


@pytest.mark.parametrize("code", [429, 503])
def test_too_long_a_wait_is_left_to_the_caller(server, code):
    """Where the LMS asks for more patience than the policy has, the error comes at once and tells the wait."""
    server.on("/x", status(code, headers={"Retry-After": "86400"}))

    async def main():
        async with make_client(server.url) as client:
            with pytest.raises(RetryLater) as caught:
                await client.get("/x")
            server.on("/y", answer_json({}))
            await client.get("/y")  # others are not held up for a day
            return caught.value.after

    assert run(main()) == 86400.0


def waits_after(error: RetryLater, policy: RetryPolicy) -> list[float]:
    """Fail for ever with this error, and return the waits between the attempts."""
    waits: list[float] = []

    async def attempt() -> None:
        raise error

    async def note(seconds: float) -> None:
        waits.append(seconds)

    with pytest.raises(RetryLater):
        run(persist(policy, attempt, lambda error: True, sleep=note))
    return waits


def test_waits_grow_and_differ():
    """Waits are drawn at random from ever larger spans, up to the longest."""
    policy = RetryPolicy(attempts=200, wait=1.0, longest=8.0)

    waits = waits_after(RetryLater("down"), policy)

    assert len(waits) == 199
    assert waits[0] <= 1.0
    assert waits[1] <= 2.0
    assert 4.0 < max(waits) <= 8.0
    assert len(set(waits)) > 100


def test_wanted_wait_is_kept_with_jitter():
    """A wait that the LMS asks for is kept, and lengthened at random so that not all come back in one moment."""
    waits = waits_after(RetryLater("slower", after=20.0, throttled=True), RetryPolicy(throttled_attempts=50, wait=1.0))

    assert len(waits) == 49
    assert all(20.0 <= wait <= 40.0 for wait in waits)
    assert len(set(waits)) > 25


def test_clients_may_share_a_governor(server):
    """Two clients of one LMS with one governor keep to one limit together."""
    gate = server.gate()
    server.on("/x", gate.before(answer_json({})))

    async def main():
        governor = Governor(3)
        async with (
            make_client(server.url, governor=governor) as one,
            make_client(server.url, governor=governor) as other,
        ):
            tasks = [asyncio.create_task(client.get("/x")) for client in (one, other) for _ in range(5)]
            await server.until(lambda: len(server.requests) == 3)
            gate.open()
            await asyncio.gather(*tasks)

    run(main())
    assert server.most_in_flight == 3


def test_cancelled_request_gives_its_turn_back(server):
    """A request that is cancelled while it runs frees its place and its connection."""
    gate = server.gate()
    server.on("/slow", gate.before(answer_json({})))
    server.on("/x", answer_json({"id": 1}))

    async def main():
        async with make_client(server.url, max_concurrency=1) as client:
            task = asyncio.create_task(client.get("/slow"))
            await server.until(lambda: server.in_flight == 1)
            task.cancel()
            await asyncio.wait([task])
            assert task.cancelled()
            return (await client.get("/x")).body

    assert run(main()) == {"id": 1}


def test_retry_after_is_understood():
    """Retry-After is read as seconds or as a date; a past date is no wait, nonsense is none."""
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)

    def read(value: str) -> float | None:
        return retry_after(httpx.Response(503, headers={"Retry-After": value}), now)

    assert read("7") == 7.0
    assert read(email.utils.format_datetime(now + timedelta(seconds=90), usegmt=True)) == 90.0
    assert read(email.utils.format_datetime(now - timedelta(days=1), usegmt=True)) == 0.0
    assert read("9" * 400) == 7 * 86400.0
    assert read("soon") is None
    assert retry_after(httpx.Response(503)) is None


def test_governor_without_a_place_is_refused():
    """A limit below one would stand still for ever, and is refused."""
    with pytest.raises(ValueError, match="at least one"):
        Governor(0)
