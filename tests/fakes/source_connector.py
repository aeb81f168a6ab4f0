"""A connector that knows a few courses, for tests of course sources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import httpx

from coursekeep import (
    BearerDialect,
    CheckStep,
    Connector,
    ConnectorSettings,
    Course,
    CourseQuery,
    CourseSource,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    Part,
    RetryPolicy,
    Selection,
    SourceContext,
    Term,
)

NOW = datetime(2026, 9, 1, tzinfo=UTC)


class KnownCourses(Connector[ConnectorSettings]):
    """Knows courses by id and SIS id, refuses `13`, and makes no sense of `14`."""

    name = "known"
    title = "Known courses"

    def __init__(self, *courses: Course, terms: tuple[Term, ...] = ()) -> None:
        super().__init__(ConnectorSettings(base_url="https://lms.test", token="t"))
        self.all = courses
        self.known_terms = terms
        self.queries: list[CourseQuery] = []
        self.most_at_once = 0
        self._at_once = 0

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient:
        return LmsClient(self.settings.base_url, BearerDialect(self.settings.token), retry=retry)

    async def check(self) -> AsyncGenerator[CheckStep, None]:
        yield CheckStep(name="address", ok=True)

    async def terms(self) -> AsyncGenerator[Term, None]:
        for term in self.known_terms:
            yield term

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course, None]:
        self.queries.append(query)
        for course in self.all:
            if not query.term_ids or course.term_id in query.term_ids:
                yield course

    async def course(self, course_id: str) -> Course | None:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        await asyncio.sleep(0)
        self._at_once -= 1
        if course_id == "13":
            raise NoAccess("not for you")
        if course_id == "14":
            raise MalformedAnswer("nonsense")
        if course_id == "15":
            return Course(id="51", name="Another")
        return next((found for found in self.all if course_id in (found.id, f"sis:{found.sis_id}")), None)

    async def export(self, course: Course) -> AsyncGenerator[Part, None]:
        nothing: tuple[Part, ...] = ()
        for part in nothing:
            yield part


def selected(
    source: CourseSource[Any],
    connector: Connector[Any],
    params: Any,
    *,
    done: tuple[str, ...] = (),
    concurrency: int = 4,
) -> list[Selection]:
    """Let a source select to the end, after it has validated its parameters."""
    source.validate(params, NOW)
    context = SourceContext(now=NOW, done=done, concurrency=concurrency)

    async def main() -> list[Selection]:
        return [selection async for selection in source.select(connector, params, context)]

    return asyncio.run(main())
