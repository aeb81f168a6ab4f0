"""Slate's conformance suite: the contract, and the LMS that it is held against.

``coursekeep connector test coursekeep-example`` runs it, and so do the tests of this distribution.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from coursekeep import NO_RETRY, ConnectorSettings, Kind
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Known
from coursekeep_example import Slate

__all__ = ["FakeSlate", "SlateConformance", "slate"]

TOKEN = "made-up-slate-token"  # noqa: S105  # of a Slate that lives as long as a test
PAGE = 2
COURSES: list[dict[str, Any]] = [
    {"id": 1, "name": "Botany", "term": 10, "end": "2026-02-01T00:00:00Z"},
    {"id": 2, "name": "Optics", "term": 11, "end": None},
    {"id": 3, "name": "Closed", "term": 10, "end": "2026-02-01T00:00:00Z"},
    {"id": 4, "name": "Hostile", "term": 10, "end": "2026-02-01T00:00:00Z"},
]
LISTS: dict[str, list[dict[str, Any]]] = {
    "/api/terms": [
        {"id": 10, "name": "Winter", "end": "2026-02-28T00:00:00Z"},
        {"id": 11, "name": "Summer", "end": None},
    ],
    "/api/courses": COURSES,
    "/api/courses/1/people": [{"id": n, "name": f"Person {n}", "mail": f"p{n}@example.edu"} for n in range(5)],
    "/api/courses/1/members": [{"id": n, "person": str(n), "role": "student", "state": "active"} for n in range(5)],
    "/api/courses/1/pages": [{"id": 7, "title": "Moss", "html": "<p>Moss</p>", "changed": "2026-01-05T10:00:00Z"}],
    "/api/courses/1/files": [{"id": 4, "name": "moss.txt", "url": "/api/files/4", "size": 4}],
    "/api/courses/4/people": [{"id": n, "name": name, "mail": ""} for n, name in enumerate(HOSTILE_NAMES)],
    "/api/courses/4/members": [],
    "/api/courses/4/pages": [],
    "/api/courses/4/files": [
        {"id": n, "name": name, "url": f"/api/files/{n}", "size": 4} for n, name in enumerate(HOSTILE_NAMES)
    ],
}


@dataclass(frozen=True)
class FakeSlate:
    """Where Slate is, and who may read it."""

    url: str
    token: str = TOKEN


@pytest.fixture(scope="module")
def slate() -> Iterator[FakeSlate]:
    """Serve Slate on loopback, in a thread."""
    loop = asyncio.new_event_loop()
    app = web.Application()
    app.router.add_get("/{tail:.*}", _answer)
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield FakeSlate(f"http://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


class SlateConformance(ConnectorContract):
    """Slate's connector keeps the contract."""

    @pytest.fixture
    def connector(self, slate: FakeSlate) -> Slate:
        return Slate(ConnectorSettings(base_url=slate.url, token=SecretStr(slate.token)), retry=NO_RETRY)

    @pytest.fixture
    def known(self) -> Known:
        counts = {Kind.PEOPLE: 5, Kind.ENROLLMENTS: 5, Kind.PAGES: 1, Kind.FILES: 1}
        return Known(ended="1", missing="99", forbidden="3", counts=counts, hostile="4")


async def _answer(request: web.Request) -> web.Response:
    if request.headers.get("Authorization") != f"Bearer {TOKEN}":
        return web.json_response({"error": "who are you?"}, status=401)
    path = request.path
    if path == "/api/me":
        return web.json_response({"name": "archive"})
    if path.startswith("/api/courses/3"):
        return web.json_response({"error": "closed"}, status=403)
    if path.startswith("/api/files/"):
        return web.Response(text="moss")
    if path in LISTS:
        return _page(request, LISTS[path])
    found = [course for course in COURSES if path == f"/api/courses/{course['id']}"]
    return web.json_response(found[0]) if found else web.json_response({"error": "no such thing"}, status=404)


def _page(request: web.Request, items: list[dict[str, Any]]) -> web.Response:
    start = int(request.query.get("from", 0))
    end = start + PAGE
    page = [item | {"url": str(request.url.with_path(item["url"]))} if "url" in item else item for item in items]
    following = str(request.url.update_query({"from": str(end)})) if end < len(items) else None
    return web.json_response({"items": page[start:end], "next": following})
