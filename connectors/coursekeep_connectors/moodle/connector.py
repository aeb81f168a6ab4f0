"""The Moodle connector."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, ClassVar

import httpx

from coursekeep import (
    Account,
    CheckStep,
    Connector,
    ConnectorSettings,
    Course,
    CourseQuery,
    Coverage,
    LmsClient,
    NoAccess,
    NotFound,
    Part,
    Redaction,
    RemoteFile,
    RetryPolicy,
    Term,
)
from coursekeep_connectors.moodle.calls import Calls
from coursekeep_connectors.moodle.check import check_moodle
from coursekeep_connectors.moodle.client import MoodleDialect
from coursekeep_connectors.moodle.courses import Categories, course_of, is_enterable, taken, terms_of
from coursekeep_connectors.moodle.coverage import COVERAGE
from coursekeep_connectors.moodle.export import read_course
from coursekeep_connectors.moodle.finding import all_courses, categories_of, one_course
from coursekeep_connectors.moodle.reading import Reading
from coursekeep_connectors.moodle.redactions import REDACTIONS
from coursekeep_connectors.moodle.settings import MoodleSettings

__all__ = ["MoodleConnector"]


class MoodleConnector(Connector[MoodleSettings]):
    """Reads courses out of Moodle 3.9 and later through its web services, as far as the service has functions."""

    name: ClassVar[str] = "moodle"
    title: ClassVar[str] = "Moodle"
    Settings: ClassVar[type[ConnectorSettings]] = MoodleSettings
    redactions: ClassVar[tuple[Redaction, ...]] = REDACTIONS
    coverage: ClassVar[tuple[Coverage, ...]] = (COVERAGE,)

    def __init__(
        self,
        settings: MoodleSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._dialect = MoodleDialect(settings.token)
        super().__init__(settings, transport=transport, retry=retry)
        self.calls = Calls(self.client, self._dialect, settings.base_url)

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient:
        """Make a client that speaks Moodle's dialect."""
        return LmsClient.for_settings(self.settings, self._dialect, retry=retry, transport=transport)

    async def check(self) -> AsyncGenerator[CheckStep, None]:
        """Yield the steps from address to capabilities."""
        async for step in check_moodle(self.calls, self.settings):
            yield step

    async def terms(self) -> AsyncGenerator[Term, None]:
        """Yield what stands for terms: categories, or what courses say of themselves."""
        categories = await categories_of(self.calls)
        courses: list[Course] = []
        if self.settings.terms_from in ("idnumber", "custom_field"):
            courses = [course async for course in self.courses(CourseQuery())]
        if self.settings.terms_from != "none":
            for term in terms_of(self.settings, categories, courses):
                yield term

    async def accounts(self) -> AsyncGenerator[Account, None]:
        """Yield the course categories: the one of the settings with all below it, or all."""
        categories = Categories.of(await self.calls.call("core_course_get_categories"))
        for account in categories.accounts(self.settings.category):
            yield account

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course, None]:
        """Yield the courses of the category by id, whether hidden or not."""
        categories = await categories_of(self.calls)
        tops = [top for top in (self.settings.category, query.account) if top]
        for top in tops:
            if top not in categories.items:
                raise NotFound(f"Moodle shows no course category {top} to the service account")
        items, _ = await all_courses(self.calls)
        courses = [self._course(item, categories) for item in items]
        self._know_terms(query, categories, courses)
        for course in courses:
            if query.term_ids and course.term_id not in query.term_ids and not self._in_term(course, query, categories):
                continue
            if all(categories.within(course.account_id, top) for top in tops) and taken(course, query):
                yield course

    def _know_terms(self, query: CourseQuery, categories: Categories, courses: list[Course]) -> None:
        known = {term.id for term in terms_of(self.settings, categories, courses)}
        known |= {course.term_id for course in courses if course.term_id}
        for term_id in query.term_ids:
            if term_id not in known:
                raise NotFound(f"Moodle has no term {term_id}")

    def _in_term(self, course: Course, query: CourseQuery, categories: Categories) -> bool:
        """Tell whether a course lies below a category that is asked for as a term."""
        if self.settings.terms_from != "categories":
            return False
        return any(categories.within(course.account_id, term_id) for term_id in query.term_ids)

    async def course(self, course_id: str) -> Course | None:
        """Return one course by Moodle's id, or by id number as `sis:...`."""
        field, value = ("idnumber", course_id[4:]) if course_id.startswith("sis:") else ("id", course_id)
        if not value or ((field == "id" and not (value.isascii() and value.isdigit())) or value == "1"):
            return None
        item = await one_course(self.calls, field, value)
        if item is None:
            return None
        if not is_enterable(item):
            raise NoAccess(
                "the course is listed, but the service account may not enter it; it needs moodle/course:view"
            )
        return self._course(item, await categories_of(self.calls))

    def _course(self, item: Any, categories: Categories) -> Course:
        return course_of(item, self.settings, categories, datetime.now(UTC))

    async def export(self, course: Course) -> AsyncGenerator[Part, None]:
        """Yield every part of the course."""
        info = await self.calls.info(fresh=True)
        item = await one_course(self.calls, "id", course.id)
        if item is None:
            raise NotFound("Moodle says that this course does not exist")
        reading = Reading(self.calls, course, self.settings)
        async with aclosing(read_course(reading, item, info)) as parts:
            async for part in parts:
                yield part

    async def refresh_file(self, file: RemoteFile) -> RemoteFile | None:
        """Make sure that a refusal is about the file: addresses do not expire, but tokens do, without a word of why.

        Raises `CredentialsNeeded` where the token is refused altogether, rather than let every file become a gap.
        """
        await self.calls.alive()
        return None
