"""The history of grades: by day, as a feed, and as an audit."""

from __future__ import annotations

from collections.abc import Iterable

from coursekeep_campus.call import Call
from coursekeep_campus.content import ORIGIN, Doc
from coursekeep_campus.replies import Reply
from coursekeep_campus.router import Routes

__all__ = ["routes"]

routes = Routes()


def _changes(call: Call) -> list[Doc]:
    assert call.course
    call.need_admin()
    return call.content.grade_changes


@routes.get("courses/{course}/gradebook_history/days")
def days(call: Call) -> Reply:
    """List the days on which grades changed, the latest first."""
    by_day: dict[str, list[Doc]] = {}
    for change in _changes(call):
        by_day.setdefault(change["graded_at"][:10], []).append(change)
    found = [{"date": day, "graders": _graders(by_day[day])} for day in sorted(by_day, reverse=True)]
    return call.page(found)


@routes.get("courses/{course}/gradebook_history/{date}")
def day(call: Call) -> Reply:
    """List who graded what on one day."""
    date = call.names["date"]
    return call.page(_graders(change for change in _changes(call) if change["graded_at"].startswith(date)))


@routes.get("courses/{course}/gradebook_history/{date}/graders/{grader}/assignments/{assignment}/submissions")
def day_submissions(call: Call) -> Reply:
    """List the versions of submissions that one grader graded for one assignment on one day."""
    date, grader, assignment = call.names["date"], call.number("grader"), call.number("assignment")
    found: dict[int, Doc] = {}
    for change in _changes(call):
        if (change["graded_at"][:10], change["grader_id"], change["assignment_id"]) == (date, grader, assignment):
            mine = found.setdefault(change["id"], {"submission_id": change["id"], "versions": []})
            mine["versions"].append(change)
    return call.page(list(found.values()))


def _graders(changes: Iterable[Doc]) -> list[Doc]:
    graders: dict[int, Doc] = {}
    for change in changes:
        new: Doc = {"id": change["grader_id"], "name": change["grader"], "assignments": []}
        assignments = graders.setdefault(change["grader_id"], new)["assignments"]
        if change["assignment_id"] not in [a["id"] for a in assignments]:
            assignments.append({"id": change["assignment_id"], "name": change["assignment_name"]})
    return list(graders.values())


@routes.get("courses/{course}/gradebook_history/feed")
def feed(call: Call) -> Reply:
    """List all versions of graded submissions by bookmark, the latest first unless asked otherwise."""
    found = list(enumerate(_changes(call), 1))
    for name in ("assignment_id", "user_id"):
        if wanted := call.value(name):
            found = [(number, change) for number, change in found if str(change[name]) == wanted]
    if not call.flag("ascending"):
        found.reverse()
        return call.bookmarked(found, lambda pair: pair[1], key=lambda pair: -pair[0])
    return call.bookmarked(found, lambda pair: pair[1], key=lambda pair: pair[0])


@routes.get("audit/grade_change/courses/{course}")
def audit(call: Call) -> Reply:
    """List grade changes as audit events."""
    changes = _changes(call)
    events = [_event(call, number, change) for number, change in enumerate(changes, 1)]
    reply = call.page(events, wrap="events")
    linked = b',"linked":{"assignments":[],"courses":[],"users":[],"page_views":[]},"links":{}}'
    return Reply(reply.body[:-1] + linked, 200, reply.headers)


def _event(call: Call, number: int, change: Doc) -> Doc:
    return {
        "id": f"event-{call.course.id}-{number}",
        "created_at": change["graded_at"],
        "event_type": "grade_change",
        "excused_before": False,
        "excused_after": False,
        "grade_before": change["previous_grade"],
        "grade_after": change["new_grade"],
        "version_number": change["attempt"],
        "links": {
            "assignment": change["assignment_id"],
            "course": call.course.id,
            "student": change["user_id"],
            "grader": change["grader_id"],
            "page_view": None,
        },
    }


@routes.get("audit/course/courses/{course}")
def course_audit(call: Call) -> Reply:
    """List changes of the course as audit events: none are recorded."""
    call.need_admin()
    assert call.course
    return call.reply({"events": [], "linked": {}, "links": {"events.course": f"{ORIGIN}/api/v1/courses"}})
