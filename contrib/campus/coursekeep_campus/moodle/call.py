"""A call of a function: who calls, with what, and what the caller may do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from coursekeep_campus.moodle.arguments import Struct
from coursekeep_campus.moodle.errors import course_missing, forbidden, missing, not_enterable, outside
from coursekeep_campus.moodle.model import Activity, Moodle, MoodleCourse

__all__ = ["Call", "Caller", "Function", "Options"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Whom a token belongs to. The archive's account has every capability that the options do not take away."""

    name: str
    user_id: int
    archive: bool = False
    #: error code with which everything is refused
    refused: str = ""
    #: the token may not download files
    downloads: bool = True


@dataclass(kw_only=True, slots=True)
class Options:
    """How a site behaves. Changed between requests, as an administrator would."""

    release: str = "4.5.6 (Build: 20250811)"
    version: str = "2024100706"
    #: functions that the service does not have
    without: set[str] = field(default_factory=set)
    #: capabilities that the archive's account lacks
    lacking: set[str] = field(default_factory=set)
    maintenance: bool = False
    #: competencies are switched on
    competencies: bool = True
    #: part of the site's own address after the host
    path: str = ""
    delay: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call."""

    site: Moodle
    options: Options
    caller: Caller
    args: Mapping[str, Any]
    functions: tuple[str, ...]
    raw: bool = False

    def has(self, capability: str) -> bool:
        """Tell whether the caller has a capability everywhere."""
        return self.caller.archive and capability not in self.options.lacking

    def need(self, capability: str) -> None:
        """Raise `nopermissions` where a capability is lacking."""
        if not self.has(capability):
            raise forbidden(capability)

    def sees(self, course: MoodleCourse) -> bool:
        """Tell whether the caller may know of a course."""
        if course.closed:
            return False
        return bool(course.visible) or self.has("moodle/course:viewhiddencourses") or self._teaches(course)

    def enters(self, course: MoodleCourse) -> bool:
        """Tell whether the caller may enter a course."""
        if not self.sees(course) or course.lobby:
            return False
        enrolled = any(one.user_id == self.caller.user_id and not one.suspended for one in course.enrolments)
        return enrolled or self.has("moodle/course:view")

    def course(self, course_id: int, *, wrapped: bool = True) -> MoodleCourse:
        """Return a course that the caller enters; raises what Moodle says otherwise."""
        course = self.site.courses.get(course_id)
        if course is None:
            raise course_missing()
        if not self.enters(course):
            raise not_enterable(course_id) if wrapped else outside()
        return course

    def activity(self, modname: str, instance: int) -> tuple[MoodleCourse, Activity]:
        """Return an activity in a course that the caller enters."""
        found = self.site.activity(modname, instance)
        if found is None:
            raise missing(modname)
        if not self.enters(found[0]):
            raise outside()
        return found

    def _teaches(self, course: MoodleCourse) -> bool:
        return any(one.user_id == self.caller.user_id and "editingteacher" in one.roles for one in course.enrolments)


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the web services: what it takes and what answers it."""

    name: str
    takes: Struct
    answer: Callable[[Call], Any]
