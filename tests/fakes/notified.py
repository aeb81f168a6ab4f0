"""Receivers of notifications on loopback: an HTTP server that can be told to refuse, and a mail server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Mailbox", "Post", "Receiver", "mail_server", "receiver"]


@dataclass(frozen=True, kw_only=True)
class Post:
    """What was posted."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver:
    """Takes posts. `answers` are given one after the other, then 200."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.posts: list[Post] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        #: while this is unset, posts wait for their answers
        self.may_answer = threading.Event()
        self.may_answer.set()

    def refuse(self, *statuses: int, **headers: str) -> None:
        """Have the next posts answered so."""
        self.answers += [
            (status, {name.replace("_", "-"): value for name, value in headers.items()}) for status in statuses
        ]

    @property
    def kinds(self) -> list[str]:
        return [post.json["kind"] for post in self.posts]


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """Run an HTTP server in a thread."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append(Post(path=self.path, headers=dict(self.headers.items()), body=body))
            found.may_answer.wait(30)
            status, headers = found.answers.pop(0) if found.answers else (200, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    found = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        found.may_answer.set()
        server.shutdown()
        server.server_close()
        thread.join()


class Mailbox:
    """What a mail server was sent."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.mails: list[Message] = []

    def text(self, index: int = 0) -> str:
        """Return the text of a mail, whatever its parts."""
        parts = [part for part in self.mails[index].walk() if part.get_content_maintype() == "text"]
        return "\n".join(part.get_payload(decode=True).decode() for part in parts)  # type: ignore[union-attr]


@asynccontextmanager
async def mail_server() -> AsyncIterator[Mailbox]:
    """Run a mail server that takes everything: as much of SMTP as a client needs."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 sink\r\n")
        while line := await reader.readline():
            word = line.strip().upper()[:4]
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                data = await reader.readuntil(b"\r\n.\r\n")
                box.mails.append(message_from_bytes(data[:-5]))
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 sink\r\n")
            await writer.drain()
            if word == b"QUIT":
                break
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    box = Mailbox(server.sockets[0].getsockname()[1])
    async with server:
        yield box
