"""The course source `ids`: courses by their ids."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field

from coursekeep import Connector, CourseSource, Selection, SourceContext, SourceParams
from coursekeep_connectors.lookup import look_up

__all__ = ["IdsParams", "IdsSource"]


class IdsParams(SourceParams):
    """Ids of courses, or SIS ids with the prefix `sis:`."""

    ids: tuple[str, ...] = Field(
        title="Course ids", description="Ids of courses in the LMS, or ids of the student information system as sis:ID."
    )


class IdsSource(CourseSource[IdsParams]):
    """Takes the courses that are named, ended or not."""

    name: ClassVar[str] = "ids"
    title: ClassVar[str] = "Courses by id"
    Params: ClassVar[type[SourceParams]] = IdsParams

    def validate(self, params: IdsParams, now: datetime) -> None:
        """Refuse an empty list and empty ids."""
        if not params.ids:
            raise ValueError("ids: name at least one course")
        for number, ref in enumerate(params.ids, start=1):
            if not ref.strip() or ref.strip() == "sis:":
                raise ValueError(f"ids: number {number} is empty; take it out")

    async def select(
        self, connector: Connector[Any], params: IdsParams, context: SourceContext
    ) -> AsyncGenerator[Selection, None]:
        """Yield one selection per id, in the order given."""
        wanted = ((ref.strip(), ref.strip()) for ref in params.ids)
        async for selection in look_up(connector, wanted, context):
            yield selection
