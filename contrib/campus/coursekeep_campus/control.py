"""Control over a running campus, below `/campus/`: faults, counters, and changes. Loopback only, without a token."""

from __future__ import annotations

import ipaddress
import json
from typing import Any

from aiohttp import web

from coursekeep_campus.change import change_grade
from coursekeep_campus.faults import Fault, Faults
from coursekeep_campus.state import State

__all__ = ["Control"]

_SEEN = ("method", "path", "status", "authorization", "host")


class Control:
    """Answers the control routes, which no LMS has."""

    def __init__(self, state: State, faults: Faults) -> None:
        self._state = state
        self._faults = faults

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer a control request; what cannot be read is answered with 400 and a reason."""
        if not _is_local(request.remote):
            return _answer({"error": "only from this machine"}, 403)
        try:
            return await self._routed(request)
        except (KeyError, TypeError, ValueError) as error:
            return _answer({"error": str(error)}, 400)

    async def _routed(self, request: web.BaseRequest) -> web.Response:
        what = (request.method, request.path)
        if what == ("GET", "/campus/known"):
            return _answer(self._state.campus.known)
        if what == ("GET", "/campus/stats"):
            return _answer(self._stats())
        if what == ("GET", "/campus/requests"):
            return _answer([dict(zip(_SEEN, seen, strict=True)) for seen in self._state.requests])
        if what == ("DELETE", "/campus/faults"):
            self._faults.clear()
            return _answer({"faults": 0})
        if what == ("POST", "/campus/faults"):
            faults = [Fault.from_json(value) for value in json.loads(await request.text())]
            self._faults.add(*faults)
            return _answer({"faults": len(faults)})
        if what == ("POST", "/campus/grade"):
            return _answer(self._grade(json.loads(await request.text())))
        if what == ("POST", "/campus/touch"):
            return _answer(self._touch(json.loads(await request.text())))
        if what == ("GET", "/campus/oauth"):
            return _answer(self._oauth())
        if what == ("POST", "/campus/oauth/authorize"):
            self._state.oauth.authorize()
            return _answer(self._oauth())
        if what == ("POST", "/campus/oauth/forget"):
            self._state.oauth.forget()
            return _answer(self._oauth())
        return _answer({"error": f"no such control route: {' '.join(what)}"}, 404)

    def _stats(self) -> dict[str, Any]:
        stats = self._state.stats
        return {
            "by_status": {str(status): count for status, count in sorted(stats.by_status.items())},
            "requests": sum(stats.by_status.values()),
            "in_flight": stats.in_flight,
            "max_in_flight": stats.max_in_flight,
            "throttled": stats.throttled,
            "files": stats.files,
            "file_bytes": stats.file_bytes,
            "faults_seen": self._faults.hits(),
        }

    def _oauth(self) -> dict[str, Any]:
        oauth = self._state.oauth
        names = ("client_id", "client_secret", "refresh_token", "given", "replayed")
        return {name: getattr(oauth, name) for name in names}

    def _grade(self, asked: dict[str, Any]) -> dict[str, Any]:
        self._state.version += 1
        course, assignment, user = int(asked["course"]), int(asked["assignment"]), int(asked["user"])
        return change_grade(self._state.campus, course, assignment, user, float(asked["score"]))

    def _touch(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Change a course's state, for example to `deleted` between its selection and its export."""
        course = self._state.campus.courses[int(asked["course"])]
        course.state = str(asked.get("state", course.state))
        course.name = str(asked.get("name", course.name))
        self._state.version += 1
        return {"course": course.id, "state": course.state, "name": course.name}


def _is_local(remote: str | None) -> bool:
    try:
        return remote is not None and ipaddress.ip_address(remote).is_loopback
    except ValueError:
        return False


def _answer(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
