"""The course source `search`: courses whose name, code or SIS id holds a text."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from coursekeep import Connector, CourseQuery, CourseSource, Outcome, Selection, SourceContext, SourceParams

__all__ = ["SearchParams", "SearchSource"]

_LEAST = 2


class SearchParams(SourceParams):
    """A text, and the courses chosen among those found."""

    text: str = Field(title="Text", description="What names, codes or SIS ids must hold; at least two characters.")
    ids: tuple[str, ...] | None = Field(
        None, title="Chosen courses", description="Ids of the found courses to take; none given takes all found."
    )


class SearchSource(CourseSource[SearchParams]):
    """Takes the courses that a search finds, or those chosen among them, ended or not."""

    name: ClassVar[str] = "search"
    title: ClassVar[str] = "Courses by search"
    Params: ClassVar[type[SourceParams]] = SearchParams

    def validate(self, params: SearchParams, now: datetime) -> None:
        """Refuse texts that are too short, and a choice of nothing."""
        if len(params.text.strip()) < _LEAST:
            raise ValueError(f"text: search for at least {_LEAST} characters")
        if params.ids is not None and not params.ids:
            raise ValueError("ids: choose at least one of the courses found, or leave ids out to take all")

    async def select(
        self, connector: Connector[Any], params: SearchParams, context: SourceContext
    ) -> AsyncGenerator[Selection, None]:
        """Yield what was found; chosen ids that were not found come last."""
        missing = dict.fromkeys(ref.strip() for ref in params.ids or ())
        done = set(context.done)
        async for course in connector.courses(CourseQuery(text=params.text.strip())):
            if params.ids is not None and course.id not in missing:
                continue
            missing.pop(course.id, None)
            if course.id not in done:
                yield Selection(ref=course.id, course=course)
        for ref in missing:
            if ref not in done:
                detail = f"not among the courses found for {params.text.strip()!r}"
                yield Selection(ref=ref, outcome=Outcome.NOT_FOUND, detail=detail)
