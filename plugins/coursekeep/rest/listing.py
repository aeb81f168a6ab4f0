"""Terms and courses: where an LMS lists them, and by which rule its courses end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from coursekeep.errors import DeclarationError
from coursekeep.records import Course, Term
from coursekeep.rest.fields import Source
from coursekeep.rest.paging import Paging
from coursekeep.rest.places import Params, Place, names_in, texts_of
from coursekeep.rest.wording import close

__all__ = ["Courses", "EndRule", "Terms"]

#: what the connector judges itself
_JUDGED = frozenset({"ended", "ended_at"})


@dataclass(frozen=True, kw_only=True)
class EndRule:
    """When a course has ended: it is in one of these states, or the first of these dates that it has has passed.

    A course in such a state before its date has ended, and nobody knows when.
    """

    dates: Sequence[str] = ("end_at", "term_end_at")
    states: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name in self.dates:
            if name not in ("end_at", "term_end_at"):
                raise DeclarationError(f"EndRule: {name!r} is no date; use end_at and term_end_at")

    def judge(self, dates: Mapping[str, datetime | None], state: str | None, now: datetime) -> dict[str, object]:
        """Return `ended` and `ended_at` of a course."""
        end = next((dates[name] for name in self.dates if dates.get(name) is not None), None)
        over = end is not None and end < now
        done = state is not None and state in self.states
        return {"ended": over or done, "ended_at": None if done and not over else end}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The list of terms."""

    path: str
    #: fields of `coursekeep.Term`; `id` and `name` are needed
    fields: Mapping[str, Source]
    params: Params = field(default_factory=dict)
    key: Place | None = None
    paging: Paging | None = None

    def __post_init__(self) -> None:
        _check("Terms", self.path, self.params, self.fields, [each.name for each in fields(Term)])


@dataclass(frozen=True, kw_only=True)
class Courses:
    """The list of courses, and where one of them lies."""

    path: str
    #: fields of `coursekeep.Course`, without `ended` and `ended_at`; `id` and `name` are needed
    fields: Mapping[str, Source]
    params: Params = field(default_factory=dict)
    key: Place | None = None
    paging: Paging | None = None
    #: path of one course, with `{course_id}`
    one: str
    #: where the course lies in that answer
    one_key: Place | None = None
    #: path of one course by its SIS id, with `{sis_id}`; without it, the list is searched
    one_by_sis: str | None = None
    #: parameter by which the LMS searches; without it, names, codes and ids are searched here
    text_parameter: str | None = None
    #: parameter by which the LMS lists one term's courses; without it, all are read and chosen from
    term_parameter: str | None = None
    ends: EndRule = field(default_factory=EndRule)

    def __post_init__(self) -> None:
        known = [each.name for each in fields(Course) if each.name not in _JUDGED]
        _check("Courses", self.path, self.params, self.fields, known)
        if "{course_id}" not in self.one:
            raise DeclarationError("Courses: one: write {course_id} where the id of a course belongs")
        if self.one_by_sis is not None and "{sis_id}" not in self.one_by_sis:
            raise DeclarationError("Courses: one_by_sis: write {sis_id} where the SIS id of a course belongs")


def _check(what: str, path: str, params: Params, given: Mapping[str, Source], known: Sequence[str]) -> None:
    if not path.startswith("/"):
        raise DeclarationError(f"{what}: the path must begin with / and lie below base_url")
    for name in [each for text in (path, *texts_of(params)) for each in names_in(text)]:
        if not name.startswith("settings."):
            raise DeclarationError(f"{what}: {{{name}}} is unknown; only {{settings.NAME}} can be filled in here")
    for name in given:
        if name in _JUDGED:
            raise DeclarationError(f"{what}: fields: {name!r} follows from `ends`; give end_at and state instead")
        if name not in known:
            raise DeclarationError(f"{what}: fields: there is no {name!r}; {close(name, known)}")
    for name in ("id", "name"):
        if name not in given:
            raise DeclarationError(f"{what}: fields: {name!r} is needed")
