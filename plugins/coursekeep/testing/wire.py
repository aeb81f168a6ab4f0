"""A wire between a connector and its LMS that notes every request and spoils answers on purpose.

It wraps whatever transport the connector has, so that faults can be put before any LMS: a fake one, or a real one.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl

import httpx

__all__ = [
    "Answerer",
    "Asked",
    "Fault",
    "Trick",
    "Wire",
    "at",
    "body_of",
    "counted",
    "first_time",
    "spoilt",
    "starting_with",
]

_SECRET = re.compile(r"token|password|secret|key|sig|verifier|auth", re.IGNORECASE)
#: what asks the LMS itself
Answerer = Callable[[], Awaitable[httpx.Response]]


class Fault(StrEnum):
    """What goes wrong with one request."""

    UNREACHABLE = "unreachable"  # no connection: the LMS never saw the request
    ERROR = "error"  # status 503
    CUT = "cut"  # the connection breaks within the body
    TRUNCATED = "truncated"  # half of the JSON, and a proper end
    HTML = "html"  # a page for people, with status 200
    UNAUTHORIZED = "unauthorized"  # status 401: the token was withdrawn
    FORBIDDEN = "forbidden"  # status 403
    GONE = "gone"  # status 404


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request, as it came to the wire."""

    #: counted from 1 since the wire was made, or since `Wire.begin`
    number: int
    method: str
    url: httpx.URL
    body: bytes
    headers: httpx.Headers
    #: how often the same was asked, this time included
    times: int
    #: seconds on the loop's clock
    moment: float
    #: whether asking again does no harm
    repeatable: bool

    @property
    def identity(self) -> tuple[str, str, bytes]:
        """What makes two requests the same."""
        return (self.method, str(self.url), self.body)

    @property
    def label(self) -> str:
        """Name the request for people, with its query or form, but nothing of these that is named like a secret."""
        fields = [*self.url.params.multi_items(), *parse_qsl(self.body.decode("utf-8", "replace"))]
        told = ", ".join(f"{name}={value}" for name, value in fields if not _SECRET.search(name))
        return f"{self.method} {self.url.path}{told and f' ({told[:200]})'}"


#: decides what becomes of a request; returns None to let the LMS answer
Trick = Callable[[Asked, Answerer], Awaitable[httpx.Response | None]]


