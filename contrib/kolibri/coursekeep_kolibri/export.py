"""Everything that Kolibri knows of one class, area by area."""

from __future__ import annotations

from contextlib import aclosing

from coursekeep import Kind, Record
from coursekeep_kolibri.attendance import read_attendance
from coursekeep_kolibri.course_sessions import read_course_sessions
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.lessons import read_lessons, read_resources
from coursekeep_kolibri.logs import read_progress
from coursekeep_kolibri.people import read_enrollments, read_groups, read_people
from coursekeep_kolibri.quizzes import read_quiz_attempts, read_quizzes
from coursekeep_kolibri.reading import Reading
from coursekeep_kolibri.summary import ClassSummaries, read_summary

__all__ = ["read_class"]

_OF_COURSES = (
    Kind.STRUCTURE,
    Kind.QUIZZES,
    Kind.QUIZ_ATTEMPTS,
    Kind.OUTCOMES,
    Kind.OUTCOME_RESULTS,
    Kind.COMPLETIONS,
    Kind.RESPONSES,
)
#: The order matters: lessons, quizzes and courses say which resources to read, and people come when all who are
#: referred to are known.
_AREAS = (
    (read_enrollments, (Kind.ENROLLMENTS,)),
    (read_groups, (Kind.GROUPS,)),
    (read_lessons, (Kind.STRUCTURE,)),
    (read_quizzes, (Kind.QUIZZES, Kind.QUIZ_QUESTIONS)),
    (read_quiz_attempts, (Kind.QUIZ_ATTEMPTS,)),
    (read_course_sessions, _OF_COURSES),
    (read_progress, (Kind.COMPLETIONS, Kind.RESPONSES)),
    (read_resources, (Kind.ACTIVITIES, Kind.FILES)),
    (read_attendance, (Kind.ACTIVITIES, Kind.RESPONSES)),
    (read_people, (Kind.PEOPLE,)),
)


async def read_class(reading: Reading, summaries: ClassSummaries) -> Parts:
    """Yield all parts of a class."""
    ledger = reading.ledger
    yield ledger.raw("classrooms", [reading.item])
    yield _setting(reading.item)
    ledger.expect(Kind.SETTINGS)
    await read_summary(reading, summaries)
    for area, kinds in _AREAS:
        async with aclosing(ledger.guarded(area(reading), *kinds)) as parts:
            async for part in parts:
                yield part
    for expected in ledger.expected():
        yield expected


def _setting(item: Item) -> Record:
    return Record(kind=Kind.SETTINGS, id="classroom", data={"value": {"id": item["id"], "name": item["name"]}})
