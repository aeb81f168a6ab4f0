"""A connector for Slate, a small made-up LMS. Copy it, and replace what Slate answers by what yours does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx

from coursekeep import (
    BearerDialect,
    CheckStep,
    Connector,
    ConnectorError,
    ConnectorSettings,
    Course,
    CourseQuery,
    Expected,
    Gap,
    GapReason,
    Kind,
    LmsClient,
    NoAccess,
    NotFound,
    Part,
    RawPage,
    Record,
    RemoteFile,
    Term,
    hookimpl,
    segment,
)

__all__ = ["Slate", "SlateDialect", "register_connectors"]

#: where each kind of record comes from, and which of Slate's fields become which of Coursekeep's
KINDS: dict[Kind, tuple[str, dict[str, str]]] = {
    Kind.PEOPLE: ("people", {"name": "name", "mail": "email"}),
    Kind.ENROLLMENTS: ("members", {"person": "person_id", "role": "role", "state": "state"}),
    Kind.PAGES: ("pages", {"title": "title", "html": "body_html", "changed": "updated_at"}),
}


class SlateDialect(BearerDialect):
    """Slate names the next page in its answers' bodies; all else is as usual."""

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        return body.get("next") if isinstance(body, dict) else None


class Slate(Connector[ConnectorSettings]):
    name = "slate"
    title = "Slate"

    def make_client(self, **options: Any) -> LmsClient:
        return LmsClient.for_settings(self.settings, SlateDialect(self.settings.token), **options)

    async def check(self) -> AsyncIterator[CheckStep]:
        try:
            await self.client.get("/api/me")
            yield CheckStep(name="address and token", ok=True)
        except ConnectorError as error:
            yield CheckStep(name="address and token", ok=False, detail=str(error), remedy="Check base_url and token.")

    async def terms(self) -> AsyncIterator[Term]:
        async for item in self.client.items("/api/terms", key="items"):
            yield Term(id=str(item["id"]), name=item["name"], end_at=_time(item["end"]))

    async def courses(self, query: CourseQuery) -> AsyncIterator[Course]:
        async for item in self.client.items("/api/courses", {"text": query.text}, key="items"):
            course = _course(item)
            if query.term_ids and course.term_id not in query.term_ids:
                continue
            if not query.end_fits(course):
                continue
            yield course

    async def course(self, course_id: str) -> Course | None:
        try:
            return _course((await self.client.get(f"/api/courses/{segment(course_id)}")).body)
        except NotFound:
            return None

    async def export(self, course: Course) -> AsyncIterator[Part]:
        home = f"/api/courses/{segment(course.id)}"
        await self.client.get(home)  # raises NotFound where the course vanished, NoAccess where it is closed
        for kind, (path, fields) in KINDS.items():
            ids = set()
            try:
                async for page in self.client.pages(f"{home}/{path}", key="items"):
                    yield RawPage(endpoint=path, number=page.number, body=page.items)
                    for item in page.items:
                        ids.add(item["id"])
                        yield Record(kind=kind, id=str(item["id"]), data={to: item[of] for of, to in fields.items()})
            except NoAccess as error:
                yield Gap(kind=kind, reason=GapReason.NO_ACCESS, detail=str(error), count=None)
            yield Expected(kind=kind, count=len(ids))
        async for item in self.client.items(f"{home}/files", key="items"):
            yield RemoteFile(group="course", id=str(item["id"]), name=item["name"], url=item["url"], size=item["size"])
            yield Expected(kind=Kind.FILES, count=1)


def _course(item: dict[str, Any]) -> Course:
    end = _time(item["end"])
    ended = end is not None and end < datetime.now(UTC)
    return Course(
        id=str(item["id"]), name=item["name"], term_id=str(item["term"]), end_at=end, ended=ended, ended_at=end
    )


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


@hookimpl
def register_connectors() -> Sequence[type[Connector[Any]]]:
    return [Slate]
