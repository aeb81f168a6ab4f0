"""What each test of the suite promises: an area, a grade, and a fact."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, TypeVar

import pytest

__all__ = ["NOT_APPLICABLE", "Area", "Grade", "Promise", "not_applicable", "promise", "promised", "promises_of"]

T = TypeVar("T", bound=Callable[..., Any])

#: what the reason of a skipped test begins with, where the connector has nothing that it could be asked of
NOT_APPLICABLE = "not applicable: "
_ATTRIBUTE = "coursekeep_promise"


class Grade(StrEnum):
    """How much a promise weighs. A connector has a grade when it keeps all promises up to it."""

    REQUIRED = "required"  # without it, packages lose or invent data, or secrets get out
    EXPECTED = "expected"  # what operators rely on every day
    EXEMPLARY = "exemplary"  # what large or unfriendly LMSs need

    @property
    def rank(self) -> int:
        """Return 1 for the first grade, more for those that include it."""
        return list(Grade).index(self) + 1


class Area(StrEnum):
    """What a promise is about, in the order of the scorecard."""

    SETTINGS = "settings"
    CHECK = "check"
    FINDING = "finding"
    ACCESS = "not found and no access"
    RECORDS = "records and files"
    GAPS = "gaps"
    PAGING = "paging"
    RETRIES = "retries"
    THROTTLING = "throttling"
    DETERMINISM = "determinism"
    REDACTION = "redaction"
    CANCELLATION = "cancellation"
    MEMORY = "memory"
    NAMES = "hostile names"


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """One promise, as the scorecard and the reference show it."""

    #: name of the test
    name: str
    area: Area
    grade: Grade
    #: what holds, as a sentence
    fact: str


def promise(area: Area, grade: Grade) -> Callable[[T], T]:
    """Mark a test of the suite. Its docstring states the fact."""

    def mark(test: T) -> T:
        fact = " ".join((inspect.getdoc(test) or "").split())
        setattr(test, _ATTRIBUTE, Promise(name=test.__name__, area=area, grade=grade, fact=fact))
        return test

    return mark


def promised(test: object) -> Promise | None:
    """Return what a test promises; None where it is not one of the suite's."""
    found = getattr(test, _ATTRIBUTE, None)
    return found if isinstance(found, Promise) else None


def promises_of(contract: type[object]) -> Iterator[Promise]:
    """Yield every promise of a class, by area, grade and name."""
    found = [made for _, test in inspect.getmembers(contract) if (made := promised(test)) is not None]
    areas = list(Area)
    yield from sorted(found, key=lambda each: (areas.index(each.area), each.grade.rank, each.name))


def not_applicable(reason: str) -> NoReturn:
    """End a test that cannot be asked of this connector; the scorecard shows the reason."""
    pytest.skip(NOT_APPLICABLE + reason)
