"""The Moodle campus on the network: functions by REST, downloads, and bad days."""

from __future__ import annotations

import asyncio
import hashlib
import json
import socket
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from coursekeep_campus.content import Bytes
from coursekeep_campus.fault_sender import Sender
from coursekeep_campus.faults import Fault, FaultKind, Faults, Host
from coursekeep_campus.moodle import functions_activities, functions_people, functions_site, functions_work
from coursekeep_campus.moodle.arguments import nested, taken
from coursekeep_campus.moodle.call import Call, Caller, Function, Options
from coursekeep_campus.moodle.errors import WsError, access, missing
from coursekeep_campus.moodle.model import ORIGIN, Moodle, StoredFile
from coursekeep_campus.replies import Reply
from coursekeep_campus.threaded import Handler, ThreadedServer, listener

__all__ = ["MoodleServer"]

_FUNCTIONS: dict[str, Function] = {
    function.name: function
    for module in (functions_site, functions_people, functions_work, functions_activities)
    for function in module.FUNCTIONS
}
_HTML = "text/html; charset=utf-8"
_JSON = "application/json; charset=utf-8"
_LOGIN = (
    b'<!DOCTYPE html><html><head><title>Log in to the site</title></head><body id="page-login-index">'
    b'<form class="login-form" action="/login/index.php" method="post"><input type="hidden" name="logintoken"></form>'
    b"</body></html>"
)
_MAINTENANCE = b"<!DOCTYPE html><html><head><title>Example Moodle under maintenance</title></head></html>"
#: refusals of accounts, by error code
_REFUSALS = {
    "accessexception": access(),
    "wsaccessusersuspended": WsError("wsaccessusersuspended", "Refused web service access for suspended username: s"),
    "sitepolicynotagreed": WsError("sitepolicynotagreed", "You have not agreed to the site policy"),
}


