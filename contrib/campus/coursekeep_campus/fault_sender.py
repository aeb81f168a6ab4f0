"""Sends answers, whole or spoiled by a fault."""

from __future__ import annotations

import asyncio
import re

from aiohttp import web

from coursekeep_campus.content import Bytes
from coursekeep_campus.faults import Fault, FaultKind
from coursekeep_campus.files import LOGIN_PAGE
from coursekeep_campus.replies import Reply
from coursekeep_campus.throttle import Throttle
from coursekeep_campus.tokens import Tokens

__all__ = ["Sender"]

_BLANKS = b" " * (1 << 16)
_HTML = "text/html; charset=utf-8"
_SORRY = b"<!DOCTYPE html><html><head><title>Gateway</title></head><body><h1>Something broke</h1></body></html>"
_NEXT = re.compile(r'<([^>]*)>; rel="next"')
_CURRENT = re.compile(r'<([^>]*)>; rel="current"')
_SIZE = re.compile(rb'"size":(\d+)')


class Sender:
    """Writes replies to the wire."""

    def instead(self, fault: Fault) -> Reply | None:
        """Return the answer that a fault puts in the place of the true one; None where it spoils the true one."""
        kind = fault.kind
        if kind is FaultKind.STATUS:
            return Reply(_SORRY, fault.status, content_type=_HTML)
        if kind is FaultKind.OUTAGE:
            return Reply(_SORRY, 503, content_type=_HTML)
        if kind is FaultKind.HTML:
            return Reply(_SORRY, 200, content_type=_HTML)
        if kind is FaultKind.EMPTY:
            return Reply(b"", 200 if fault.status == 500 else fault.status)
        if kind is FaultKind.THROTTLE_403:
            return Throttle(status=403).refusal()
        if kind is FaultKind.THROTTLE_429:
            return Throttle(status=429).refusal()
        if kind is FaultKind.FOREIGN_REDIRECT:
            return Reply(b"", 302, {"location": f"{fault.to}/taken"}, _HTML)
        if kind is FaultKind.TOKEN_EXPIRES_AFTER:
            return Tokens.expired().reply
        if kind is FaultKind.RESET:
            return Reply(b"", 0)
        return None

    async def send(self, request: web.BaseRequest, reply: Reply, fault: Fault | None) -> web.StreamResponse:
        """Send an answer, spoiled by the fault where there is one."""
        if fault is not None:
            if fault.kind is FaultKind.RESET:
                return self._reset(request)
            if fault.kind is FaultKind.HANG:
                await asyncio.sleep(fault.seconds)
            if fault.kind is FaultKind.ENDLESS:
                return await self._endless(request, reply.content_type)
            reply = _spoiled(reply, fault)
            if fault.kind in (FaultKind.TRUNCATED, FaultKind.SLOW, FaultKind.SHORT_FILE):
                headers = {**reply.headers, "content-type": reply.content_type}
                return await self.stream(request, Bytes(data=reply.body), headers, fault, reply.status)
        headers = {**reply.headers, "content-type": reply.content_type}
        return web.Response(body=reply.body, status=reply.status, headers=headers)

    async def stream(
        self, request: web.BaseRequest, content: Bytes, headers: dict[str, str], fault: Fault | None, status: int = 200
    ) -> web.StreamResponse:
        """Send a body piece by piece; a fault may end it early or make it trickle."""
        if fault is not None and fault.kind is FaultKind.HANG:
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.kind is FaultKind.ENDLESS:
            return await self._endless(request, headers["content-type"])
        response = web.StreamResponse(status=status, headers=headers)
        response.content_length = content.size
        await response.prepare(request)
        short = fault is not None and fault.kind in (FaultKind.TRUNCATED, FaultKind.SHORT_FILE)
        slow = fault.seconds if fault is not None and fault.kind is FaultKind.SLOW else 0.0
        left = content.size // 2 if short else content.size
        size = max(1, content.size // 20) if slow else 1 << 18
        for chunk in content.chunks(size):
            await response.write(chunk[:left])
            left -= len(chunk)
            if slow:
                await asyncio.sleep(slow / 20)
            if left <= 0:
                break
        if short:
            _hang_up(request)
        else:
            await response.write_eof()
        return response

    @staticmethod
    async def _endless(request: web.BaseRequest, content_type: str) -> web.StreamResponse:
        """Send blanks until the reader has had enough."""
        response = web.StreamResponse(headers={"content-type": content_type})
        await response.prepare(request)
        while True:
            await response.write(_BLANKS)

    @staticmethod
    def _reset(request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)


def _hang_up(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.close()


def _spoiled(reply: Reply, fault: Fault) -> Reply:
    link = reply.headers.get("link", "")
    if fault.kind is FaultKind.LOOP and (here := _CURRENT.search(link)):
        others = [part for part in link.split(",<") if 'rel="next"' not in part]
        reply.headers["link"] = ",<".join([*others, f'{here[1]}>; rel="next"'])
    elif fault.kind is FaultKind.FOREIGN_NEXT:
        foreign = f'<{fault.to}/api/v1/stolen?page=2>; rel="next"'
        reply.headers["link"] = (
            _NEXT.sub(foreign, link) if _NEXT.search(link) else ",".join(filter(None, (link, foreign)))
        )
    elif fault.kind is FaultKind.LYING_SIZE:
        reply.body = _SIZE.sub(lambda match: b'"size":' + str(int(match[1]) + 7).encode(), reply.body)
    elif fault.kind is FaultKind.REPEAT and reply.body.startswith(b"[{"):
        reply.body = reply.body[:-1] + b"," + reply.body[1:]
    elif fault.kind is FaultKind.LOGIN_PAGE:
        return Reply(LOGIN_PAGE, 200, content_type=_HTML)
    return reply
