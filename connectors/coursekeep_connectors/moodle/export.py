"""The order in which a course is read.

People come first, so that later mentions of them add nothing new. The outline comes before the activities, which it
names. Attempts at quizzes are asked for person by person, and so come when everybody is known that the course names.
Who was merely mentioned comes last.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from coursekeep import Kind, Part, Record
from coursekeep_connectors.moodle import (
    assignments,
    calendar,
    competencies,
    forums,
    grades,
    groups,
    materials,
    native,
    people,
    progress,
    quizzes,
    rubrics,
)
from coursekeep_connectors.moodle.activities import activities
from coursekeep_connectors.moodle.calls import SiteInfo
from coursekeep_connectors.moodle.listed import drain
from coursekeep_connectors.moodle.outline import Outline
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.sorts import APART, SORTS
from coursekeep_connectors.moodle.values import Json

__all__ = ["read_course"]


async def read_course(reading: Reading, item: Json, info: SiteInfo) -> AsyncGenerator[Part, None]:
    """Yield all parts of the course, whose own JSON is `item`."""
    outline = Outline()
    guarded = reading.guarded
    streams = [
        _shell(reading, item, info),
        guarded(people.enrolled(reading), Kind.PEOPLE, Kind.ENROLLMENTS),
        guarded(groups.groups(reading), Kind.GROUPS),
        guarded(groups.groupings(reading), Kind.SETTINGS, of="groupings", count=0),
        guarded(outline.parts(reading), Kind.STRUCTURE, Kind.FILES),
        guarded(materials.pages(reading, outline), Kind.PAGES, of="pages"),
        guarded(materials.labels(reading, outline), Kind.PAGES, of="labels"),
        guarded(materials.books(reading, outline), Kind.PAGES, of="books"),
        guarded(grades.grades(reading), Kind.GRADES),
        guarded(assignments.assignments(reading, outline), Kind.ASSIGNMENTS, Kind.SUBMISSIONS),
        guarded(rubrics.rubrics(reading, outline), Kind.RUBRICS),
        guarded(forums.forums(reading, outline), Kind.DISCUSSIONS, Kind.POSTS),
        guarded(activities(reading, outline, SORTS, APART), Kind.ACTIVITIES, Kind.RESPONSES),
        guarded(calendar.events(reading), Kind.CALENDAR_EVENTS),
        guarded(calendar.notes(reading), Kind.SETTINGS, of="notes", count=0),
        guarded(quizzes.quizzes(reading, outline), Kind.QUIZZES),
        guarded(quizzes.attempts(reading, outline), Kind.QUIZ_ATTEMPTS),
    ]
    streams.append(guarded(competencies.competencies(reading), Kind.OUTCOMES, Kind.OUTCOME_RESULTS))
    if reading.settings.completion:
        streams.append(guarded(progress.completion(reading, item), Kind.COMPLETIONS))
    if reading.settings.badges:
        streams.append(guarded(progress.badges(reading), Kind.BADGES))
    if reading.settings.backups != "none":
        streams.append(native.backups(reading))
    streams.append(people.others(reading))
    async with aclosing(drain(*streams)) as parts:
        async for part in parts:
            yield part
    for expected in reading.expected():
        yield expected


async def _shell(reading: Reading, item: Json, info: SiteInfo) -> Parts:
    """The course itself, and the site that it lives in."""
    yield reading.raw("course", item)
    for name in ("summaryfiles", "overviewfiles"):
        for part in reading.attached(item.get(name), group="course"):
            yield part
    for part in reading.mapped(Kind.SETTINGS, item, lambda found: _setting("course", found), of="course"):
        yield part
    site = {"name": info.name, "release": info.release, "version": info.version, "functions": len(info.functions)}
    reading.expect(Kind.SETTINGS)
    yield _setting("site", site)


def _setting(name: str, value: Json) -> Record:
    return Record(kind=Kind.SETTINGS, id=name, data={"value": value})
