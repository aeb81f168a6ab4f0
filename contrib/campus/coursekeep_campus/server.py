"""The campus on the network: two hosts on loopback, in a thread of their own, from which any test can be served."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from types import TracebackType
from typing import Self

from aiohttp import web

from coursekeep_campus.change import change_grade
from coursekeep_campus.content import Doc
from coursekeep_campus.faults import Faults
from coursekeep_campus.hosts import CanvasHost, FilesHost
from coursekeep_campus.model import Campus, Known
from coursekeep_campus.state import Options, Seen, State
from coursekeep_campus.throttle import Throttle

__all__ = ["CampusServer"]


class CampusServer:
    """Serves a campus while the context is open.

    ``with CampusServer(generated()) as server: ...`` Works from synchronous and asynchronous code alike.
    """

    def __init__(
        self,
        campus: Campus,
        *,
        delay: float = 0.0,
        throttle: bool | Throttle = True,
        host: str = "127.0.0.1",
        port: int = 0,
        files_port: int = 0,
        options: Options | None = None,
    ) -> None:
        """Take the campus and how to behave. `options` overrides `delay` and `throttle`."""
        chosen = (Throttle() if throttle else None) if isinstance(throttle, bool) else throttle
        self.campus = campus
        self.options = options or Options(delay=delay, throttle=chosen)
        self.state = State(campus, self.options)
        self.faults = Faults()
        self.url = ""
        self.files_url = ""
        self._host, self._ports = host, (port, files_port)
        self._sockets: list[socket.socket] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    @property
    def tokens(self) -> dict[str, str]:
        """Return the tokens by name: admin, expired, revoked, scoped, teacher."""
        return self.state.tokens.names

    @property
    def token(self) -> str:
        """Return the administrator's token."""
        return self.tokens["admin"]

    @property
    def known(self) -> Known:
        """Return what there is to know beforehand, as `GET /campus/known` tells it."""
        return self.campus.known

    @property
    def requests(self) -> deque[Seen]:
        """Return the requests answered so far: method, path with query, status, had Authorization, Host."""
        return self.state.requests

    def grade(self, course: int, assignment: int, user: int, score: float) -> Doc:
        """Change a grade late: the submission, the enrolment's grades and the history of grades all change."""
        change = change_grade(self.campus, course, assignment, user, score)
        self.state.version += 1
        return change

    def touched(self) -> None:
        """Serve what was changed in `campus` since the start: answers kept from before are dropped."""
        self.state.directory.build()
        self.state.version += 1

    def start(self) -> None:
        """Listen, and serve from a thread."""
        self._sockets = [socket.create_server((self._host, port), backlog=1024) for port in self._ports]
        self.url, self.files_url = (f"http://{self._host}:{s.getsockname()[1]}" for s in self._sockets)
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(ready)), name="campus", daemon=True)
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

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        canvas = CanvasHost(self.state, self.faults, files_url=self.files_url)
        files = FilesHost(self.state, self.faults)
        runners = []
        for handler, sock in zip((canvas.handle, files.handle), self._sockets, strict=True):
            server = web.Server(handler, handler_cancellation=True, access_log=None, keepalive_timeout=75.0)
            runner = web.ServerRunner(server, shutdown_timeout=0.0)
            await runner.setup()
            await web.SockSite(runner, sock, backlog=1024).start()
            runners.append(runner)
        ready.set()
        await self._stop.wait()
        for runner in runners:
            await runner.cleanup()
