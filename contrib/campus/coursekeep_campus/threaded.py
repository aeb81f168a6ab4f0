"""A server in a thread of its own, from which synchronous and asynchronous code alike can be served."""

from __future__ import annotations

import asyncio
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

__all__ = ["Handler", "ThreadedServer", "listener"]

#: answers one request
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ThreadedServer(ABC):
    """Serves while its context is open, or between `start` and `stop`."""

    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event | None = None

    @abstractmethod
    def _listen(self) -> Sequence[socket.socket]:
        """Open the sockets, and note the addresses."""

    @abstractmethod
    def _handlers(self) -> Sequence[Handler]:
        """Return what answers at each socket; called in the server's own loop."""

    def start(self) -> None:
        """Listen, and serve from a thread."""
        sockets, ready = self._listen(), threading.Event()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(sockets, ready)), name=type(self).__name__, daemon=True
        )
        self._thread.start()
        ready.wait()

    def stop(self) -> None:
        """Stop serving and wait for the thread. Requests under way are cut."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def _serve(self, sockets: Sequence[socket.socket], ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        runners = []
        for handler, sock in zip(self._handlers(), sockets, strict=True):
            server = web.Server(handler, handler_cancellation=True, access_log=None, keepalive_timeout=75.0)
            runner = web.ServerRunner(server, shutdown_timeout=0.0)
            await runner.setup()
            await web.SockSite(runner, sock, backlog=1024).start()
            runners.append(runner)
        ready.set()
        await self._stop.wait()
        for runner in runners:
            await runner.cleanup()


def listener(host: str, port: int) -> tuple[socket.socket, str]:
    """Open a socket, and return it with its address; port 0 takes a free one."""
    sock = socket.create_server((host, port), backlog=1024)
    return sock, f"http://{host}:{sock.getsockname()[1]}"
