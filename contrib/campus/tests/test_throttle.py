"""The leaky bucket: many at once are too many, one after the other never."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from coursekeep_campus import CampusServer, Throttle
from coursekeep_campus.throttle import Bucket


def at_once(server: CampusServer, count: int) -> list[httpx.Response]:
    """Send many requests at the same time."""

    async def main() -> list[httpx.Response]:
        headers = {"Authorization": f"Bearer {server.token}"}
        limits = httpx.Limits(max_connections=count)
        async with httpx.AsyncClient(base_url=server.url, headers=headers, limits=limits, timeout=30) as client:
            return await asyncio.gather(*(client.get("/api/v1/users/self") for _ in range(count)))

    return asyncio.run(main())


def test_serial_client_is_not_throttled(
    order: Callable[..., CampusServer], connect: Callable[..., httpx.Client]
) -> None:
    """A client that asks one after the other is never throttled, and is told cost and remainder."""
    client = connect(order(throttle=True))
    answers = [client.get("/api/v1/users/self") for _ in range(60)]

    assert {answer.status_code for answer in answers} == {200}
    assert 0 < float(answers[-1].headers["x-request-cost"]) < 1
    assert 500 < float(answers[-1].headers["x-rate-limit-remaining"]) <= 600


@pytest.mark.parametrize(("status", "words"), [(403, "403 Forbidden"), (429, "429 Too Many Requests")])
def test_too_many_at_once(order: Callable[..., CampusServer], status: int, words: str) -> None:
    """Forty at once are over the mark: plain text with 403 or 429, nothing remaining, no cost, no Retry-After."""
    server = order(delay=0.2, throttle=Throttle(status=status))
    refused = [answer for answer in at_once(server, 40) if answer.status_code != 200]

    assert refused
    for answer in refused:
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/plain"
        assert answer.text == f"{words} (Rate Limit Exceeded)\n"
        assert answer.headers["x-rate-limit-remaining"] == "0.0"
        assert "x-request-cost" not in answer.headers
        assert "retry-after" not in answer.headers


def test_throttle_can_be_off(order: Callable[..., CampusServer]) -> None:
    """Without throttle any number at once is answered."""
    assert {answer.status_code for answer in at_once(order(), 40)} == {200}


def test_bucket_takes_eleven_at_once() -> None:
    """An idle bucket of the default size holds eleven requests in flight; the twelfth reaches the mark."""
    bucket = Bucket(Throttle(), now=0.0)

    assert [bucket.enter(0.0) for _ in range(12)] == [True] * 11 + [False]


def test_bucket_drains() -> None:
    """What was spent drains with time."""
    bucket = Bucket(Throttle(), now=0.0)
    bucket.enter(0.0)

    assert bucket.leave(100.0, now=0.0) == 500.0
    bucket.enter(10.0)
    assert bucket.leave(0.0, now=10.0) == 600.0
