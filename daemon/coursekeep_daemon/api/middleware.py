"""What surrounds every request: headers that keep browsers careful, and a limit on the size of bodies."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coursekeep_daemon.api.problems import Problem

__all__ = ["MAX_BODY", "SECURITY_HEADERS", "BodyLimit", "SecurityHeaders"]

#: bytes; 200,000 ids with their quotes need about 4 MiB
MAX_BODY = 32 * 1024 * 1024

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class SecurityHeaders:
    """Add the security headers to every answer that does not set its own."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)


class _TooLarge(Exception):
    """The body went over the limit while it was read."""


class BodyLimit:
    """Refuse bodies over a size: by Content-Length before a byte is read, else as soon as the limit is passed.

    The framework's own limit answers in plain text, and errors of this API are problems.
    """

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self.limit:
            await self._refuse(scope, receive, send)
            return
        try:
            await self.app(scope, self._counting(receive), send)
        except _TooLarge:  # reading the body comes before any answer
            await self._refuse(scope, receive, send)

    def _counting(self, receive: Receive) -> Receive:
        total = 0

        async def receive_counted() -> Message:
            nonlocal total
            message = await receive()
            total += len(message.get("body", b""))
            if total > self.limit:
                raise _TooLarge
            return message

        return receive_counted

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        detail = f"The body is larger than {self.limit} bytes. Split the request, for example into several files."
        problem = Problem(413, "too-large", detail, headers={"Connection": "close"})
        await problem.response(scope["path"])(scope, receive, send)
