"""A web server on loopback that answers by script, and misbehaves as told.

It runs in its own thread, so that plain tests and ones within `asyncio.run` use it alike::

    with ScriptedServer() as server:
        server.on("/courses/7", status(502), answer_json({"id": 7}))
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

__all__ = [
    "Answer",
    "Gate",
    "ScriptedServer",
    "Seen",
    "answer",
    "answer_json",
    "endless",
    "hang",
    "redirect",
    "reset",
    "short",
    "status",
    "trickle",
]

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
#: nothing in these tests takes longer, unless it is broken
_PATIENCE = 20.0


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One request as it came in."""

    method: str
    #: path and query, byte for byte
    target: str
    headers: Mapping[str, str]
    body: str


def answer(
    body: bytes | str, *, status: int = 200, content_type: str = "text/html", headers: Mapping[str, str] | None = None
) -> Answer:
    """Answer with this body."""
    data = body.encode() if isinstance(body, str) else body

    async def handle(request: web.Request) -> web.StreamResponse:
        return web.Response(body=data, status=status, content_type=content_type, headers=headers)

    return handle


def answer_json(body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with JSON."""
    return answer(json.dumps(body), status=status, content_type="application/json", headers=headers)


def status(code: int, *, headers: Mapping[str, str] | None = None) -> Answer:
    """Answer with a status and a gateway's page."""
    return answer(f"<html><title>{code}</title></html>", status=code, headers=headers)


def redirect(location: str, code: int = 302) -> Answer:
    """Redirect, with the location byte for byte."""
    return answer(b"", status=code, headers={"Location": location})


async def reset(request: web.Request) -> web.StreamResponse:
    """Read the request, then break the connection without a byte."""
    await request.read()
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def hang(request: web.Request) -> web.StreamResponse:
    """Never answer."""
    await asyncio.Event().wait()
    raise AssertionError


def short(body: bytes, *, missing: int = 100, content_type: str = "application/json") -> Answer:
    """Promise more bytes than come, then close the connection."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_type = content_type
        response.content_length = len(body) + missing
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.close()
        return response

    return handle


def trickle(block: bytes = b" ", *, pause: float = 0.02) -> Answer:
    """Send a little now and then, without end."""

    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        while True:
            await response.write(block)
            await asyncio.sleep(pause)

    return handle


def endless(block: bytes = b" " * 65536) -> Answer:
    """Send as fast as possible, without end."""
    return trickle(block, pause=0.0)


@dataclass
class Gate:
    """Holds answers back until it is opened."""

    loop: asyncio.AbstractEventLoop
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        """Let all answers go, those held and those to come."""
        self.loop.call_soon_threadsafe(self._open.set)

    def before(self, then: Answer) -> Answer:
        """Wait for the gate, then answer."""

        async def handle(request: web.Request) -> web.StreamResponse:
            await self._open.wait()
            return await then(request)

        return handle


class ScriptedServer:
    """The server. `requests` holds what it was asked, in order."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self._scripts: dict[str, Iterator[Answer]] = {}
        self._changed = threading.Condition()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(_PATIENCE)
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_PATIENCE)

    @property
    def url(self) -> str:
        """Address without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def on(self, path: str, *answers: Answer) -> None:
        """Answer requests for a path in this order; the last answer is given again and again."""
        self._scripts[path] = _script(answers)

    def gate(self) -> Gate:
        """Make a gate that holds answers of this server."""
        return Gate(self._loop)

    def targets(self) -> list[str]:
        """Name path and query of every request so far."""
        return [seen.target for seen in self.requests]

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until requests make a condition true."""
        with self._changed:
            assert self._changed.wait_for(condition, _PATIENCE), "the condition never came true"

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait as `wait_for`, without holding up an event loop."""
        await asyncio.to_thread(self.wait_for, condition)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()  # those that hang, and would hold up the end
        await runner.cleanup()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = (await request.read()).decode()
        seen = Seen(method=request.method, target=request.raw_path, headers=request.headers.copy(), body=body)
        with self._counted(seen):
            script = self._scripts.get(request.path)
            if script is None:
                return web.Response(status=404, text="not in the script")
            return await next(script)(request)  # type: ignore[arg-type]  # handlers use nothing of an application

    @contextmanager
    def _counted(self, seen: Seen) -> Iterator[None]:
        with self._changed:
            self.requests.append(seen)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self.in_flight -= 1
                self._changed.notify_all()


def _script(answers: tuple[Answer, ...]) -> Iterator[Answer]:
    yield from answers
    while True:
        yield answers[-1]
