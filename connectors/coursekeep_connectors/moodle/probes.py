"""Looks whether one course can be read part by part: what a capability is for is seen only where it is used."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from coursekeep import CheckStep, ConnectorError, CredentialsNeeded, RetryLater, Unavailable
from coursekeep_connectors.moodle.calls import Calls
from coursekeep_connectors.moodle.client import OutcomeError
from coursekeep_connectors.moodle.values import Json, objects, text

__all__ = ["probe"]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Probe:
    """One call of a function, and the capabilities that it needs."""

    name: str
    function: str
    arguments: Mapping[str, Any]
    capabilities: str
    #: key of the list that must not be empty; none where any answer will do
    filled: str | None = None


async def probe(calls: Calls, course_id: str) -> AsyncGenerator[CheckStep, None]:
    """Yield a step for each part of the course that can be looked at."""
    people = await _first(calls, "core_enrol_get_enrolled_users", {"courseid": course_id, "options": _ONE}, None)
    for one in _of_course(course_id, text(people.get("id"))):
        step = await _looked(calls, one, course_id)
        if step is not None:
            yield step
    async for step in _of_activities(calls, course_id, text(people.get("id"))):
        yield step


#: one of those enrolled is enough
_ONE = [{"name": "limitfrom", "value": 0}, {"name": "limitnumber", "value": 1}, {"name": "userfields", "value": "id"}]


def _of_course(course_id: str, person: str | None) -> list[_Probe]:
    course = {"courseid": course_id}
    active = [*_ONE, {"name": "onlyactive", "value": 1}]
    found = [
        _Probe(
            name="people",
            function="core_enrol_get_enrolled_users",
            arguments={**course, "options": _ONE},
            capabilities="moodle/course:viewparticipants, moodle/site:accessallgroups and moodle/user:viewdetails",
            filled="",
        ),
        _Probe(
            name="suspended enrolments",
            function="core_enrol_get_enrolled_users",
            arguments={**course, "options": active},
            capabilities="moodle/course:enrolreview",
        ),
        _Probe(
            name="groups",
            function="core_group_get_course_groups",
            arguments=course,
            capabilities="moodle/course:managegroups",
        ),
        _Probe(
            name="competencies",
            function="core_competency_list_course_competencies",
            arguments={"id": course_id},
            capabilities="moodle/competency:coursecompetencyview and moodle/competency:usercompetencyview",
        ),
        _Probe(
            name="calendar",
            function="core_calendar_get_calendar_events",
            arguments={"events": {"courseids": [course_id]}},
            capabilities="moodle/course:view",
        ),
        _Probe(
            name="notes",
            function="core_notes_get_course_notes",
            arguments={**course, "userid": 0},
            capabilities="moodle/notes:view",
        ),
        _Probe(
            name="backups",
            function="core_files_get_files",
            arguments={
                "contextid": -1,
                "component": "backup",
                "filearea": "automated",
                "itemid": 0,
                "filepath": "/",
                "filename": "",
                "contextlevel": "course",
                "instanceid": course_id,
            },
            capabilities="moodle/restore:viewautomatedfilearea, moodle/backup:downloadfile and moodle/restore:userinfo",
        ),
    ]
    return found + (_of_person(course_id, person) if person else [])


def _of_person(course_id: str, person: str) -> list[_Probe]:
    both = {"courseid": course_id, "userid": person}
    return [
        _Probe(
            name="grades",
            function="gradereport_user_get_grade_items",
            arguments=both,
            capabilities="gradereport/user:view, moodle/grade:viewall and moodle/grade:viewhidden",
        ),
        _Probe(
            name="completion",
            function="core_completion_get_activities_completion_status",
            arguments=both,
            capabilities="report/progress:view and report/completion:view",
        ),
        _Probe(
            name="badges",
            function="core_badges_get_user_badges",
            arguments=both,
            capabilities="moodle/badges:viewotherbadges",
        ),
    ]


async def _of_activities(calls: Calls, course_id: str, person: str | None) -> AsyncGenerator[CheckStep, None]:
    ids = {"courseids": [course_id]}
    assign = await _first(calls, "mod_assign_get_assignments", {**ids, "includenotenrolledcourses": True}, "courses")
    quiz = await _first(calls, "mod_quiz_get_quizzes_by_courses", ids, "quizzes")
    forum = await _first(calls, "mod_forum_get_forums_by_courses", ids, None)
    assignments = assign.get("assignments")
    wanted = []
    if isinstance(assignments, list) and assignments:
        arguments: Json = {"assignmentids": [assignments[0].get("id")]}
        wanted.append(
            ("submissions", "mod_assign_get_submissions", arguments, "mod/assign:view and mod/assign:viewgrades")
        )
    if quiz and person:
        arguments = {"quizid": quiz.get("id"), "userid": person, "status": "all"}
        for function in ("mod_quiz_get_user_quiz_attempts", "mod_quiz_get_user_attempts"):
            if await calls.has(function):
                wanted.append(("quiz attempts", function, arguments, "mod/quiz:view and mod/quiz:viewreports"))
                break
    if forum:
        arguments = {"forumid": forum.get("id"), "page": 0, "perpage": 1}
        needed = "mod/forum:viewdiscussion and mod/forum:viewqandawithoutposting"
        wanted.append(("discussions", "mod_forum_get_forum_discussions", arguments, needed))
    for name, function, found, capabilities in wanted:
        step = await _looked(
            calls, _Probe(name=name, function=function, arguments=found, capabilities=capabilities), course_id
        )
        if step is not None:
            yield step


async def _first(calls: Calls, function: str, arguments: Json, key: str | None) -> Json:
    """Return the first object of a list; an empty one where there is none, or it may not be read."""
    try:
        body = await calls.call(function, arguments)
        found = objects(body if key is None else body.get(key))
    except (CredentialsNeeded, RetryLater):
        raise
    except (ConnectorError, TypeError, AttributeError):
        return {}
    return found[0] if found else {}


async def _looked(calls: Calls, one: _Probe, course_id: str) -> CheckStep | None:
    """Make one call, and say what it needs where it is refused; None where the function is not there at all."""
    remedy = f"Give the service account's role {one.capabilities}, at the level of the system."
    try:
        body = await calls.call(one.function, one.arguments)
    except Unavailable:
        return None  # its absence has a step of its own
    except OutcomeError:
        return None  # the site has switched it off
    except (CredentialsNeeded, RetryLater):
        raise
    except ConnectorError as error:
        return CheckStep(name=one.name, ok=False, detail=str(error), remedy=remedy)
    warnings = objects(body.get("warnings")) if isinstance(body, dict) else []
    refused = [warning for warning in warnings if str(warning.get("warningcode")) in ("1", "2")]
    if refused:
        detail = f"Moodle warns that it leaves something out ({one.function})"
        return CheckStep(name=one.name, ok=False, detail=detail, remedy=remedy)
    if one.filled == "" and not body:
        return CheckStep(name=one.name, ok=False, detail=f"course {course_id} shows nobody", remedy=remedy)
    return CheckStep(name=one.name, ok=True, detail=f"seen in course {course_id}")