class MoodleServer(ThreadedServer):
    """Serves a Moodle campus while the context is open: ``with MoodleServer(moodle_content()) as server: ...``"""

    def __init__(self, site: Moodle, *, options: Options | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        """Take the content and how to behave."""
        self.site = site
        self.options = options or Options()
        self.faults = Faults()
        self.requests: deque[tuple[str, str, str, int]] = deque(maxlen=200_000)
        self.calls: Counter[str] = Counter()
        self.url = ""
        self._callers = _callers(site)
        self.tokens = {caller.name: token for token, caller in self._callers.items()}
        self._place = (host, port)
        self._sender = Sender()

    @property
    def token(self) -> str:
        """Return the token of the account made for archiving."""
        return self.tokens["archive"]

    @property
    def files_url(self) -> str:
        """Return where files come from: a Moodle serves them itself."""
        return self.url

    @property
    def known(self) -> dict[str, Any]:
        """Return what there is to know beforehand."""
        return self.site.known

    def _listen(self) -> Sequence[socket.socket]:
        sock, address = listener(*self._place)
        self.url = address + self.options.path
        return [sock]

    def _handlers(self) -> Sequence[Handler]:
        return [self._handle]

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        form = dict(parse_qsl(await request.text(), keep_blank_values=True)) if request.method == "POST" else {}
        pairs = {**dict(request.rel_url.query), **form}
        function = pairs.get("wsfunction", "")
        fault = self._faults_of(request, function)
        if self.options.delay:
            await asyncio.sleep(self.options.delay)
        if fault is not None and (early := self._sender.instead(fault)) is not None:
            return await self._sent(request, early, fault, function)
        path = unquote(request.rel_url.raw_path).removeprefix(self.options.path)
        if self.options.maintenance:
            return await self._sent(request, Reply(_MAINTENANCE, 503, content_type=_HTML), fault, function)
        if path == "/webservice/rest/server.php":
            return await self._sent(request, self._rest(request, pairs), fault, function)
        prefix = "/webservice/pluginfile.php/"
        if path.startswith(prefix):
            found = self._download(path.removeprefix(prefix), pairs.get("token", ""))
            if isinstance(found, Reply):
                return await self._sent(request, found, fault, function)
            return await self._file(request, found, fault)
        return await self._sent(request, self._page(request, path), fault, function)

    def _faults_of(self, request: web.BaseRequest, function: str) -> Fault | None:
        path = request.rel_url.raw_path
        return self.faults.take(Host.CANVAS, request.method, path, f"{path}?{function}")

    async def _sent(
        self, request: web.BaseRequest, reply: Reply, fault: Fault | None, function: str
    ) -> web.StreamResponse:
        origin = f"http://{request.host}{self.options.path}".encode()
        # Moodle escapes slashes; nobody may rely on how.
        reply.body = reply.body.replace(ORIGIN.encode(), origin.replace(b"/", b"\\/") if function else origin)
        self.requests.append((request.method, request.path_qs, function, reply.status))
        self.calls[function] += 1
        return await self._sender.send(request, reply, fault)

    def _page(self, request: web.BaseRequest, path: str) -> Reply:
        if path.startswith("/pluginfile.php/"):
            return Reply(b"", 303, {"location": f"{self.options.path}/login/index.php"}, _HTML)
        if path.startswith("/login/"):
            return Reply(_LOGIN, 200, content_type=_HTML)
        return Reply(b"<!DOCTYPE html><title>404</title>", 404, content_type=_HTML)

    def _rest(self, request: web.BaseRequest, pairs: dict[str, str]) -> Reply:
        try:
            body: Any = self._answer(pairs)
        except WsError as error:
            body = error.of_function()
        if pairs.get("moodlewsrestformat") != "json":
            return Reply(
                b'<?xml version="1.0" encoding="UTF-8" ?>\n<RESPONSE></RESPONSE>', 200, content_type="text/xml"
            )
        return Reply(json.dumps(body).encode(), 200, content_type=_JSON)

    def _answer(self, pairs: dict[str, str]) -> Any:
        caller = self._caller(pairs.get("wstoken", ""))
        name = pairs.get("wsfunction", "")
        if name not in _FUNCTIONS:
            raise missing("external_functions")
        if name in self.options.without:
            raise access()
        settings = {key: value for key, value in pairs.items() if key.startswith(("moodlews", "ws"))}
        given = nested((key, value) for key, value in pairs.items() if key not in settings)
        call = Call(
            site=self.site,
            options=self.options,
            caller=caller,
            args=taken(_FUNCTIONS[name].takes, given),
            functions=tuple(sorted(set(_FUNCTIONS) - self.options.without)),
            raw=settings.get("moodlewssettingraw") in ("1", "true"),
        )
        return _FUNCTIONS[name].answer(call)

    def _caller(self, token: str) -> Caller:
        caller = self._callers.get(token)
        if caller is None:
            raise WsError("invalidtoken", "Invalid token - token not found")
        if caller.refused:
            raise _REFUSALS[caller.refused]
        return caller

    def _download(self, path: str, token: str) -> Reply | StoredFile:
        """Find a file, or the answer that refuses it: with status 200, but for one that is not there."""
        try:
            caller = self._caller(token)
            if not caller.downloads:
                raise access()
            file = self.site.files.get(path)
            course = self.site.courses.get(self.site.homes.get(path, 0))
            if file is None or course is None or file.trap == "missing":
                found = WsError("filenotfound", "Sorry, the requested file could not be found")
                return Reply(json.dumps(found.of_file()).encode(), 404, content_type=_JSON)
            call = Call(site=self.site, options=self.options, caller=caller, args={}, functions=())
            if not call.enters(course) or file.trap == "refused":
                raise WsError("requireloginerror", "Course or activity not accessible.")
        except WsError as error:
            return Reply(json.dumps(error.of_file()).encode(), 200, content_type=_JSON)
        if file.trap == "login":
            return Reply(_LOGIN, 200, content_type=_HTML)
        return file

    async def _file(self, request: web.BaseRequest, file: StoredFile, fault: Fault | None) -> web.StreamResponse:
        self.requests.append((request.method, request.path_qs, "", 200))
        content = file.content
        if fault is not None and fault.kind is FaultKind.LYING_SIZE:
            content = Bytes(data=b"".join(content.chunks()) + b"more than was promised")
        headers = {"content-type": file.mimetype, "accept-ranges": "bytes"}
        if not file.generated:
            digest = hashlib.sha1(usedforsecurity=False)
            for chunk in file.content.chunks():
                digest.update(chunk)
            headers["etag"] = f'"{digest.hexdigest()}"'
        return await self._sender.stream(request, content, headers, fault)


def _callers(site: Moodle) -> dict[str, Caller]:
    """Return the tokens; `teacher` and `student` are enrolled in the first course."""
    made = (
        Caller(name="archive", user_id=2, archive=True),
        Caller(name="teacher", user_id=int(site.known.get("teacher", 0))),
        Caller(name="student", user_id=int(site.known.get("student", 0))),
        Caller(name="expired", user_id=2, refused="accessexception"),
        Caller(name="suspended", user_id=3, refused="wsaccessusersuspended"),
        Caller(name="unfinished", user_id=3, refused="sitepolicynotagreed"),
        Caller(name="nofiles", user_id=2, archive=True, downloads=False),
    )
    return {hashlib.md5(f"made-up {one.name}".encode(), usedforsecurity=False).hexdigest(): one for one in made}
