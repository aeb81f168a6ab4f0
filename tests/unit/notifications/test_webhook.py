"""The webhook against a real receiver: what it sends, and what it makes of each answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime

import pytest
from fakes.notified import receiver

from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.targets import Retry, Undelivered
from coursekeep_daemon.notifications.webhook import Webhook, is_webhook_url

NOW = 1_790_000_000.5
MESSAGE = Message(
    id="abc",
    kind="test",
    at=datetime(2026, 3, 1, tzinfo=UTC),
    subject="A subject",
    text="Ünïcode \ud800 and more",
    data={"count": 1},
)


async def send(url: str, secret: str | None = "hush", **more: float) -> Undelivered | None:
    target = Webhook("ops", [], [], url=url, secret=secret, clock=lambda: NOW, **more)
    try:
        await target.send(MESSAGE)
    except Undelivered as error:
        return error
    finally:
        await target.close()
    return None


def test_a_post_is_signed_over_its_time_and_body() -> None:
    """The signature is the HMAC of time and body as sent, the delivery header the message's id; the body is JSON."""
    with receiver() as hook:
        assert asyncio.run(send(f"{hook.url}/path?query=1")) is None
        assert asyncio.run(send(hook.url, secret=None)) is None
    signed, unsigned = hook.posts

    mac = hmac.new(b"hush", b"1790000000." + signed.body, hashlib.sha256).hexdigest()
    assert signed.headers["Coursekeep-Signature"] == f"t=1790000000,v1={mac}"
    assert signed.headers["Coursekeep-Delivery"] == "abc"
    assert (signed.path, signed.headers["Content-Type"]) == ("/path?query=1", "application/json")
    assert signed.json == {
        "id": "abc",
        "kind": "test",
        "at": "2026-03-01T00:00:00Z",
        "subject": "A subject",
        "text": "Ünïcode \ud800 and more",
        "integration": None,
        "run": None,
        "url": None,
        "data": {"count": 1},
    }
    assert "Coursekeep-Signature" not in unsigned.headers


@pytest.mark.parametrize(
    ("status", "headers", "retry", "after"),
    [
        (500, {}, Retry.LATER, None),
        (503, {"Retry_After": "120"}, Retry.LATER, 120.0),
        (429, {"Retry_After": "Mon, 21 Sep 2026 14:14:20 GMT"}, Retry.LATER, 59.5),
        (429, {"Retry_After": "soon"}, Retry.LATER, None),
        (429, {"Retry_After": "9" * 400}, Retry.LATER, 999_999_999.0),
        (429, {"Retry_After": "Thu, 01 Jan 1970 00:00:00 GMT"}, Retry.LATER, 0.0),
        (404, {}, Retry.FEW, None),
        (302, {"Location": "http://127.0.0.1:9/"}, Retry.FEW, None),
        (410, {}, Retry.NEVER, None),
    ],
)
def test_each_answer_says_what_follows(status: int, headers: dict[str, str], retry: Retry, after: float | None) -> None:
    """Trouble of the moment is retried, a refusal only a few times, 410 never; redirects are not followed."""
    with receiver() as hook:
        hook.refuse(status, **headers)
        error = asyncio.run(send(hook.url))

    assert error is not None
    assert (error.retry, error.after) == (retry, after)
    assert str(status) in str(error)
    assert len(hook.posts) == 1


def test_nothing_of_the_other_side_holds_it_up() -> None:
    """No answer, no connection, an endless answer and nonsense instead of HTTP each end as undelivered or read."""
    with receiver() as hook:
        hook.may_answer.clear()
        silent = asyncio.run(send(hook.url, timeout=0.1))
        hook.may_answer.set()
    refused = asyncio.run(send("http://127.0.0.1:9/hidden"))

    async def with_server(reply: bytes, endless: bool) -> Undelivered | None:
        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            try:
                while endless:
                    writer.write(b"x" * 65536)
                    await writer.drain()
            except OSError:
                pass
            writer.close()

        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        async with server:
            return await send(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", timeout=20.0)

    endless = asyncio.run(with_server(b"HTTP/1.1 200 OK\r\n\r\n", True))
    nonsense = asyncio.run(with_server(b"hello\r\n\r\n", False))

    assert str(silent) == "no answer within 0.1 seconds"
    assert str(refused) == "it could not be reached: ConnectError"
    assert endless is None
    assert str(nonsense) == "it could not be reached: RemoteProtocolError"
    assert {error.retry for error in (silent, refused, nonsense) if error} == {Retry.LATER}


def test_addresses_of_webhooks() -> None:
    """A webhook has an http or https address with a host."""
    assert is_webhook_url("https://example.edu/hook")
    for url in ("ftp://example.edu", "example.edu", "https://", "http://[", "http://a:99999/", ""):
        assert not is_webhook_url(url), url
