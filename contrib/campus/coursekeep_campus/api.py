"""Answers API requests: user agent, throttle, token, route, handler, and what every answer has in common.

Everything here is plain and synchronous: a `Request` in, a `Reply` out. The network is the business of `server`.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from coursekeep_campus import (
    files,
    routes_accounts,
    routes_assignments,
    routes_calendar,
    routes_course,
    routes_discussions,
    routes_exports,
    routes_files,
    routes_grades,
    routes_groups,
    routes_modules,
    routes_pages,
    routes_people,
    routes_quizzes,
    routes_submissions,
)
from coursekeep_campus.call import Call
from coursekeep_campus.replies import ApiError, Reply, dump, not_found, too_few_scopes
from coursekeep_campus.router import Route, Tree
from coursekeep_campus.state import State
from coursekeep_campus.throttle import Bucket
from coursekeep_campus.tokens import Caller

__all__ = ["Api", "Request"]

_TABLES = (
    routes_accounts.routes,
    routes_assignments.routes,
    routes_calendar.routes,
    routes_course.routes,
    routes_discussions.routes,
    routes_exports.routes,
    routes_files.routes,
    routes_grades.routes,
    routes_groups.routes,
    routes_modules.routes,
    routes_pages.routes,
    routes_people.routes,
    routes_quizzes.routes,
    routes_submissions.routes,
)

_NO_AGENT = {
    "error": "Forbidden",
    "message": ("You are not authorized to access this site because you have not provided a valid user agent."),
}

_DOWNLOAD = re.compile(r"/files/(\d+)/download")
_MEDIA = re.compile(r"/users/\d+/media_download")
_STRING_IDS = re.compile(rb'"(id|[a-z_]*_id)":(-?\d+)')
_STRING_ID_LISTS = re.compile(rb'"([a-z_]*_ids)":\[([-\d,]+)\]')
_SIS_FIELD = rb'"(?:sis_[a-z_]+|integration_id)":(?:null|-?\d+|"(?:[^"\\]|\\.)*")'
_SIS = re.compile(b"," + _SIS_FIELD + b"|" + _SIS_FIELD + b",?")

#: whether an administrator asked, whether for ids as text, path and query
_Key = tuple[bool, bool, str, str]

#: answers larger than this are not kept
_LARGEST_KEPT = 1 << 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request as it came over the wire. Header names are in lower case."""

    method: str
    #: percent-encoded
    path: str
    query: Sequence[tuple[str, str]]
    headers: Mapping[str, str]
    form: Sequence[tuple[str, str]] = field(default=())
    raw_query: str = ""


class Api:
    """The LMS's own host, without the network."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._api = Tree(_TABLES)
        self._quiz_api = Tree([routes_quizzes.new_routes])
        self._buckets: dict[str, Bucket] = {}
        self._kept = _Kept()

    def bucket(self, request: Request) -> Bucket | None:
        """Return the bucket that this request pays into; None where nothing is throttled."""
        throttle = self._state.options.throttle
        if throttle is None or not request.path.startswith("/api/"):
            return None
        token = self._state.tokens.token(request.headers, dict(request.query)) or "nobody"
        if token not in self._buckets:
            self._buckets[token] = Bucket(throttle, self._state.clock())
        return self._buckets[token]

    def answer(self, request: Request) -> Reply:
        """Answer a request. Errors are answers too; nothing is raised."""
        if not request.headers.get("user-agent", "").strip():
            return Reply(dump(_NO_AGENT), 403)
        try:
            if request.path.startswith("/api/v1/"):
                return self._from_tree(self._api, request, "/api/v1/")
            if request.path.startswith("/api/quiz/v1/"):
                return self._from_tree(self._quiz_api, request, "/api/quiz/v1/")
            if (request.method, request.path) == ("POST", "/login/oauth2/token"):
                return self._state.oauth.answer(request.form)
            return self._page(request)
        except ApiError as error:
            return error.reply

    def _from_tree(self, tree: Tree, request: Request, prefix: str) -> Reply:
        caller = self._state.tokens.caller(request.headers, dict(request.query))
        if any(name == "as_user_id" for name, _ in request.query):
            raise ApiError(401, {"errors": "Invalid as_user_id"})
        found = tree.find(request.method, request.path[len(prefix) :])
        if found is None:
            raise not_found()
        route, names = found
        if caller.scoped and route.inside_course:
            raise too_few_scopes()
        return self._routed(route, names, caller, request)

    def _routed(self, route: Route, names: dict[str, str], caller: Caller, request: Request) -> Reply:
        string_ids = "canvas-string-ids" in request.headers.get("accept", "")
        key = (caller.admin, string_ids, request.path, request.raw_query)
        version = self._state.version
        kept = self._kept.get(key, version) if route.keep else None
        if kept is not None:
            return kept
        call = Call(
            state=self._state,
            caller=caller,
            method=request.method,
            path=request.path,
            query=request.query,
            names=names,
            form=request.form,
            part=route.part,
        )
        reply = _finished(route.handler(call), string_ids=string_ids, sis=caller.admin)
        if route.keep and len(reply.body) <= _LARGEST_KEPT:
            self._kept.put(key, reply)
        return reply

    def _page(self, request: Request) -> Reply:
        """Answer what is no API: downloads, media, and pages for people."""
        query = dict(request.query)
        found = _DOWNLOAD.fullmatch(request.path)
        media = _MEDIA.fullmatch(request.path)
        if request.method != "GET" or not (found or media):
            return files.login_page() if request.path.startswith("/login") else files.missing_page()
        number = found[1] if found else str(self._state.directory.media(query.get("entryId", "")))
        authorized = "authorization" in request.headers or "access_token" in query
        caller = Caller(user_id=0, name="")
        if authorized and "verifier" not in query:
            caller = self._state.tokens.caller(request.headers, query)
        call = Call(self._state, caller, "GET", request.path, request.query, {"file": number}, authorized=authorized)
        return files.download(call)


def _finished(reply: Reply, *, string_ids: bool, sis: bool) -> Reply:
    if not sis:
        reply.body = _SIS.sub(b"", reply.body)
    if string_ids:
        body = _STRING_IDS.sub(rb'"\1":"\2"', reply.body)
        reply.body = _STRING_ID_LISTS.sub(_quoted, body)
    return reply


def _quoted(match: re.Match[bytes]) -> bytes:
    numbers = b",".join(b'"' + number + b'"' for number in match[2].split(b","))
    return b'"' + match[1] + b'":[' + numbers + b"]"


class _Kept:
    """Answers given lately, so that the same question costs nothing the second time."""

    def __init__(self, most_bytes: int = 32 << 20) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._version = 0
        self._replies: OrderedDict[_Key, Reply] = OrderedDict()

    def get(self, key: _Key, version: int) -> Reply | None:
        """Return a kept answer; none of an earlier version."""
        if version != self._version:
            self._replies.clear()
            self._bytes, self._version = 0, version
        return self._replies.get(key)

    def put(self, key: _Key, reply: Reply) -> None:
        """Keep an answer, and drop the oldest where they are too large together."""
        self._replies[key] = reply
        self._bytes += len(reply.body)
        while self._bytes > self._most_bytes:
            self._bytes -= len(self._replies.popitem(last=False)[1].body)
