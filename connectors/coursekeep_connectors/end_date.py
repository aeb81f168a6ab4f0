"""The course source `end_date`: courses that ended before a day."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, date, datetime
from typing import Any, ClassVar

from pydantic import Field

from coursekeep import Connector, CourseQuery, CourseSource, EndOf, Selection, SourceContext, SourceParams

__all__ = ["EndDateParams", "EndDateSource"]


class EndDateParams(SourceParams):
    """A day or moment, and whose end counts."""

    before: datetime | date = Field(
        union_mode="left_to_right",
        title="Ended before",
        description="Day such as 2026-08-01, which begins at midnight UTC, or a moment such as 2026-08-01T12:00:00Z.",
    )
    ended_by: EndOf = Field(
        EndOf.COURSE,
        title="Whose end",
        description="course: the end of the course itself; term: the end of its term; academic_year: whichever of the "
        "two came first, not later than the moment, which is the end of a year.",
    )

    def moment(self) -> datetime:
        """Return the moment before which courses must have ended."""
        if not isinstance(self.before, datetime):
            return datetime(self.before.year, self.before.month, self.before.day, tzinfo=UTC)
        return self.before.replace(tzinfo=UTC) if self.before.tzinfo is None else self.before


class EndDateSource(CourseSource[EndDateParams]):
    """Takes the courses that have ended before a moment by the LMS's own rule."""

    name: ClassVar[str] = "end_date"
    title: ClassVar[str] = "Courses by end"
    Params: ClassVar[type[SourceParams]] = EndDateParams

    def validate(self, params: EndDateParams, now: datetime) -> None:
        """Refuse a moment that has not come yet: nobody can know which courses will have ended by then."""
        if params.moment() > now:
            raise ValueError(
                f"before: {params.moment():%Y-%m-%d %H:%M} UTC is in the future; give a day up to {now:%Y-%m-%d}"
            )

    async def select(
        self, connector: Connector[Any], params: EndDateParams, context: SourceContext
    ) -> AsyncGenerator[Selection, None]:
        """Yield the courses that have ended."""
        done = set(context.done)
        async for course in connector.courses(CourseQuery(ended_before=params.moment(), ended_by=params.ended_by)):
            if course.id not in done:
                yield Selection(ref=course.id, course=course)
