"""A made-up campus: about forty small courses in five terms, with every trap of the API in at least one of them.

The same seed, number and day give the same campus. Courses end, or do not, by every branch of Canvas's rule, and some
that a filter for "completed" would take have not ended at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import Content, Person
from coursekeep_campus.generated_course import fill
from coursekeep_campus.model import Access, Account, Campus, Course, Lazy, Term
from coursekeep_campus.times import present
from coursekeep_campus.traps import TRAPS, Trap

__all__ = ["generated"]

_SUBJECTS = (
    "Algebra", "Botany", "Chemistry", "Drama", "Ecology", "Film", "Geology", "History", "Informatics", "Journalism",
    "Kinetics", "Logic", "Mechanics", "Navigation", "Optics", "Poetry", "Quantum Theory", "Rhetoric", "Statistics",
    "Topology",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Situation:
    """Where a course stands: its term, state and own dates, in days from now."""

    term: str
    state: str = "available"
    end: int | None = None
    restrict: bool = False
    access: Access = Access.OPEN


#: every way to have ended; the first ones also bear the traps
_ENDED = (
    _Situation(term="old"),
    _Situation(term="last"),
    _Situation(term="current", state="completed"),
    _Situation(term="current", end=-10, restrict=True),
    # The end date is only information: the term decides, and it is over.
    _Situation(term="last", end=40, restrict=False),
    _Situation(term="old", state="claimed"),
    _Situation(term="overrides"),
    _Situation(term="default", end=-200, restrict=True),
)

#: every way not to have ended; a filter `completed=true` takes the first two for ended
_RUNNING = (
    _Situation(term="last", end=50, restrict=True),
    _Situation(term="current", end=-20, restrict=False),
    _Situation(term="current"),
    _Situation(term="default"),
    _Situation(term="current", state="created"),
    _Situation(term="default", end=-5, restrict=False),
)

_CLOSED = {
    "forbidden": _Situation(term="old", access=Access.FORBIDDEN),
    "deleted": _Situation(term="last", state="deleted"),
    "date_restricted": _Situation(term="last", access=Access.DATE_RESTRICTED),
}


def generated(seed: int = 1, courses: int = 40, now: datetime | None = None) -> Campus:
    """Make a campus of `courses` courses, three of which are closed: forbidden, deleted, restricted by date.

    Raises ValueError for fewer than five courses.
    """
    if courses < 5:
        raise ValueError(f"a generated campus needs at least 5 courses, not {courses}")
    campus = Campus(now=now or present(), accounts=_accounts())
    campus.terms = _terms(_today(campus))
    lazy = Lazy(keep=courses)
    open_ones = courses - len(_CLOSED)
    ended = max(1, round(open_ones * 25 / 37))
    situations = [_ENDED[n % len(_ENDED)] for n in range(ended)]
    situations += [_RUNNING[n % len(_RUNNING)] for n in range(open_ones - ended)]
    situations += _CLOSED.values()
    for number, situation in enumerate(situations):
        traps = [trap for place, trap in enumerate(TRAPS) if _host_of(place, ended) == number]
        course = _course(campus, seed, number, situation, traps, lazy)
        campus.courses[course.id] = course
    campus.known = _known(campus, ended, open_ones)
    return campus


def _host_of(trap: int, ended: int) -> int:
    """Return which of the ended courses bears a trap. The first one stays plain, where there is more than one."""
    return 0 if trap == 0 or ended == 1 else 1 + (trap - 1) % (ended - 1)


def _accounts() -> dict[int, Account]:
    accounts = (
        Account(id=1, name="Example University", sis_id="EXAMPLE"),
        Account(id=2, name="Faculty of Science", parent_id=1, sis_id="SCI"),
        Account(id=3, name="Faculty of Arts", parent_id=1, sis_id="ART"),
        Account(id=4, name="Institute of Physics", parent_id=2, sis_id="SCI-PHY"),
    )
    return {account.id: account for account in accounts}


def _terms(today: datetime) -> dict[int, Term]:
    def term(number: int, name: str, start: int, end: int, **more: object) -> Term:
        dates = {"start_at": today + timedelta(days=start), "end_at": today + timedelta(days=end)}
        facts = {"created_at": dates["start_at"], **dates, **more}
        return Term(id=number, name=name, sis_id=f"TERM-{number}", **facts)  # type: ignore[arg-type]  # moments by name

    override = {"TeacherEnrollment": (None, today + timedelta(days=30))}
    terms = (
        Term(id=1, name="Default Term", sis_id=None, created_at=today - timedelta(days=2000)),
        term(11, "Two years ago", -760, -640),
        term(12, "Last year", -400, -280),
        term(13, "Last autumn", -200, -45, overrides=override),
        term(14, "This term", -60, 70),
        term(15, "Cancelled term", -900, -800, state="deleted"),
    )
    return {term.id: term for term in terms}


_TERM_IDS = {"default": 1, "old": 11, "last": 12, "overrides": 13, "current": 14}


def _course(campus: Campus, seed: int, number: int, situation: _Situation, traps: Sequence[Trap], lazy: Lazy) -> Course:
    term = campus.terms[_TERM_IDS[situation.term]]
    subject = _SUBJECTS[number % len(_SUBJECTS)]
    level = 100 * (1 + number // len(_SUBJECTS)) + number
    start = term.start_at or _today(campus) - timedelta(days=300)
    course = Course(
        id=101 + number,
        name=f"{subject} {level}",
        code=f"{subject[:3].upper()} {level}",
        account_id=2 + number % 3,
        term_id=term.id,
        make=Content,
        lazy=lazy,
        state=situation.state,
        sis_id=f"{subject[:3].upper()}-{level}-{term.id}",
        start_at=start if situation.end is not None else None,
        end_at=_shift(campus, situation.end),
        restrict_to_dates=situation.restrict,
        created_at=start - timedelta(days=30),
        access=situation.access,
        teachers=(_teacher(1 + number % 8),),
        taught=number % 8 == 0,
        apply_weights=number % 2 == 0,
    )
    builder = Builder(
        course,
        first_id=course.id * 10_000,
        start=start,
        now=_today(campus),
        seed=f"{seed}/{number}",
        verifiers=number % 2 == 0,
    )
    course.make = lambda: builder.content
    _build(builder, seed, number, traps)
    return course


def _today(campus: Campus) -> datetime:
    """Return the start of the day: content depends on the day, not on the moment."""
    return campus.now.replace(hour=0, minute=0, second=0, microsecond=0)


def _shift(campus: Campus, days: int | None) -> datetime | None:
    return None if days is None else _today(campus) + timedelta(days=days)


def _build(builder: Builder, seed: int, number: int, traps: Sequence[Trap]) -> None:
    for trap in traps:
        if trap.before is not None:
            trap.before(builder)
    first = (number * 7 + seed) % 200
    students = [_student(1 + (first + offset) % 240) for offset in range(8)]
    test = Person(id=5000 + number, name="Test Student", sortable_name="Student, Test", login="", test_student=True)
    fill(builder, students, test)
    for trap in traps:
        trap.lay(builder)
    builder.finish()


def _student(number: int) -> Person:
    name = f"Student {number:04d}"
    return Person(
        id=1000 + number,
        name=name,
        sortable_name=name,
        login=f"s{number:04d}",
        sis_id=f"S{number:04d}",
        email=f"s{number:04d}@students.example.edu",
    )


def _teacher(number: int) -> Person:
    name = f"Teacher {number:02d}"
    return Person(id=1 + number, name=name, sortable_name=name, login=f"t{number:02d}", sis_id=f"T{number:02d}")


def _known(campus: Campus, ended: int, open_ones: int) -> dict[str, object]:
    ids = list(campus.courses)
    traps = {trap.name: ids[_host_of(place, ended)] for place, trap in enumerate(TRAPS)}
    late = campus.courses[traps["late_grade"]]
    graded = next(s for s in late.content.submissions if s.state == "graded")
    return {
        "ended": ids[:ended],
        "running": ids[ended:open_ones],
        **dict(zip(_CLOSED, ids[open_ones:], strict=True)),
        "locked_file": traps["locked_file"],
        "late_grade": late.id,
        "late_grade_assignment": graded.assignment_id,
        "late_grade_user": graded.user_id,
        "unknown": 999_999,
        "traps": traps,
    }
