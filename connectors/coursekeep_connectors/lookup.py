"""From references to courses: one by one, some at a time, in the order in which they were given."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from typing import Any

from coursekeep import Connector, Course, MalformedAnswer, NoAccess, Outcome, Selection, SourceContext

__all__ = ["look_up"]

#: a reference as it was typed, and the id under which the connector knows it
Wanted = tuple[str, str]


async def look_up(
    connector: Connector[Any], wanted: Iterable[Wanted], context: SourceContext
) -> AsyncGenerator[Selection, None]:
    """Yield a selection for every reference; those already dealt with, and repeated ones, are left out.

    At most `context.concurrency` courses are asked for at once, and only as far ahead as that.
    """
    coming = _fresh(wanted, context)
    waiting: deque[asyncio.Task[Selection]] = deque()
    try:
        while True:
            while len(waiting) < max(1, context.concurrency) and (found := next(coming, None)) is not None:
                waiting.append(asyncio.create_task(_one(connector, *found)))
            if not waiting:
                return
            yield await waiting[0]
            waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


def _fresh(wanted: Iterable[Wanted], context: SourceContext) -> Iterator[Wanted]:
    seen = set(context.done)
    for ref, course_id in wanted:
        if ref not in seen:
            seen.add(ref)
            yield ref, course_id


async def _one(connector: Connector[Any], ref: str, course_id: str) -> Selection:
    try:
        course = await connector.course(course_id)
    except (NoAccess, MalformedAnswer) as error:
        # One course that makes no sense must not end the search for the others; it fails where it can be seen.
        return Selection(ref=ref, outcome=Outcome.NO_ACCESS, detail=str(error))
    if course is None:
        return Selection(ref=ref, outcome=Outcome.NOT_FOUND, detail=_unknown(connector, ref))
    if not _same(course, course_id):
        # Archiving another course than the one asked for would be an invented record.
        detail = f"{connector.title} answered with another course, {course.id}; give that id if it is meant"
        return Selection(ref=ref, outcome=Outcome.EXCLUDED, detail=detail)
    return Selection(ref=ref, course=course)


def _same(course: Course, course_id: str) -> bool:
    if course_id.startswith("sis:"):
        # Canvas compares SIS ids without regard to case, and hides them from tokens without the right to see them.
        return course.sis_id is None or course.sis_id.casefold() == course_id.removeprefix("sis:").casefold()
    return course.id == course_id or "~" in course_id


def _unknown(connector: Connector[Any], ref: str) -> str:
    kind = "SIS id" if ref.startswith("sis:") else "id"
    advice = "" if kind == "SIS id" else "; a SIS id needs the prefix sis:"
    return f"{connector.title} knows no course with this {kind}{advice}"
