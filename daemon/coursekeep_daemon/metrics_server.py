"""A small endpoint of its own for metrics: for workers, which have no API, and where the store is down.

It asks for no token, which would have to be looked up in the store. So it listens on loopback unless told otherwise,
and other addresses belong to networks that only Prometheus reaches.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from prometheus_client import CONTENT_TYPE_LATEST

from coursekeep import SettingsError
from coursekeep_daemon.metrics import Metrics

__all__ = ["serve_metrics"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: seconds that a scraper gets to say what it wants, and to take it
_PATIENCE = 10.0
_LONGEST_HEAD = 16 * 1024


async def _nothing() -> None:
    return None


@asynccontextmanager
async def serve_metrics(
    host: str, port: int, metrics: Metrics, *, refresh: Callable[[], Awaitable[None]] = _nothing
) -> AsyncIterator[int]:
    """Answer `GET /metrics` at an address while inside; yields the port, which is a free one for 0.

    `refresh` is awaited before each answer. Raises `SettingsError` where the address cannot be had.
    """
    handler = _Handler(metrics, refresh)
    try:
        server = await asyncio.start_server(handler, host, port, limit=_LONGEST_HEAD)
    except OSError as error:
        raise SettingsError(
            f"telemetry.metrics_port: {host} port {port} cannot be opened: {error.strerror or error}. Set another one: "
            "every process on a machine needs its own, and 0 takes a free one."
        ) from error
    try:
        bound: int = server.sockets[0].getsockname()[1]
        log.info("metrics_ready", url=f"http://{f'[{host}]' if ':' in host else host}:{bound}/metrics")
        yield bound
    finally:
        server.close()
        handler.stop()
        await server.wait_closed()


class _Handler:
    def __init__(self, metrics: Metrics, refresh: Callable[[], Awaitable[None]]) -> None:
        self._metrics = metrics
        self._refresh = refresh
        self._tasks: set[asyncio.Task[None]] = set()

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                writer.write(await self._answer(reader))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # no scraper, or one that has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if words[0] not in (b"GET", b"HEAD") or len(words) != 3:
            return _response("405 Method Not Allowed", b"only GET is answered here\n")
        if words[1].split(b"?", 1)[0] != b"/metrics":
            return _response("404 Not Found", b"metrics are at /metrics\n")
        await self._refresh()
        body = await asyncio.to_thread(self._metrics.render)
        return _response("200 OK", body, CONTENT_TYPE_LATEST, head_only=words[0] == b"HEAD")


def _response(status: str, body: bytes, kind: str = "text/plain; charset=utf-8", *, head_only: bool = False) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode("ascii") + (b"" if head_only else body)
