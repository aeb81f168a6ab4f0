"""The contract of a course source: what turns a request into courses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from coursekeep.connector import Connector
from coursekeep.records import Course

__all__ = ["CourseSource", "Outcome", "Selection", "SourceContext", "SourceParams"]


class SourceParams(BaseModel):
    """Base of a source's parameters, as they stand in a request, a schedule and the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Outcome(StrEnum):
    """What a source found out about one reference."""

    FOUND = "found"
    NOT_FOUND = "not_found"  # the LMS says that no such course exists
    NO_ACCESS = "no_access"  # it exists, but may not be read
    EXCLUDED = "excluded"  # found, but left out, with a reason


@dataclass(frozen=True, kw_only=True, slots=True)
class Selection:
    """One course, or one reference that led to none.

    `ref` is what was asked for (an id as typed, a SIS id as `sis:...`, else the course's id), and is what operators
    see where `course` is None.
    """

    ref: str
    outcome: Outcome = Outcome.FOUND
    course: Course | None = None
    #: for people: why it is not found, not readable or excluded
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceContext:
    """What a source may know besides its parameters."""

    #: the present, so that tests can move it
    now: datetime
    #: references already dealt with, of an interrupted planning that goes on
    done: Collection[str] = ()
    #: how many courses may be asked for at once
    concurrency: int = 4


P = TypeVar("P", bound=SourceParams)


class CourseSource(ABC, Generic[P]):
    """Base of all course sources."""

    #: name in requests: `terms`, `csv`, `ids`, `search`, `end_date`
    name: ClassVar[str]
    #: name for people
    title: ClassVar[str]
    Params: ClassVar[type[SourceParams]]

    def validate(self, params: P, now: datetime) -> None:
        """Raise ValueError, saying what to do, where the parameters cannot be used now: an end date in the future."""
        return

    @abstractmethod
    def select(self, connector: Connector[Any], params: P, context: SourceContext) -> AsyncIterator[Selection]:
        """Yield selections as a stream, in a stable order; the framework drops duplicates.

        Raises what the connector raises, and ValueError where the parameters name something that does not exist,
        such as an unknown term.
        """
