"""A small LMS behind a transport, and the smallest connector for it that keeps the whole contract."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

import httpx
from pydantic import SecretStr

from coursekeep import (
    NO_RETRY,
    BearerDialect,
    CheckStep,
    Connector,
    ConnectorError,
    ConnectorSettings,
    Course,
    Expected,
    Gap,
    GapReason,
    Kind,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RawPage,
    Record,
    RemoteFile,
    Term,
    Unavailable,
    segment,
)
from coursekeep.testing import HOSTILE_NAMES, Known

__all__ = ["KNOWN", "PAST", "PEOPLE", "SECRET", "SITE", "Good", "open_for"]

SECRET = "made-up-secret"
SITE = "http://lms.example"
PEOPLE = 30
KNOWN = Known(ended="1", missing="99", forbidden="3", counts={Kind.PEOPLE: PEOPLE}, hostile="4")
PAST = datetime(2026, 1, 31, tzinfo=UTC)
_PAGE = 10
_COURSES = [{"id": "1", "name": "Botany", "ended": True}, {"id": "2", "name": "Optics", "ended": False}]
_COURSES += [{"id": "4", "name": "Hostile", "ended": True}]
_HELD = {"1": [f"Person {n}" for n in range(PEOPLE)], "4": list(HOSTILE_NAMES)}


def answer(request: httpx.Request) -> httpx.Response:
    """Be the LMS: courses 1 and 4 have ended, course 3 is closed, others are missing."""
    raw = request.url.raw_path.partition(b"?")[0].decode("ascii")
    path = [unquote(step) for step in raw.removeprefix("/").split("/")]
    if path == ["me"]:
        return httpx.Response(200, json={"id": 1})
    if path == ["courses"]:
        return _page(request, _COURSES, 1)
    if path[0] == "files":
        return httpx.Response(200, content=b"moss", headers={"Content-Type": "text/plain"})
    if path[:2] == ["courses", "3"]:
        return httpx.Response(403, json={})
    found = [course for course in _COURSES if path[:2] == ["courses", course["id"]]]
    if not found:
        return httpx.Response(404, json={})
    if path[2:] == ["people"]:
        people = [{"id": n, "name": name} for n, name in enumerate(_HELD.get(path[1], ()))]
        return _page(request, people, _PAGE)
    return httpx.Response(200, json=found[0])


def _page(request: httpx.Request, items: list[dict[str, Any]], size: int) -> httpx.Response:
    start = int(request.url.params.get("from", 0))
    following = request.url.copy_set_param("from", str(start + size))
    headers = {"Link": f'<{following}>; rel="next"'} if start + size < len(items) else {}
    return httpx.Response(200, json=items[start : start + size], headers=headers)


class Good(Connector[ConnectorSettings]):
    """As small as a connector can be that keeps the contract."""

    name = "good"
    title = "Good"

    def make_client(self, **options: Any) -> LmsClient:
        return LmsClient.for_settings(self.settings, BearerDialect(self.settings.token), **options)

    async def check(self) -> AsyncIterator[CheckStep]:
        try:
            await self.client.get("/me")
            yield CheckStep(name="address", ok=True)
        except ConnectorError as error:
            yield CheckStep(name="address", ok=False, detail=str(error), remedy="Check it.")

    async def terms(self) -> AsyncIterator[Term]:
        yield Term(id="5", name="Winter")

    async def courses(self, query) -> AsyncIterator[Course]:
        async for item in self.client.items("/courses"):
            if query.end_fits(course := _course(item)):
                yield course

    async def course(self, course_id: str) -> Course | None:
        try:
            return _course((await self.client.get(f"/courses/{segment(course_id)}")).body)
        except NotFound:
            return None

    async def export(self, course):
        home = f"/courses/{segment(course.id)}"
        await self.client.get(home)
        count = 0
        try:
            async for page in self.client.pages(f"{home}/people"):
                yield RawPage(endpoint="people", number=page.number, body=page.items)
                for item in page.items:
                    count += 1
                    yield self.person(item)
        except (NoAccess, NotFound, MalformedAnswer, Unavailable) as error:
            yield Gap(kind=Kind.PEOPLE, reason=GapReason.NO_ACCESS, detail=str(error), count=None)
        if course.id == "1" and count:
            yield self.person({"id": 0, "name": "Person 0"})  # once more, which does no harm
        yield Gap(kind=Kind.PEOPLE, reason=GapReason.LOCKED, id="8")
        yield Expected(kind=Kind.PEOPLE, count=count + 1)
        yield RemoteFile(group="course", id="4", name="moss.txt", url=f"{SITE}/files/4")
        yield RemoteFile(group="course", id="5", name="locked.txt", url="", withheld=GapReason.LOCKED)
        yield Expected(kind=Kind.FILES, count=2)
        await self.client.get(home)

    def person(self, item: dict[str, Any]) -> Record:
        return Record(kind=Kind.PEOPLE, id=str(item["id"]), data={"name": item["name"]})


def _course(item: dict[str, Any]) -> Course:
    ended = item["ended"]
    return Course(id=item["id"], name=item["name"], ended=ended, ended_at=PAST if ended else None)


def open_for(kind: type[Good]) -> Good:
    """Make a connector that is answered by the LMS."""
    settings = kind.Settings(base_url=SITE, token=SecretStr(SECRET))
    return kind(settings, transport=httpx.MockTransport(answer), retry=NO_RETRY)
