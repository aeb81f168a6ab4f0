"""Settings of a Moodle integration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Literal

from pydantic import Field, field_validator

from coursekeep import ConnectorSettings

__all__ = ["MoodleSettings"]


class MoodleSettings(ConnectorSettings):
    """What an operator may set for one Moodle."""

    category: str = Field(
        "",
        pattern=r"^\d*$",
        title="Category",
        description="Id of the course category that is archived, with all below it; empty takes the whole site.",
    )
    terms_from: Literal["categories", "idnumber", "custom_field", "none"] = Field(
        "categories",
        title="Terms",
        description="What stands for terms, which Moodle does not have: course categories, a part of the course's id"
        " number, a custom course field, or nothing.",
    )
    term_depth: int = Field(
        0,
        ge=0,
        title="Depth of terms",
        description="With categories as terms: only those at this depth, 1 being the top; 0 takes every category.",
    )
    term_pattern: str = Field(
        r"^\d{4}-[A-Za-z]+",
        title="Term in the id number",
        description="With id numbers: a regular expression; what it finds in a course's id number is its term.",
    )
    term_field: str = Field(
        "term",
        title="Term field",
        description="With a custom field: the short name of the course field that holds the term.",
    )
    term_ends: Mapping[str, date] = Field(
        {},
        title="Ends of terms",
        description="Last day of terms by their id, in UTC: courses without an end date of their own end with their"
        " term. Moodle has no such dates itself.",
    )
    idle_days: int = Field(
        0,
        ge=0,
        title="Idle courses",
        description="Days without a change of its settings after which a course without any end date counts as ended;"
        " 0 means never.",
    )
    backups: Literal["newest", "all", "none"] = Field(
        "newest",
        title="Course backups",
        description="Which of the backups (.mbz) that Moodle made by itself to keep beside the records.",
    )
    completion: bool = Field(
        True,
        title="Completion",
        description="Keep everybody's completion of activities and of the course, two requests each.",
    )
    badges: bool = Field(True, title="Badges", description="Keep everybody's badges of the course, one request each.")

    @field_validator("term_pattern")
    @classmethod
    def _is_expression(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return value
