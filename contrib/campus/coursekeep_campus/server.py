"""The campus on the network: two hosts on loopback, in a thread of their own, from which any test can be served."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Sequence

from coursekeep_campus.change import change_grade
from coursekeep_campus.content import Doc
from coursekeep_campus.faults import Faults
from coursekeep_campus.hosts import CanvasHost, FilesHost
from coursekeep_campus.model import Campus, Known
from coursekeep_campus.state import Options, Seen, State
from coursekeep_campus.threaded import Handler, ThreadedServer, listener
from coursekeep_campus.throttle import Throttle

__all__ = ["CampusServer"]


class CampusServer(ThreadedServer):
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

    def _listen(self) -> Sequence[socket.socket]:
        opened = [listener(self._host, port) for port in self._ports]
        self.url, self.files_url = (address for _, address in opened)
        return [sock for sock, _ in opened]

    def _handlers(self) -> Sequence[Handler]:
        canvas = CanvasHost(self.state, self.faults, files_url=self.files_url)
        return [canvas.handle, FilesHost(self.state, self.faults).handle]
