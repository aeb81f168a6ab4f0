"""The course source `csv`: courses named in a column of a CSV file."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, ClassVar

from pydantic import Field, field_validator

from coursekeep import Connector, CourseSource, Selection, SourceContext, SourceParams
from coursekeep_connectors.id_column import decoded, find_column, references
from coursekeep_connectors.lookup import look_up

__all__ = ["CsvParams", "CsvSource"]


class CsvParams(SourceParams):
    """The file. Bytes, as uploaded, are decoded when the parameters are made, and stored as text."""

    text: str = Field(
        title="CSV file", description="A table with a header row and a column of course ids or SIS ids, as CSV text."
    )

    @field_validator("text", mode="before")
    @classmethod
    def _decode(cls, value: object) -> object:
        return decoded(value) if isinstance(value, bytes) else value


class CsvSource(CourseSource[CsvParams]):
    """Takes the courses that a CSV file names, ended or not."""

    name: ClassVar[str] = "csv"
    title: ClassVar[str] = "Courses from a CSV file"
    Params: ClassVar[type[SourceParams]] = CsvParams

    def validate(self, params: CsvParams, now: datetime) -> None:
        """Refuse what is no table, has no column of course ids, or names none."""
        column = find_column(params.text)
        number = sum(1 for _ in references(params.text, column))
        if number == 0:
            raise ValueError(f"csv: column {column.header!r} names no course")

    async def select(
        self, connector: Connector[Any], params: CsvParams, context: SourceContext
    ) -> AsyncGenerator[Selection, None]:
        """Yield one selection per row, in the file's order."""
        wanted = ((ref, ref) for ref in references(params.text, find_column(params.text)))
        async for selection in look_up(connector, wanted, context):
            yield selection
