"""The course source `terms`: the courses of chosen terms."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from coursekeep import Connector, Course, CourseQuery, CourseSource, Outcome, Selection, SourceContext, SourceParams

__all__ = ["TermsParams", "TermsSource"]


class TermsParams(SourceParams):
    """Terms by id."""

    terms: tuple[str, ...] = Field(
        title="Terms", description="Ids of terms in the LMS, or ids of the student information system as sis:ID."
    )
    include_running: bool = Field(
        False, title="Running courses too", description="Also take courses of these terms that have not ended yet."
    )


class TermsSource(CourseSource[TermsParams]):
    """Takes all courses of the terms; those that have not ended are shown, but left out unless asked for."""

    name: ClassVar[str] = "terms"
    title: ClassVar[str] = "Courses of terms"
    Params: ClassVar[type[SourceParams]] = TermsParams

    def validate(self, params: TermsParams, now: datetime) -> None:
        """Refuse an empty list."""
        if not params.terms:
            raise ValueError("terms: name at least one term")

    async def select(
        self, connector: Connector[Any], params: TermsParams, context: SourceContext
    ) -> AsyncGenerator[Selection, None]:
        """Yield the courses of each term in turn. Raises ValueError for a term that the LMS does not know."""
        term_ids = await _known(connector, params.terms)
        done = set(context.done)
        async for course in connector.courses(CourseQuery(term_ids=term_ids)):
            if course.id not in done:
                yield _judged(course, params)


async def _known(connector: Connector[Any], wanted: tuple[str, ...]) -> tuple[str, ...]:
    """Return the terms' ids; a misspelt term must not look like one without courses."""
    ids: dict[str, str] = {}
    async for term in connector.terms():
        ids[term.id] = term.id
        if term.sis_id:
            ids[f"sis:{term.sis_id}"] = term.id
    unknown = [term for term in wanted if term.strip() not in ids]
    if unknown:
        named = ", ".join(repr(term) for term in unknown[:10])
        raise ValueError(f"terms: {connector.title} knows no term {named}; see the list of terms for their ids")
    return tuple(dict.fromkeys(ids[term.strip()] for term in wanted))


def _judged(course: Course, params: TermsParams) -> Selection:
    if course.ended or params.include_running or course.state == "access_restricted_by_date":
        return Selection(ref=course.id, course=course)
    until = "" if course.ended_at is None else f"; it will on {course.ended_at:%Y-%m-%d}"
    detail = f"the course has not ended yet{until}"
    return Selection(ref=course.id, outcome=Outcome.EXCLUDED, course=course, detail=detail)
