"""An object store that breaks promises: one object, and answers to its ranges that a test chooses."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Answer", "LyingStore", "lying_store"]

_LIST = """<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated>{}</ListBucketResult>"""
_LISTED = (
    "<Contents><Key>{}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>{}</ETag><Size>{}</Size></Contents>"
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is answered to a range: the true bytes, but for what is set."""

    status: int = 206
    tag: str | None = None
    body: bytes | None = None
    #: bytes that are said to come
    length: int | None = None


@dataclass(kw_only=True)
class LyingStore:
    """The store. `lie` is asked for each range, and tells the truth where it returns None."""

    data: bytes
    keys: tuple[str, ...] = ("a.mbz",)
    tag: str = '"one"'
    lie: Callable[[int], Answer | None] = lambda start: None
    url: str = ""
    #: headers of the ranges that were asked for
    asked: list[dict[str, str]] = field(default_factory=list)

    def listed(self) -> bytes:
        """Return the list of objects."""
        return _LIST.format("".join(_LISTED.format(key, self.tag, len(self.data)) for key in self.keys)).encode()


@contextmanager
def lying_store(store: LyingStore) -> Iterator[LyingStore]:
    """Serve on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._send(200, {"ETag": store.tag, "Content-Length": str(len(store.data))}, b"")

        def do_GET(self) -> None:
            if "list-type=2" in self.path:
                body = store.listed()
                self._send(200, {"Content-Length": str(len(body))}, body)
                return
            store.asked.append({key.lower(): value for key, value in self.headers.items()})
            first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) + 1
            answer = store.lie(start) or Answer()
            body = store.data[start:end] if answer.body is None else answer.body
            headers = {
                "ETag": answer.tag or store.tag,
                "Content-Range": f"bytes {start}-{end - 1}/{len(store.data)}",
                "Content-Length": str(len(body) if answer.length is None else answer.length),
                "Connection": "close",
            }
            self._send(answer.status, headers, body)
            self.close_connection = True

        def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for key, value in {"Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT", **headers}.items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()
