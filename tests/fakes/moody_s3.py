"""A proxy before the object store of the tests: asks to slow down, and breaks answers off, as busy stores do."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

__all__ = ["Mood", "MoodyS3", "moody_s3"]

_SLOW_DOWN = b'<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please wait a little.</Message></Error>'
_OF_THE_CONNECTION = {"connection", "transfer-encoding", "keep-alive"}


class Mood(StrEnum):
    """What becomes of a request."""

    WELL = "well"
    #: refused with 503 and the code SlowDown, before the store hears of it
    SLOW_DOWN = "slow down"
    #: half of the body of the answer comes, then the connection ends
    BROKEN_OFF = "broken off"


@dataclass
class MoodyS3:
    """The proxy. `mood` is asked with the method and path of each request; it may be set at any time."""

    url: str
    mood: Callable[[str, str], Mood] = lambda method, path: Mood.WELL
    #: how many requests were not answered well
    shown: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, method: str, path: str) -> Mood:
        """Return what becomes of a request."""
        with self.lock:
            mood = self.mood(method, path)
            self.shown += mood is not Mood.WELL
            return mood

    def always(self, mood: Mood, *methods: str) -> None:
        """Have all requests of some methods meet a mood."""
        self.mood = lambda method, path: mood if method in methods else Mood.WELL

    def once_each(self, mood: Mood, *methods: str) -> None:
        """Have the first request of some methods for each path meet a mood; those that repeat it are answered well."""
        met: set[tuple[str, str]] = set()

        def choose(method: str, path: str) -> Mood:
            if method not in methods or (method, path) in met:
                return Mood.WELL
            met.add((method, path))
            return mood

        self.mood = choose


@contextmanager
def moody_s3(onwards: str) -> Iterator[MoodyS3]:
    """Start a proxy before a store; end it behind."""
    store = urlsplit(onwards).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            mood = moody.next(self.command, self.path)
            if mood is Mood.SLOW_DOWN:
                self._answer(503, [("Content-Type", "application/xml")], _SLOW_DOWN, len(_SLOW_DOWN))
                return
            connection = http.client.HTTPConnection(store, timeout=30)
            try:
                connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
                for name, value in self.headers.items():  # the host too: it is signed
                    connection.putheader(name, value)
                connection.endheaders(body)
                answer = connection.getresponse()
                found = answer.read()
            finally:
                connection.close()
            length = int(answer.headers.get("Content-Length") or len(found))
            sent = found[: len(found) // 2] if mood is Mood.BROKEN_OFF else found
            self._answer(answer.status, answer.getheaders(), sent, length)

        def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: int) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _OF_THE_CONNECTION | {"content-length"}:
                    self.send_header(name, value)
            if status != 204:
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command == "HEAD":
                return
            self.wfile.write(body)
            if len(body) < length:
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    for method in ("GET", "HEAD", "PUT", "POST", "DELETE"):
        setattr(Handler, f"do_{method}", Handler._pass)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        moody = MoodyS3(url=f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield moody
        finally:
            server.shutdown()
            thread.join()
