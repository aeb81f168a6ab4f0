"""The order in which a course is read.

People come first, so that later mentions of them add nothing new. Files come before attachments, which may be files
of the course. Pages come before modules, whose items know pages by slug only. Who was merely mentioned comes last.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from coursekeep import Kind, Part
from coursekeep_connectors.canvas import (
    assignments,
    discussions,
    files,
    history,
    modules,
    others,
    pages,
    people,
    quizzes,
    shell,
)
from coursekeep_connectors.canvas.groups import Groups
from coursekeep_connectors.canvas.native import Cartridge
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.submissions import submissions
from coursekeep_connectors.canvas.values import Json

__all__ = ["read_course"]


#: what lies in groups, and what is found by assignments
_OF_GROUPS = (Kind.FILES, Kind.PAGES, Kind.PAGE_REVISIONS, Kind.DISCUSSIONS, Kind.POSTS)
_OF_ASSIGNMENTS = (Kind.SUBMISSIONS, Kind.FILES, Kind.QUIZZES, Kind.QUIZ_QUESTIONS, Kind.QUIZ_ATTEMPTS)


async def read_course(reading: Reading, item: Json) -> AsyncGenerator[Part, None]:
    """Yield all parts of the course, whose own JSON is `item`."""
    cartridge = Cartridge(reading) if reading.settings.native_export else None
    if cartridge is not None:
        await cartridge.ask()
    for area in (_about, _membership, _contents, _work, _results):
        async with aclosing(area(reading, item)) as parts:
            async for part in parts:
                yield part
    if cartridge is not None:
        async with aclosing(cartridge.parts()) as parts:
            async for part in parts:
                yield part
    async with aclosing(people.others(reading)) as parts:
        async for part in parts:
            yield part
    for expected in reading.expected():
        yield expected


async def _about(reading: Reading, item: Json) -> Parts:
    """The course itself."""
    guarded = reading.guarded
    for stream in (
        guarded(shell.shell(reading, item), Kind.SETTINGS, of="course", count=0),
        shell.configuration(reading),
        guarded(shell.gradebook_columns(reading), Kind.SETTINGS, of="custom_gradebook_columns", count=0),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part


async def _membership(reading: Reading, item: Json) -> Parts:
    """Who takes part."""
    guarded = reading.guarded
    for stream in (
        guarded(people.sections(reading), Kind.SECTIONS),
        guarded(people.users(reading), Kind.PEOPLE),
        guarded(people.enrollments(reading), Kind.ENROLLMENTS, Kind.GRADES, *modules.kinds(reading)),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part


async def _contents(reading: Reading, item: Json) -> Parts:
    """What the course holds, and what its groups hold."""
    guarded, groups = reading.guarded, Groups()
    async with aclosing(guarded(groups.parts(reading), Kind.GROUPS, *_OF_GROUPS)) as parts:
        async for part in parts:
            yield part
    for space in (reading.space, *groups.spaces):
        mark = None if space.group_id is None else f"group-{space.group_id}"
        for stream in (
            guarded(files.files(reading, space), Kind.FILES, of=mark, listing=True),
            guarded(pages.pages(reading, space), Kind.PAGES, Kind.PAGE_REVISIONS, of=mark, listing=True),
        ):
            async with aclosing(stream) as parts:
                async for part in parts:
                    yield part
    outline = modules.Modules()
    async with aclosing(guarded(outline.parts(reading), Kind.STRUCTURE, *modules.kinds(reading))) as parts:
        async for part in parts:
            yield part
    async with aclosing(modules.progress(reading, outline.demanding)) as parts:
        async for part in parts:
            yield part
    for space in (reading.space, *groups.spaces):
        mark = None if space.group_id is None else f"group-{space.group_id}"
        async with aclosing(
            guarded(discussions.discussions(reading, space), *discussions.KINDS, of=mark, listing=True)
        ) as parts:
            async for part in parts:
                yield part
        async with aclosing(
            guarded(discussions.announcements(reading, space), *discussions.KINDS, of=mark, listing=True)
        ) as parts:
            async for part in parts:
                yield part
    async with aclosing(guarded(others.calendar(reading), Kind.CALENDAR_EVENTS)) as parts:
        async for part in parts:
            yield part


async def _work(reading: Reading, item: Json) -> Parts:
    """What was asked of students, and what they handed in."""
    guarded, work = reading.guarded, assignments.Assignments()
    for stream in (
        guarded(assignments.assignment_groups(reading), Kind.ASSIGNMENT_GROUPS),
        guarded(work.parts(reading), Kind.ASSIGNMENTS, *_OF_ASSIGNMENTS),
        guarded(assignments.rubrics(reading), Kind.RUBRICS),
        guarded(quizzes.quizzes(reading), Kind.QUIZZES, Kind.QUIZ_QUESTIONS, Kind.QUIZ_ATTEMPTS),
        quizzes.new_quizzes(reading, work.refs),
        submissions(reading, work.refs),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part


async def _results(reading: Reading, item: Json) -> Parts:
    """How it was judged."""
    guarded = reading.guarded
    for stream in (
        guarded(history.grade_history(reading), Kind.GRADE_HISTORY),
        guarded(others.outcomes(reading), Kind.OUTCOMES),
        guarded(others.outcome_results(reading), Kind.OUTCOME_RESULTS),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part