class Wire(httpx.AsyncBaseTransport):
    """The transport to hand to a connector."""

    def __init__(self, inner: httpx.AsyncBaseTransport, trick: Trick | None = None) -> None:
        self._inner = inner
        #: what spoils answers; from `begin` on
        self.trick = trick
        self.asked: list[Asked] = []
        #: answers that are awaited, or whose bodies are still open
        self.open = 0
        #: most of them at one time
        self.most_open = 0
        self._begun = False
        self._times: Counter[tuple[str, str, bytes]] = Counter()

    def begin(self) -> None:
        """Forget what was asked, and play the trick from now on."""
        self.asked.clear()
        self._times.clear()
        self._begun = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = self._note(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            answer = await self._answer(asked, request)
        except BaseException:
            self.open -= 1
            raise
        stream = _Counted(answer, self._closed)
        extensions = answer.extensions
        return httpx.Response(
            answer.status_code, headers=answer.headers.raw, stream=stream, request=request, extensions=extensions
        )

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _answer(self, asked: Asked, request: httpx.Request) -> httpx.Response:
        async def ask() -> httpx.Response:
            return await self._inner.handle_async_request(request)

        spoilt = await self.trick(asked, ask) if self.trick is not None and self._begun else None
        return await ask() if spoilt is None else spoilt

    def _note(self, request: httpx.Request) -> Asked:
        body = request.content
        self._times[identity := (request.method, str(request.url), body)] += 1
        asked = Asked(
            number=len(self.asked) + 1,
            method=request.method,
            url=request.url,
            body=body,
            headers=request.headers,
            times=self._times[identity],
            moment=asyncio.get_running_loop().time(),
            repeatable=request.method == "GET" or bool(request.extensions.get("repeatable")),
        )
        self.asked.append(asked)
        return asked

    def _closed(self) -> None:
        self.open -= 1


def first_time(fault: Fault) -> Trick:
    """Spoil every request once: whoever asks again gets the LMS's own answer.

    A request that must not be repeated is spoilt only where the LMS surely has not seen it.
    """

    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.times > 1 or not (asked.repeatable or fault is Fault.UNREACHABLE):
            return None
        return await spoilt(fault, ask)

    return trick


def at(place: tuple[str, str, bytes], fault: Fault) -> Trick:
    """Spoil one request whenever it is asked."""

    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        return await spoilt(fault, ask) if asked.identity == place else None

    return trick


def starting_with(place: tuple[str, str, bytes], fault: Fault) -> Trick:
    """Spoil one request and everything that is asked after it."""
    broken: list[bool] = []

    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.identity == place:
            broken.append(True)
        return await spoilt(fault, ask) if broken else None

    return trick


def counted(trick: Trick, hits: list[Asked]) -> Trick:
    """Play a trick, and note the requests that it spoils."""

    async def play(asked: Asked, ask: Answerer) -> httpx.Response | None:
        try:
            answer = await trick(asked, ask)
        except httpx.TransportError:
            hits.append(asked)
            raise
        if answer is not None:
            hits.append(asked)
        return answer

    return play


async def spoilt(fault: Fault, ask: Answerer) -> httpx.Response:
    """Return the answer, or raise the error, that a fault gives."""
    match fault:
        case Fault.UNREACHABLE:
            raise httpx.ConnectError("no connection")
        case Fault.ERROR:
            return httpx.Response(503, html="<html>Service unavailable</html>")
        case Fault.HTML:
            return await _page(await ask())
        case Fault.UNAUTHORIZED:
            return httpx.Response(401, json={}, headers={"WWW-Authenticate": "Bearer"})
        case Fault.FORBIDDEN:
            return httpx.Response(403, json={})
        case Fault.GONE:
            return httpx.Response(404, json={})
        case Fault.CUT | Fault.TRUNCATED:
            return await _half(await ask(), breaks=fault is Fault.CUT)


async def body_of(answer: httpx.Response) -> bytes:
    """Read the body as it comes over the wire, and close it."""
    stream = answer.stream
    assert isinstance(stream, httpx.AsyncByteStream)
    try:
        return b"".join([block async for block in stream])
    finally:
        await answer.aclose()


async def _page(answer: httpx.Response) -> httpx.Response:
    """Put a page for people in the place of JSON. In the place of a file nobody could tell it from the file."""
    if not _is_json(answer):
        return answer
    await answer.aclose()
    return httpx.Response(200, html="<html><form action='/login'>Log in</form></html>")


async def _half(answer: httpx.Response, *, breaks: bool) -> httpx.Response:
    """Give the first half of a good answer. The length that was said stays: by that a short file is noticed."""
    if answer.status_code != 200:
        return answer
    breaks = breaks or not (_is_json(answer) or "content-length" in answer.headers)
    body = await body_of(answer)
    return httpx.Response(200, headers=answer.headers.raw, stream=_Half(body[: len(body) // 2], breaks))


def _is_json(answer: httpx.Response) -> bool:
    return "json" in answer.headers.get("content-type", "")


class _Half(httpx.AsyncByteStream):
    def __init__(self, body: bytes, breaks: bool) -> None:
        self._body = body
        self._breaks = breaks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body
        if self._breaks:
            raise httpx.ReadError("the connection broke")


class _Counted(httpx.AsyncByteStream):
    """The body of an answer, which tells when it is closed."""

    def __init__(self, answer: httpx.Response, closed: Callable[[], None]) -> None:
        self._answer = answer
        self._closed: Callable[[], None] | None = closed

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream = self._answer.stream
        assert isinstance(stream, httpx.AsyncByteStream)
        async for block in stream:
            yield block

    async def aclose(self) -> None:
        if self._closed is not None:
            self._closed()
            self._closed = None
        await self._answer.aclose()
