"""A webhook: a message as signed JSON, posted to an address of the institution."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx

from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.notifications.targets import Retry, Target, Undelivered

__all__ = ["Webhook", "is_webhook_url", "signature"]

#: bytes of an answer that are read, so that the connection can be used again; what is longer is cut off
_MOST_READ = 64 * 1024


def is_webhook_url(url: str) -> bool:
    """Tell whether a webhook can be posted to an address."""
    try:
        parsed = urlsplit(url)
        httpx.URL(url)
        return parsed.scheme in {"http", "https"} and bool(parsed.hostname) and parsed.port != 0
    except (ValueError, httpx.InvalidURL):
        return False


def signature(secret: str, body: bytes, moment: int) -> str:
    """Return the value of the header `Coursekeep-Signature` for a body sent at a moment."""
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


class Webhook(Target):
    """Posts messages. Redirects are not followed: the signature is for one receiver."""

    kind = "webhook"

    def __init__(
        self,
        name: str,
        events: Iterable[NotificationKind],
        integrations: Iterable[str],
        *,
        url: str,
        secret: str | None = None,
        timeout: float = 20.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the address and the secret for signatures; without one, messages are not signed."""
        super().__init__(name, events, integrations)
        self._url = url
        self._secret = secret
        self._timeout = timeout
        self._clock = clock
        # as for an LMS: certificates that the environment names count, proxies and passwords of it do not
        context = httpx.create_ssl_context(trust_env=True)
        self._client = httpx.AsyncClient(verify=context, timeout=timeout, follow_redirects=False, trust_env=False)

    async def send(self, message: Message) -> None:
        """Post a message: see `Target.send`."""
        body = json.dumps(message.payload()).encode()
        try:
            async with asyncio.timeout(self._timeout):  # all in all: httpx counts from byte to byte
                status, after = await self._post(body, self._headers(message, body))
        except TimeoutError:
            raise Undelivered(f"no answer within {self._timeout:g} seconds") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            # the text of such an error may hold the address, and that a secret
            raise Undelivered(f"it could not be reached: {type(error).__name__}") from None
        _judge(status, after)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Coursekeep",
            "Coursekeep-Delivery": message.id,
        }
        if self._secret is not None:
            headers["Coursekeep-Signature"] = signature(self._secret, body, int(self._clock()))
        return headers

    async def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float | None]:
        async with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
            read = 0
            async for chunk in answer.aiter_raw():
                read += len(chunk)
                if read > _MOST_READ:
                    break
            return answer.status_code, _seconds(answer.headers.get("Retry-After"), self._clock())


def _judge(status: int, after: float | None) -> None:
    """Raise unless the receiver has taken the message."""
    if 200 <= status < 300:
        return
    said = f"it answered {status}"
    if status == HTTPStatus.GONE:
        raise Undelivered(f"{said} (gone): it wants no more messages", Retry.NEVER)
    if 300 <= status < 400:
        raise Undelivered(f"{said}: redirects are not followed, so give the final address", Retry.FEW)
    if status >= 500 or status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT}:
        raise Undelivered(said, Retry.LATER, after=after)
    raise Undelivered(said, Retry.FEW, after=after)


def _seconds(retry_after: str | None, now: float) -> float | None:
    """Read a Retry-After: seconds or a date. None where there is none that can be read."""
    if retry_after is None:
        return None
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return max((moment - datetime.fromtimestamp(now, UTC)).total_seconds(), 0.0)
