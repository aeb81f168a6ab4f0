"""What everybody completed, and the badges of the course."""

from __future__ import annotations

from contextlib import aclosing

from coursekeep import Gap, GapReason, Kind, NoAccess, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.client import OutcomeError
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, pick, text, whole

__all__ = ["badges", "completion"]

_ACTIVITIES = "core_completion_get_activities_completion_status"
_COURSE = "core_completion_get_course_completion_status"
_BADGES = "core_badges_get_user_badges"
_STATES = {0: "incomplete", 1: "complete", 2: "complete_pass", 3: "complete_fail"}


async def completion(reading: Reading, course: Json) -> Parts:
    """Yield everybody's completion; a course that does not track it has none."""
    if course.get("enablecompletion") in (0, False):
        reading.expect(Kind.COMPLETIONS, 0, "completion is switched off in the course")
        return
    reading.expect(Kind.COMPLETIONS, 0)
    for function in (_ACTIVITIES, _COURSE):
        if not await reading.calls.has(function):
            detail = f"the web service of this token lacks the function {function}"
            yield Gap(kind=Kind.COMPLETIONS, reason=GapReason.NOT_OFFERED, id=function, detail=detail, count=None)
            continue
        read = _activities if function == _ACTIVITIES else _course
        streams = (
            reading.guarded(read(reading, person_id), Kind.COMPLETIONS, of=f"{person_id}-{function}")
            for person_id in _ordered(reading.enrolled)
        )
        async with aclosing(in_order(streams, width=reading.width)) as parts:
            async for part in parts:
                yield part


def _ordered(people: set[str]) -> list[str]:
    return sorted(people, key=lambda found: (len(found), found))


async def _activities(reading: Reading, person_id: str) -> Parts:
    body, items = await reading.listing(
        _ACTIVITIES, {"courseid": reading.course.id, "userid": person_id}, key="statuses"
    )
    yield reading.raw("activities_completion", items, of=person_id)
    for part in reading.warned(body, Kind.COMPLETIONS):
        yield part
    for item in items:
        for part in reading.mapped(Kind.COMPLETIONS, item, lambda found: _status(found, person_id)):
            yield part


def _status(item: Json, person_id: str) -> Record:
    cmid = ident(item, "cmid")
    state = whole(item.get("state"))
    data = {
        "person_id": person_id,
        "target_kind": "structure",
        "target_id": f"cm-{cmid}",
        "state": None if state is None else _STATES.get(state, str(state)),
        "at": moment(item.get("timecompleted")),
        "extra": pick(item, "tracking", "overrideby", "details"),
    }
    return Record(kind=Kind.COMPLETIONS, id=f"cm-{cmid}-{person_id}", data=data)


async def _course(reading: Reading, person_id: str) -> Parts:
    try:
        body = await reading.call(_COURSE, {"courseid": reading.course.id, "userid": person_id})
    except OutcomeError as error:
        if error.code in ("nocriteriaset", "usernotenroled"):
            return  # the course sets no criteria, or this person has none to meet
        raise
    yield reading.raw("course_completion", body, of=person_id)
    for part in reading.warned(body, Kind.COMPLETIONS):
        yield part
    found = body.get("completionstatus")
    if isinstance(found, dict):
        for part in reading.mapped(
            Kind.COMPLETIONS, found, lambda item: _whole(item, person_id), of=f"course-{person_id}"
        ):
            yield part


def _whole(item: Json, person_id: str) -> Record:
    done = item.get("completed")
    data = {
        "person_id": person_id,
        "target_kind": "course",
        "state": None if done is None else "complete" if done else "incomplete",
        "extra": pick(item, "aggregation", "completions"),
    }
    return Record(kind=Kind.COMPLETIONS, id=f"course-{person_id}", data=data)


async def badges(reading: Reading) -> Parts:
    """Yield the badges that people were awarded in this course."""
    reading.expect(Kind.BADGES, 0)
    streams = (_badges(reading, person_id) for person_id in _ordered(reading.enrolled))
    try:
        async with aclosing(in_order(streams, width=reading.width)) as parts:
            async for part in parts:
                yield part
    except NoAccess as error:
        detail = f"the account needs moodle/badges:viewotherbadges: {error}"
        yield Gap(kind=Kind.BADGES, reason=GapReason.NO_ACCESS, id="others", detail=detail, count=None)


async def _badges(reading: Reading, person_id: str) -> Parts:
    arguments = {"userid": person_id, "courseid": reading.course.id}
    body, items = await reading.listing(_BADGES, arguments, key="badges")
    if items:
        yield reading.raw("badges", items, of=person_id)
    for part in reading.warned(body, Kind.BADGES):
        yield part
    for item in items:
        for part in reading.mapped(Kind.BADGES, item, lambda found: _badge(found, person_id)):
            yield part


def _badge(item: Json, person_id: str) -> Record:
    data = {
        "name": text(item.get("name")),
        "description": text(item.get("description")) or None,
        "person_id": person_id,
        "awarded_at": moment(item.get("dateissued")),
        "extra": pick(
            item, "uniquehash", "dateexpire", "issuername", "issuerurl", "status", "version", "language", "badgeurl"
        ),
    }
    return Record(kind=Kind.BADGES, id=f"{ident(item)}-{person_id}", data=data)
