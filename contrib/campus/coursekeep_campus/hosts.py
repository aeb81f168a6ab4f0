"""The two hosts: the LMS, and the storage behind it that wants to hear nothing of the LMS's tokens."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import parse_qsl

from aiohttp import web

from coursekeep_campus.api import Api, Request
from coursekeep_campus.content import ORIGIN, Bytes, Storage, StoredFile
from coursekeep_campus.control import Control
from coursekeep_campus.fault_sender import Sender
from coursekeep_campus.faults import Fault, FaultKind, Faults, Host
from coursekeep_campus.files import LOGIN_PAGE, STORAGE, missing_page
from coursekeep_campus.replies import ApiError, Reply
from coursekeep_campus.state import State

__all__ = ["CanvasHost", "FilesHost"]

_ORIGIN, _STORAGE = ORIGIN.encode(), STORAGE.encode()
_STORED = re.compile(r"/files/(\d+)/[^/]*")


class CanvasHost:
    """The LMS: answers the API, downloads and the control routes."""

    def __init__(self, state: State, faults: Faults, *, files_url: str) -> None:
        self._state = state
        self._faults = faults
        self._files_url = files_url
        self._api = Api(state)
        self._control = Control(state, faults)
        self._sender = Sender()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request, log it, and let a fault spoil it."""
        if request.path.startswith("/campus/"):
            return await self._control.handle(request)
        stats = self._state.stats
        stats.in_flight += 1
        stats.max_in_flight = max(stats.max_in_flight, stats.in_flight)
        fault = self._faults.take(Host.CANVAS, request.method, request.path, request.path_qs)
        status = 0
        try:
            if fault is not None and (early := self._sender.instead(fault)) is not None:
                reply = early
            else:
                reply = await self._answer(request)
            self._localise(request, reply := _copy(reply))
            status = reply.status
            return await self._sender.send(request, reply, fault)
        finally:
            stats.in_flight -= 1
            _log(self._state, request, status)

    async def _answer(self, request: web.BaseRequest) -> Reply:
        form = parse_qsl(await request.text(), keep_blank_values=True) if request.method == "POST" else []
        asked = Request(
            method=request.method,
            path=request.rel_url.raw_path,
            query=list(request.rel_url.query.items()),
            headers={name.lower(): value for name, value in request.headers.items()},
            form=form,
            raw_query=request.rel_url.raw_query_string,
        )
        bucket, throttle = self._api.bucket(asked), self._state.options.throttle
        if bucket is None or throttle is None:
            await self._work()
            return self._api.answer(asked)
        clock, cost = self._state.clock, 0.0
        # What is paid beforehand stays paid while a request is in flight: that makes many at once dear.
        try:
            if not bucket.enter(clock()):
                self._state.stats.throttled += 1
                return throttle.refusal()
            await self._work()
            reply = _copy(self._api.answer(asked))
            cost = 0.02 + reply.cost + len(reply.body) / 2_000_000
        finally:
            remaining = bucket.leave(cost, clock())
        reply.headers["x-request-cost"] = f"{cost:.6f}"
        reply.headers["x-rate-limit-remaining"] = f"{remaining:.6f}"
        return reply

    async def _work(self) -> None:
        """Take as long as was ordered."""
        if self._state.options.delay:
            await asyncio.sleep(self._state.options.delay)

    def _localise(self, request: web.BaseRequest, reply: Reply) -> None:
        """Put in the address under which this request reached us."""
        origin = f"http://{request.host}".encode()
        reply.body = reply.body.replace(_ORIGIN, origin)
        if _STORAGE in reply.body:
            reply.body = reply.body.replace(_STORAGE, self._files_url.encode())
        for name in ("link", "location"):
            if name in reply.headers:
                text = reply.headers[name].replace(ORIGIN, origin.decode())
                reply.headers[name] = text.replace(STORAGE, self._files_url)


class FilesHost:
    """The storage: knows only its own signed addresses."""

    def __init__(self, state: State, faults: Faults) -> None:
        self._state = state
        self._faults = faults
        self._sender = Sender()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Send a file's bytes, or say why not in the way storage services do."""
        fault = self._faults.take(Host.FILES, request.method, request.path, request.path_qs)
        status = 0
        try:
            if self._state.options.delay:
                await asyncio.sleep(self._state.options.delay)
            if fault is not None and (early := self._sender.instead(fault)) is not None:
                status = early.status
                return await self._sender.send(request, early, fault)
            reply = self._find(request)
            if isinstance(reply, Reply):
                status = reply.status
                return await self._sender.send(request, reply, fault)
            status = 200
            return await self._send_file(request, reply, fault)
        finally:
            _log(self._state, request, status)

    def _find(self, request: web.BaseRequest) -> Reply | StoredFile:
        if "authorization" in request.headers:
            return _refusal(self._state.options.storage_refusal, "Only one auth mechanism allowed")
        found = _STORED.fullmatch(request.rel_url.raw_path)
        if found is None:
            return missing_page()
        token = request.rel_url.query.get("token", "")
        if not self._state.signer.check(int(found[1]), token):
            return _refusal(403, "Request has expired")
        try:
            _, file = self._state.directory.file(int(found[1]))
        except ApiError:
            return missing_page()
        return missing_page() if file.storage is Storage.MISSING else file

    async def _send_file(self, request: web.BaseRequest, file: StoredFile, fault: Fault | None) -> web.StreamResponse:
        content = file.content
        headers = {"content-type": file.doc["content-type"], "accept-ranges": "none"}
        if fault is not None and fault.kind is FaultKind.LOGIN_PAGE:
            content, headers["content-type"] = Bytes(data=LOGIN_PAGE), "text/html; charset=utf-8"
        if fault is not None and fault.kind is FaultKind.LYING_SIZE:
            content = Bytes(data=b"".join(content.chunks()) + b"more than was promised")
        self._state.stats.files += 1
        self._state.stats.file_bytes += content.size
        return await self._sender.stream(request, content, headers, fault)


def _refusal(status: int, message: str) -> Reply:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>{message}</Message></Error>'
    )
    return Reply(body.encode(), status, content_type="application/xml")


def _copy(reply: Reply) -> Reply:
    return Reply(reply.body, reply.status, dict(reply.headers), reply.content_type, reply.cost)


def _log(state: State, request: web.BaseRequest, status: int) -> None:
    state.stats.by_status[status] += 1
    state.requests.append((request.method, request.path_qs, status, "authorization" in request.headers, request.host))
