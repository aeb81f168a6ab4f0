"""A campus: accounts, terms and courses, as pure data, and the switches that make it behave badly on purpose."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from coursekeep_campus.content import Content, Doc, Person
from coursekeep_campus.times import stamp

__all__ = ["Access", "Account", "Campus", "Course", "Known", "Lazy", "Term", "combine"]


class Access(Enum):
    """How far the integration's user gets into a course."""

    OPEN = "open"
    FORBIDDEN = "forbidden"
    DATE_RESTRICTED = "date_restricted"


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The root account or one below it."""

    id: int
    name: str
    parent_id: int | None = None
    sis_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Term:
    """An enrolment term."""

    id: int
    name: str
    sis_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    state: str = "active"
    #: role to (start, end)
    overrides: dict[str, tuple[datetime | None, datetime | None]] = field(default_factory=dict)
    created_at: datetime | None = None
    grading_period_group_id: int | None = None


class Lazy:
    """Makes courses' contents when they are first needed, and keeps the few used last.

    A content that was changed is `pinned`: it is never made anew.
    """

    def __init__(self, keep: int = 8) -> None:
        self._keep = keep
        self._made: OrderedDict[int, Content] = OrderedDict()
        self._pinned: dict[int, Content] = {}

    def get(self, course_id: int, make: Callable[[], Content]) -> Content:
        """Return the content of a course, making it if it is not at hand."""
        content = self._pinned.get(course_id) or self._made.get(course_id)
        if content is None:
            content = self._made[course_id] = make()
            if len(self._made) > self._keep:
                self._made.popitem(last=False)
        elif course_id in self._made:
            self._made.move_to_end(course_id)
        return content

    def pin(self, course_id: int, content: Content) -> None:
        """Keep this content for good."""
        self._pinned[course_id] = content


@dataclass(kw_only=True, slots=True)
class Course:
    """A course: what lists of courses show, its switches, and a way to its content."""

    id: int
    name: str
    code: str
    account_id: int
    term_id: int
    make: Callable[[], Content]
    lazy: Lazy
    #: as in Canvas's database: created, claimed, available, completed, deleted
    state: str = "available"
    sis_id: str | None = None
    start_at: datetime | None = None
    end_at: datetime | None = None
    restrict_to_dates: bool = False
    created_at: datetime | None = None
    access: Access = Access.OPEN
    student_count: int = 0
    enrolled: int = 0
    teachers: tuple[Person, ...] = ()
    apply_weights: bool = False
    blueprint: bool = False
    nickname: str | None = None
    #: parts switched off: they answer 404 "That page has been disabled for this course"
    disabled: frozenset[str] = frozenset()
    export_fails: bool = False
    #: a token of the campus's teacher reaches it
    taught: bool = False
    #: its content is held as a whole from the start, rather than made on demand
    eager: bool = True
    #: the only folder of a course whose content is made on demand
    root_folder: Doc | None = None

    @property
    def content(self) -> Content:
        """Return what is in the course."""
        return self.lazy.get(self.id, self.make)

    def pin(self) -> None:
        """Keep the content as it is from now on, because it was changed."""
        self.lazy.pin(self.id, self.content)


#: what tests and the demo need to know beforehand, under the names of `GET /campus/known`
Known = dict[str, Any]


@dataclass(kw_only=True, slots=True)
class Campus:
    """A whole LMS: accounts, terms, people and courses, as of `now`."""

    now: datetime
    accounts: dict[int, Account] = field(default_factory=dict)
    terms: dict[int, Term] = field(default_factory=dict)
    courses: dict[int, Course] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    root_id: int = 1

    def has_ended(self, course: Course) -> bool:
        """Tell whether a course has ended by Canvas's own rule, as `include[]=concluded` answers."""
        if course.state == "completed":
            return True
        if course.end_at is not None and course.restrict_to_dates:
            return course.end_at < self.now
        end = self.terms[course.term_id].end_at
        return end is not None and end < self.now

    def naive_completed(self, course: Course) -> bool:
        """Tell whether the filter `completed=true` lists a course: any past end counts, even one without effect."""
        end = self.terms[course.term_id].end_at
        ends = [moment for moment in (course.end_at, end) if moment is not None]
        return course.state == "completed" or any(moment < self.now for moment in ends)

    def account_and_below(self, account_id: int) -> set[int]:
        """Return the ids of an account and all its sub-accounts."""
        found = {account_id}
        while more := {a.id for a in self.accounts.values() if a.parent_id in found} - found:
            found |= more
        return found

    def by_sis_id(self, sis_id: str) -> Course | None:
        """Find a course by its SIS id."""
        return next((course for course in self.courses.values() if course.sis_id == sis_id), None)

    def describe_term(self, term: Term, *, overrides: bool = False) -> Doc:
        """Describe a term as Canvas does."""
        doc: Doc = {
            "id": term.id,
            "name": term.name,
            "start_at": stamp(term.start_at),
            "end_at": stamp(term.end_at),
            "created_at": stamp(term.created_at),
            "workflow_state": term.state,
            "grading_period_group_id": term.grading_period_group_id,
            "sis_term_id": term.sis_id,
        }
        if overrides:
            doc["overrides"] = {
                role: {"start_at": stamp(start), "end_at": stamp(end)} for role, (start, end) in term.overrides.items()
            }
        return doc


def combine(campuses: Sequence[Campus]) -> Campus:
    """Make one campus of several. The first one's root account, and what it knows, come first.

    Raises ValueError where there is none, or where two have a course of the same id.
    """
    if not campuses:
        raise ValueError("no campus to serve")
    whole = Campus(now=campuses[0].now, known={"ended": [], "running": [], "traps": {}})
    for part in campuses:
        if twice := whole.courses.keys() & part.courses.keys():
            raise ValueError(f"two campuses have the course {min(twice)}")
        whole.courses.update(part.courses)
        whole.accounts = {**part.accounts, **whole.accounts}
        whole.terms = {**part.terms, **whole.terms}
        for name in ("ended", "running"):
            whole.known[name] = [*whole.known[name], *part.known[name]]
        whole.known = {**part.known, **whole.known, "traps": {**part.known["traps"], **whole.known["traps"]}}
    return whole
